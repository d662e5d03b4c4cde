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

"""What a project could have of a backend now."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import logging

from hpcdirect.api.schemas import common
from hpcdirect.api.services import Services
from hpcdirect.backends.base import Capacity
from hpcdirect.backends.base import NodeType
from hpcdirect.backends.base import Quota
from hpcdirect.exception import BackendError
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unavailable
from hpcdirect.jsontypes import Object

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
        **common.QUOTA,
    }), 'What the cloud lets the project have.'),
    'reason': common.text('Why the backend cannot tell, or "".'),
}), 'Backends that are enabled.')})


@dataclasses.dataclass(frozen=True)
class Told:
    """What a backend told; *reason* when it could not."""

    name: str
    capacity: Capacity
    reason: str = ''


def view(told: Iterable[Told]) -> Object:
    """What every backend told."""
    return {'backends': [{
        'name': one.name,
        'node_types': [_node_type(kind) for kind in one.capacity.node_types],
        'quotas': [_quota(quota) for quota in one.capacity.quotas],
        'reason': one.reason} for one in told]}


def _node_type(kind: NodeType) -> Object:
    return {'name': kind.name, 'free': kind.free, 'total': kind.total,
            'traits': list(kind.traits)}


def _quota(quota: Quota) -> Object:
    return {'name': quota.name, 'used': quota.used, 'limit': quota.limit}


LOG = logging.getLogger(__name__)


def asked(project_id: str | None, own: str | None) -> str:
    """The project that a request is about.

    :param project_id: as the query says.
    :param own: the caller's.
    :raises Invalid: neither says.
    """
    found = project_id or own
    if not found:
        raise Invalid([Finding(
            'it is needed with a token for the whole system',
            '$.project_id')])
    return found


def each(services: Services, project_id: str,
         names: Iterable[str] | None = None) -> Iterator[Told]:
    """Ask backends, every one unless some are named.

    One that fails does not fail the others.
    """
    for name in services.backends if names is None else names:
        try:
            yield Told(name, capacity(services, name, project_id))
        except Unavailable as exc:
            yield Told(name, Capacity(), str(exc))
        except Exception:
            LOG.exception('Backend %s failed to tell its capacity', name)
            yield Told(name, Capacity(), f'{name}: it failed in a way that '
                       'only the service\'s log tells.')


def capacity(services: Services, name: str, project_id: str) -> Capacity:
    """Ask a backend.

    :raises NotFound: it is not enabled.
    :raises Unavailable: it does not answer.
    """
    if name not in services.backends:
        raise NotFound(resource='Backend', ident=name)
    try:
        return services.backends[name].capacity(project_id)
    except BackendError as exc:
        raise Unavailable(reason=str(exc)) from exc
