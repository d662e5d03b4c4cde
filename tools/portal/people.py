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

"""People, projects and the catalogue of a Keystone of one's own.

    people.py KEYSTONE_CONF KEYSTONE_URL SERVICE_URL < WISHES

WISHES is JSON::

    {"password": TEXT, "projects": [NAME],
     "people": [{"name", "project", "role"}]}

Everybody has the one password. Run again it adds what is missing. It works on
the database as ``keystone-manage bootstrap`` does, because a project's id is
its name here, which nobody can ask of the API: clusters that were made before
Keystone came belong to a project of that id.
"""

import contextlib
import json
import sys

from keystone import exception
from keystone.cmd import bootstrap
from keystone.common import provider_api
from keystone.server import configure

_HAVE = provider_api.ProviderAPIs
# Of identity.default_domain_id, which nobody changes here.
_DOMAIN = 'default'


def main() -> None:
    """Do what is wished for."""
    path, keystone_url, service_url = sys.argv[1:]
    # Keystone reads a command line of its own.
    sys.argv[1:] = []
    wishes = json.load(sys.stdin)
    configure(config_files=[path])
    done = bootstrap.Bootstrapper()
    done.project_name = done.admin_username = done.admin_role_name = 'admin'
    done.admin_password = wishes['password']
    done.project_id = 'admin'
    done.region_id = 'RegionOne'
    done.service_name = 'keystone'
    done.public_url = done.internal_url = done.admin_url = keystone_url
    done.immutable_roles = True
    done.bootstrap()
    _catalogue(service_url)
    for project in [*wishes['projects'], 'service']:
        _project(project)
    service = {'name': 'hpcdirect', 'project': 'service', 'role': 'service'}
    for person in [*wishes['people'], service]:
        _person(person, wishes['password'])


def _catalogue(url: str) -> None:
    catalog = _HAVE.catalog_api
    known = {one['id'] for one in catalog.list_services()}
    if 'hpcdirect' not in known:
        catalog.create_service('hpcdirect', {
            'id': 'hpcdirect', 'type': 'hpc-cluster', 'name': 'hpcdirect',
            'enabled': True})
    known = {one['id'] for one in catalog.list_endpoints()}
    for interface in ('public', 'internal'):
        key = f'hpcdirect-{interface}'
        endpoint = {
            'id': key, 'service_id': 'hpcdirect', 'region_id': 'RegionOne',
            'interface': interface, 'url': url, 'enabled': True}
        if key in known:
            catalog.update_endpoint(key, endpoint)
        else:
            catalog.create_endpoint(key, endpoint)


def _project(name: str) -> None:
    with contextlib.suppress(exception.Conflict):
        _HAVE.resource_api.create_project(name, {
            'id': name, 'name': name, 'enabled': True, 'description': '',
            'domain_id': _DOMAIN, 'is_domain': False})


def _person(person: dict[str, str], password: str) -> None:
    wanted = {'name': person['name'], 'enabled': True, 'password': password,
              'domain_id': _DOMAIN, 'default_project_id': person['project']}
    try:
        user = _HAVE.identity_api.create_user(wanted)
    except exception.Conflict:
        user = _HAVE.identity_api.get_user_by_name(person['name'], _DOMAIN)
        _HAVE.identity_api.update_user(user['id'], {'password': password})
    role = next(role['id'] for role in _HAVE.role_api.list_roles()
                if role['name'] == person['role'])
    with contextlib.suppress(exception.Conflict):
        _HAVE.assignment_api.create_grant(
            role, user_id=user['id'], project_id=person['project'])


if __name__ == '__main__':
    main()
