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

"""``/v1/capacity``"""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
from typing import Any

from hpcdirect.api.schemas import common
from hpcdirect.backends.base import Capacity
from hpcdirect.backends.base import NodeType
from hpcdirect.backends.base import Quota

QUERY = common.closed({
    'project_id': common.text(
        'Whose; the caller\'s own when not given. For the operator.',
        minLength=1, maxLength=255),
}, ())

SHOW = common.closed({'backends': common.items(common.closed({
    'name': common.text('The backend.'),
    'node_types': common.items(common.closed({
        'name': common.text('Machines that are alike.'),
        'free': common.maybe(common.number(
            'How many could be had now; null when there is no limit.')),
        'total': common.maybe(common.number(
            'How many there are; null when nobody counts.')),
        'traits': common.words('What all of them can do.'),
    }), 'Machines by kind.'),
    'quotas': common.items(common.closed({
        'name': common.text('What is limited.'),
        'used': common.number('How much of it the project has.'),
        'limit': common.maybe(common.number(
            'How much it may have; null when there is no limit.')),
    }), 'What the cloud lets the project have.'),
    'reason': common.text('Why the backend cannot tell, or "".'),
}), 'Backends that are enabled.')})


@dataclasses.dataclass(frozen=True)
class Told:
    """What a backend told; *reason* when it could not."""

    name: str
    capacity: Capacity
    reason: str = ''


def view(told: Iterable[Told]) -> dict[str, Any]:
    """What every backend told."""
    return {'backends': [{
        'name': one.name,
        'node_types': [_node_type(kind) for kind in one.capacity.node_types],
        'quotas': [_quota(quota) for quota in one.capacity.quotas],
        'reason': one.reason} for one in told]}


def _node_type(kind: NodeType) -> dict[str, Any]:
    return {'name': kind.name, 'free': kind.free, 'total': kind.total,
            'traits': list(kind.traits)}


def _quota(quota: Quota) -> dict[str, Any]:
    return {'name': quota.name, 'used': quota.used, 'limit': quota.limit}
