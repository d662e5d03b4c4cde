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

import re

from hpcdirect.db.models import Cluster
from hpcdirect.exception import ChangedSince
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

#: What If-Match may say: any generation, or this one.
PATTERN = r'^(\*|"[0-9]{1,18}")$'


def tag(cluster: Cluster) -> str:
    """The ETag of a cluster: its generation, in quotes."""
    return f'"{cluster.generation}"'


def check(cluster: Cluster, said: str | None) -> None:
    """Go on only when the cluster is as *said*.

    :param said: the header If-Match, None without one.
    :raises ChangedSince: it is at another generation.
    :raises Invalid: it says nothing of the kind.
    """
    if said is None:
        return
    if not re.fullmatch(PATTERN, said.strip()):
        raise Invalid([Finding(
            'it takes the ETag that GET gave, such as "3" with its quotes, '
            'or *', 'If-Match')])
    if said.strip() not in ('*', tag(cluster)):
        raise ChangedSince(ident=cluster.name, generation=cluster.generation)
