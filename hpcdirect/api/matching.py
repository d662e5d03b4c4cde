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

"""ETag and If-Match: a change of what was seen, and of nothing newer."""

from __future__ import annotations

from collections.abc import Iterable
import re

from sqlalchemy import orm

from hpcdirect.api.schemas.common import when
from hpcdirect.db import clusters
from hpcdirect.db.models import Cluster
from hpcdirect.digests import digest
from hpcdirect.exception import ChangedSince
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

#: What If-Match may say: anything; an ETag; or a generation, whatever is
#: said of the cluster besides.
PATTERN = r'^(\*|"[0-9]{1,18}(-[0-9a-f]{12})?")$'


def tag(cluster: Cluster, tags: Iterable[str]) -> str:
    """The ETag of a cluster: of all that people can change about it.

    What the service changes (its status, its nodes) is not in it, or nobody
    could change a cluster that is being made.

    :returns: the generation and a digest of the labels, in quotes.
    """
    labels = digest({
        'name': cluster.name, 'description': cluster.description,
        'protected': cluster.protected, 'tags': sorted(tags),
        'expires_at': when(cluster.expires_at)})
    return f'"{cluster.generation}-{labels[:12]}"'


def check(session: orm.Session, cluster: Cluster, said: str | None) -> None:
    """Go on only when the cluster is as *said*.

    :param cluster: read in this session, which holds its row when the change
        is to be of just this one.
    :param said: the header If-Match, None without one.
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
    if said != tag(cluster, tags):
        raise ChangedSince(ident=cluster.name, generation=cluster.generation)
