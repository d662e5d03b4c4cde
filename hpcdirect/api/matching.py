# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      https://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""ETag: a change of what was seen and of nothing newer, and no news in brief.

If-Match looks at what people can change about a cluster; If-None-Match at the
whole answer, of which the last part of every ETag is a digest.
"""

from __future__ import annotations

from collections.abc import Iterable
import hashlib
import re

from sqlalchemy import orm
import webob

from hpcdirect.api.schemas.common import when
from hpcdirect.db import clusters
from hpcdirect.db.models import LABELS
from hpcdirect.db.models import Cluster
from hpcdirect.digests import digest
from hpcdirect.exception import ChangedSince
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

#: What If-Match may say: anything; an ETag, with the digest of the answer or
#: without; or a generation, whatever is said of the cluster besides.
PATTERN = r'^(\*|"[0-9]{1,18}(-[0-9a-f]{12}(-[0-9a-f]{16})?)?")$'


def tag(cluster: Cluster, tags: Iterable[str]) -> str:
    """What the ETag of a cluster begins with: all people can change of it.

    What the service changes (its status, its nodes) is not in it, or nobody
    could change a cluster that is being made.

    :returns: the generation and a digest of the labels, in quotes.
    """
    labels = digest({
        **{name: getattr(cluster, name) for name in LABELS},
        'tags': sorted(tags), 'expires_at': when(cluster.expires_at)})
    return f'"{cluster.generation}-{labels[:12]}"'


def check(said: str | None, session: orm.Session, cluster: Cluster) -> None:
    """Go on only when the cluster is as *said*.

    :param said: the header If-Match, None without one.
    :param cluster: read in this session, which holds its row when the change
        is to be of just this one.
    :raises ChangedSince: it is at another generation, or has other labels.
    :raises Invalid: it says nothing of the kind.
    """
    if said is None:
        return
    said = said.strip()
    if not re.fullmatch(PATTERN, said):
        raise Invalid([Finding(
            'it takes the ETag that GET gave, with its quotes; a generation '
            'such as "3"; or *', 'If-Match')])
    if said in ('*', f'"{cluster.generation}"'):
        return
    tags = clusters.tags_of(session, [cluster.id]).get(cluster.id, ())
    if '-'.join(said.strip('"').split('-')[:2]) != tag(
            cluster, tags).strip('"'):
        raise ChangedSince(ident=cluster.name, generation=cluster.generation)


def conditional(request: webob.Request, response: webob.Response
                ) -> webob.Response:
    """A response with its ETag; 304 without a body when the caller has it.

    An answer is made of many rows of many tables: nothing tells sooner than
    the answer itself whether it is another one. What is spared is bytes, and
    reading them.
    """
    if (request.method != 'GET' or response.status_int != 200
            or response.content_type != 'application/json'):
        return response
    whole = hashlib.sha256(response.body).hexdigest()[:16]
    response.etag = f'{response.etag}-{whole}' if response.etag else whole
    # It is the caller's alone, and asked for anew each time.
    response.headers['Cache-Control'] = 'private, no-cache'
    if response.etag not in request.if_none_match:
        return response
    return webob.Response(status=304, headerlist=[
        (name, value) for name, value in response.headerlist
        if name not in ('Content-Length', 'Content-Type')])
