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


"""The one module of openstacksdk in the service: Nova, Neutron, Glance."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
from typing import Any

from keystoneauth1 import exceptions as auth_exc
import openstack
from openstack import connection

from hpcdirect import failpoints
from hpcdirect.backends.base import Quota
from hpcdirect.backends.heat.stacks import PASSING
from hpcdirect.backends.heat.template import TAG
from hpcdirect.exception import BackendError
from hpcdirect.exception import BackendUnavailable
from hpcdirect.keystone import Keystone

#: Servers say their tags from 2.26 on, and their flavor whole from 2.47 on.
_COMPUTE = '2.47'


class Cloud:
    """Nova, Neutron and Glance, as the service's user in one project.

    :raises BackendError: from every method, when they do not answer.
    """

    def __init__(self, keystone: Keystone, project_id: str | None) -> None:
        self.project_id = project_id
        self._cloud = connection.Connection(
            session=keystone.session(project_id),
            region_name=keystone.region or None,
            interface=keystone.interface, connect_retries=2,
            compute_default_microversion=_COMPUTE)
        failpoints.watch(self, 'cloud.cloud')

    def servers(self, cluster_id: str = '') -> list[Any]:
        """The project's servers of one cluster, or of any; one request.

        By their metadata: Heat tags a server only when it is up.
        """
        with _translated('Nova'):
            return [server for server in self._cloud.compute.servers(
                details=True, all_projects=False)
                if (server.metadata or {}).get('hpcdirect_cluster')
                and cluster_id in ('', server.metadata['hpcdirect_cluster'])]

    def has_floating(self, address: str) -> bool:
        """Whether a floating IP of the project has this address."""
        with _translated('Neutron'):
            try:
                return any(True for _ in self._cloud.network.ips(
                    floating_ip_address=address, project_id=self.project_id))
            except openstack.exceptions.NotFoundException:
                # A Neutron without routers has no such thing.
                return False

    def lacks(self, ident: str) -> bool:
        """Whether the project has no such server.

        Asked for by itself: a list leaves out what a cell that is down has.
        """
        with _translated('Nova'):
            try:
                self._cloud.compute.get_server(ident)
            except openstack.exceptions.NotFoundException:
                return True
        return False

    def delete_server(self, ident: str) -> None:
        """Begin to delete a server; one that is gone is fine."""
        with _translated('Nova'):
            self._cloud.compute.delete_server(ident, ignore_missing=True)

    def parts(self, tag: str) -> Iterable[tuple[str, Any]]:
        """Kind and thing of everything in Neutron that carries a tag."""
        for kind in ('port', 'router', 'subnet', 'network'):
            # A cloud without routers says 404 to a question for them.
            with _translated('Neutron'), contextlib.suppress(
                    openstack.exceptions.NotFoundException):
                for one in getattr(self._cloud.network, f'{kind}s')(
                        tags=tag, project_id=self.project_id):
                    yield kind, one

    def delete_part(self, kind: str, ident: str) -> None:
        """Delete a part of Neutron's; one that is gone is fine."""
        with _translated('Neutron'):
            getattr(self._cloud.network, f'delete_{kind}')(
                ident, ignore_missing=True)

    def delete_loose_ports(self, tag: str) -> None:
        """Delete ports that nothing has, in networks that carry a tag.

        Heat makes a server's own and loses sight of them when it is
        interrupted between the two; their subnet would wait for ever.
        """
        with _translated('Neutron'):
            for network in self._cloud.network.networks(
                    tags=tag, project_id=self.project_id):
                for port in self._cloud.network.ports(network_id=network.id):
                    if not port.device_id and not port.device_owner:
                        self._cloud.network.delete_port(port)

    def image(self, name: str) -> Any | None:
        """An image by name or id."""
        with _translated('Glance'):
            return self._cloud.image.find_image(name, ignore_missing=True)

    def flavor(self, name: str) -> Any | None:
        """A flavor by name or id, with what it asks for."""
        with _translated('Nova'):
            return self._cloud.compute.find_flavor(
                name, ignore_missing=True, get_extra_specs=True)

    def network(self, name: str) -> Any | None:
        """A network by name or id."""
        with _translated('Neutron'):
            return self._cloud.network.find_network(name,
                                                    ignore_missing=True)

    def quotas(self) -> list[Quota]:
        """What the project may have, and has."""
        with _translated('Nova'):
            limits = self._cloud.compute.get_limits().absolute
        found = [_quota('instances', limits.instances_used, limits.instances),
                 _quota('cores', limits.total_cores_used,
                        limits.total_cores),
                 _quota('ram', limits.total_ram_used, limits.total_ram)]
        with _translated('Neutron'):
            said = self._cloud.network.get_quota(self.project_id or '',
                                                 details=True)
        return [*found, *(_quota(kind, said[kind]['used'],
                                 said[kind]['limit'])
                          for kind in ('ports', 'networks', 'subnets'))]


def incarnation_of(server: Any) -> int:
    """Which machine of its slot a server is."""
    try:
        return int(server.metadata['hpcdirect_incarnation'])
    except (KeyError, TypeError, ValueError):
        return 0


def classes_of(flavor: Any) -> set[str]:
    """The classes of machines that a flavor asks for."""
    return {name.removeprefix('resources:') for name, number
            in (flavor.extra_specs or {}).items()
            if name.startswith('resources:CUSTOM_') and number != '0'}


def cluster_of(tags: Iterable[str]) -> str:
    """The cluster that things with these tags are of, '' for none."""
    for tag in tags:
        if tag.startswith(f'{TAG}-'):
            return tag.removeprefix(f'{TAG}-')
    return ''


def _quota(name: str, used: int | None, limit: int | None) -> Quota:
    """Minus one is how they say that there is no limit."""
    return Quota(name, used or 0, None if limit is None or limit < 0
                 else limit)


@contextlib.contextmanager
def _translated(service: str) -> Iterator[None]:
    try:
        yield
    except (openstack.exceptions.SDKException,
            auth_exc.ClientException) as problem:
        code = getattr(problem, 'status_code', None) or getattr(
            problem, 'http_status', None) or 503
        kind = BackendUnavailable if code in PASSING else BackendError
        raise kind(plugin='heat',
                   reason=f'{service}: {problem}') from problem
