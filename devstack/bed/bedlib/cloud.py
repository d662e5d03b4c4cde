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

"""What an operator sets up once: users, catalogue, networks, image, flavors.

Everything is looked for before it is made, so an interrupted start goes on.
"""

from __future__ import annotations

import contextlib
from typing import Any

from cryptography import fernet
from keystoneauth1.exceptions import ClientException
import openstack

from bedlib import processes
from bedlib import settings
from bedlib.processes import BedError

_URL = 'http://127.0.0.1:5000/v3'
#: Flavor -> resource class of the machines it means.
FLAVORS = {'hpc': 'CUSTOM_LOCALMETAL', 'fake': 'CUSTOM_FAKE'}


def connect(bed: settings.Bed) -> Any:
    """The administrator's connection."""
    loader = openstack.config.OpenStackConfig(
        config_files=[str(bed.etc / 'clouds.yaml')], load_envvars=False)
    return openstack.connection.Connection(
        config=loader.get_one('bed-admin'))


def bootstrap(bed: settings.Bed) -> None:
    """Keystone's keys and administrator; before it is started."""
    done = bed.data / 'keystone' / 'bootstrapped'
    if done.exists():
        return
    for folder in ('fernet-keys', 'credential-keys'):
        for number in range(2):
            # As keystone-manage makes them, but for its four seconds each.
            path = bed.data / 'keystone' / folder / str(number)
            path.touch(mode=0o600)
            path.write_bytes(fernet.Fernet.generate_key())
    processes.run(
        bed, 'keystone-manage', f'{bed.venv}/bin/keystone-manage',
        '--config-file', f'{bed.etc}/keystone/keystone.conf', 'bootstrap',
        '--bootstrap-password', bed.secrets['admin'],
        '--bootstrap-region-id', 'RegionOne',
        '--bootstrap-admin-url', _URL, '--bootstrap-internal-url', _URL,
        '--bootstrap-public-url', _URL)
    done.touch()


def identities(bed: settings.Bed) -> None:
    """Projects, users, roles, the catalogue, Heat's own domain."""
    identity = connect(bed).identity
    roles = {name: identity.find_role(name) or identity.create_role(name=name)
             for name in ('admin', 'manager', 'member', 'reader', 'service',
                          'heat_stack_user')}
    projects = {name: _find_or_create(
        identity, 'project', name=name, domain_id='default')
        for name in ('service', 'lab', 'other')}
    for name, (kind, url) in settings.SERVICES.items():
        user = _user(identity, bed, name)
        # hpcdirect is to have no more than it needs.
        for role in ('service',) if name == 'hpcdirect' else (
                'service', 'admin'):
            identity.assign_project_role_to_user(
                projects['service'], user, roles[role])
        _catalogue(identity, name, kind, url)
    for name, given in settings.PEOPLE.items():
        user = _user(identity, bed, name)
        for project, wanted in given.items():
            for role in wanted:
                identity.assign_project_role_to_user(
                    projects[project], user, roles[role])
    identity.assign_domain_role_to_user(
        'default', identity.find_user(settings.DOMAIN_MANAGER),
        roles['manager'])
    domain = _find_or_create(identity, 'domain', name='heat')
    identity.assign_domain_role_to_user(
        domain, _user(identity, bed, 'heat_domain_admin', domain.id),
        roles['admin'])


def _user(identity: Any, bed: settings.Bed, name: str,
          domain_id: str = 'default') -> Any:
    return identity.find_user(name, domain_id=domain_id) \
        or identity.create_user(name=name, password=bed.secrets[name],
                                domain_id=domain_id)


def _find_or_create(identity: Any, kind: str, **given: str) -> Any:
    return getattr(identity, f'find_{kind}')(given['name']) \
        or getattr(identity, f'create_{kind}')(**given)


def _catalogue(identity: Any, name: str, kind: str, url: str) -> None:
    service = identity.find_service(name) \
        or identity.create_service(name=name, type=kind)
    there = {endpoint.interface
             for endpoint in identity.endpoints(service_id=service.id)}
    for interface in {'public', 'internal'} - there:
        identity.create_endpoint(
            service_id=service.id, interface=interface, url=url,
            region_id='RegionOne')


def wait_for_heat(bed: settings.Bed) -> None:
    """Return when an engine answers.

    Its API says nothing of that: what it asks before is lost for a minute.
    """
    heat = connect(bed).orchestration
    for _ in range(10):
        with contextlib.suppress(ClientException):
            if heat.get('/stacks', timeout=6).ok:
                return
    raise BedError('heat-engine does not answer.'
                   + processes.tail(bed, 'heat-engine'))


def resources(bed: settings.Bed) -> None:
    """The provider network, the image and the flavors."""
    cloud = connect(bed)
    network = cloud.network
    phys = network.find_network('phys') or network.create_network(
        name='phys', is_shared=True, provider_network_type='flat',
        provider_physical_network='physnet1')
    if not network.find_subnet('phys'):
        # Without DHCP, so that the config drive tells the addresses.
        network.create_subnet(
            name='phys', network_id=phys.id, ip_version=4,
            cidr=str(bed.provider), is_dhcp_enabled=False)
    if not cloud.image.find_image('hpc-node'):
        # Never read: every machine boots the same layers.
        cloud.create_image(
            'hpc-node', data=b'\0' * 1024, disk_format='raw',
            container_format='bare', visibility='public', wait=True)
    for name, resource in FLAVORS.items():
        if not cloud.compute.find_flavor(name):
            flavor = cloud.compute.create_flavor(
                name=name, ram=1024, vcpus=1, disk=10)
            cloud.compute.create_flavor_extra_specs(flavor, {
                f'resources:{resource}': '1', 'resources:VCPU': '0',
                'resources:MEMORY_MB': '0', 'resources:DISK_GB': '0'})
