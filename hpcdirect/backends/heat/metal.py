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


"""The one module of ironicclient: the hardware, as far as we may see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
import contextlib
import dataclasses
import datetime
import re
from typing import Any

from ironicclient import client
from ironicclient import exc
from keystoneauth1 import exceptions as auth_exc

from hpcdirect import failpoints
from hpcdirect.backends.base import NodeType
from hpcdirect.backends.heat.stacks import moment
from hpcdirect.exception import BackendUnavailable
from hpcdirect.keystone import Keystone

#: Ironic's words for a node that somebody has let go.
_COMING = ('deleting', 'cleaning', 'clean wait')
#: For how long Nova may not have noticed yet that a node is free.
_UNNOTICED = datetime.timedelta(seconds=120)


@dataclasses.dataclass(frozen=True)
class Ailment:
    """What Ironic says of a node that is not well."""

    node: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Held:
    """A node that Nova has given to a server.

    :param project_id: of whoever asked for the server, as ``user_id``.
    """

    name: str
    server: str
    project_id: str
    user_id: str


class Metal:
    """Ironic, as the service's user in its own project.

    :raises BackendError: from every method, when Ironic does not answer.
    """

    def __init__(self, keystone: Keystone) -> None:
        place = keystone.endpoint('baremetal')
        self._ironic = client.get_client(
            '1', session=keystone.session(), interface=place['interface'],
            region_name=place.get('region_name'),
            os_ironic_api_version='1.72',
            # A node that is locked is asked for again at the next look.
            max_retries=0)
        failpoints.watch(self, 'cloud.metal')

    def types(self) -> tuple[NodeType, ...]:
        """Resource classes with their free and their whole number."""
        total: Counter[str] = Counter()
        free: Counter[str] = Counter()
        traits: dict[str, set[str]] = {}
        for node in self._nodes(fields=[
                'resource_class', 'provision_state', 'maintenance',
                'instance_uuid', 'traits']):
            kind = node.resource_class or ''
            total[kind] += 1
            if (node.provision_state == 'available' and not node.maintenance
                    and not node.instance_uuid):
                free[kind] += 1
            own = set(node.traits or ())
            traits[kind] = traits.get(kind, own) & own
        return tuple(NodeType(kind, free[kind], number,
                              tuple(sorted(traits[kind])))
                     for kind, number in sorted(total.items()) if kind)

    def soon(self) -> dict[str, bool]:
        """Classes of which a node is becoming free, as Placement calls them.

        :returns: class -> whether one is free already, and so lately that
            Nova may not know of it.
        """
        found: dict[str, bool] = {}
        now = datetime.datetime.now(datetime.UTC)
        for node in self._nodes(maintenance=False, fields=[
                'resource_class', 'provision_state', 'provision_updated_at',
                'instance_uuid']):
            kind = placement_name(node.resource_class or '')
            since = moment(node.provision_updated_at)
            if node.provision_state in _COMING:
                found.setdefault(kind, False)
            elif (node.provision_state == 'available' and since
                  and not node.instance_uuid and now - since < _UNNOTICED):
                found[kind] = True
        return found

    def ailments(self) -> dict[str, Ailment]:
        """Server -> what ails the node under it; one request."""
        return {node.instance_uuid: Ailment(
            node.name or node.uuid,
            'in maintenance' + (f': {node.maintenance_reason}'
                                if node.maintenance_reason else ''))
            for node in self._nodes(maintenance=True, fields=[
                'uuid', 'name', 'instance_uuid', 'maintenance_reason'])
            if node.instance_uuid}

    def last_error(self, server: str) -> Ailment | None:
        """Why the node under a server failed, None when it did not."""
        with _translated():
            try:
                node = self._ironic.node.get_by_instance_uuid(
                    server, fields=['uuid', 'name', 'last_error'])
            except exc.NotFound:
                return None
        return Ailment(node.name or node.uuid, node.last_error) \
            if node.last_error else None

    def held(self, **query: Any) -> list[Held]:
        """Nodes that are under a server, or should be."""
        return [Held(node.name or node.uuid, node.instance_uuid,
                     node.instance_info.get('project_id', ''),
                     node.instance_info.get('user_id', ''))
                for node in self._nodes(associated=True, fields=[
                    'uuid', 'name', 'instance_uuid', 'instance_info',
                    'provision_state'], **query)
                if node.provision_state not in _COMING]

    def release(self, server: str) -> None:
        """Let go of the node under a server; none is fine.

        What was deployed on it is undone. The caller has made sure that the
        server is no more.
        """
        with _translated(), contextlib.suppress(exc.NotFound):
            node = self._ironic.node.get_by_instance_uuid(
                server, fields=['uuid', 'provision_state'])
            if node.provision_state == 'available':
                # Nova took it and came no further.
                self._ironic.node.update(node.uuid, [
                    {'op': 'remove', 'path': '/instance_uuid'}])
            else:
                self._ironic.node.set_provision_state(node.uuid, 'deleted')

    def _nodes(self, **query: Any) -> list[Any]:
        with _translated():
            return list(self._ironic.node.list(limit=0, **query))


def placement_name(kind: str) -> str:
    """A resource class as Placement and flavors write it."""
    return 'CUSTOM_' + re.sub('[^A-Z0-9]', '_', kind.upper())


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (exc.ClientException, auth_exc.ClientException) as problem:
        raise BackendUnavailable(plugin='heat',
                                 reason=f'Ironic: {problem}') from problem
