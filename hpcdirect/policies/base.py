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

"""The personas, written down once; every rule is made of these.

reader
    sees what a project has.
member
    makes, changes and deletes the project's clusters.
manager
    a member who also looks after the project; nothing more here yet.
admin
    the operator: everything, in every project.
service
    another OpenStack service: sees, changes nothing.

Roles imply the ones below them, as Keystone sets them up: admin, manager,
member, reader.

Every rule takes a token for a project. Rules about what is there already also
take an admin's token for the whole system, which has no project and sees all
of them. Tokens for a domain are turned away before any rule is asked.
"""

from __future__ import annotations

from oslo_policy import policy

ADMIN = 'rule:hpcdirect:admin'
MANAGER = 'rule:hpcdirect:manager'
MEMBER = 'rule:hpcdirect:member'
READER = 'rule:hpcdirect:reader'

#: See every project's clusters, by id and in lists that ask for it.
ALL_PROJECTS = 'hpcdirect:all_projects'


def _persona(name: str, check: str, description: str) -> policy.RuleDefault:
    return policy.RuleDefault(f'hpcdirect:{name}', check,
                              description=description,
                              scope_types=['project', 'system'])


def rule(name: str, check: str, description: str, *operations: str,
         system: bool = False) -> policy.DocumentedRuleDefault:
    """One rule; each operation is written ``GET /v1/clusters``.

    :param system: whether a token for the whole system will do.
    """
    paths = [one.partition(' ') for one in operations]
    return policy.DocumentedRuleDefault(
        name=name, check_str=check, description=description,
        operations=[{'method': method, 'path': path}
                    for method, _, path in paths],
        scope_types=['project', 'system'] if system else ['project'])


_OWN = 'project_id:%(project_id)s'

RULES: list[policy.RuleDefault] = [
    _persona('admin', 'role:admin', 'The operator of the service.'),
    _persona('manager', f'{ADMIN} or (role:manager and {_OWN})',
             'Looks after a project.'),
    _persona('member', f'{MANAGER} or (role:member and {_OWN})',
             'Works in a project.'),
    _persona('reader',
             f'{MEMBER} or (role:reader and {_OWN}) or '
             f'(role:service and {_OWN})',
             'Looks at what a project has.'),
    rule(ALL_PROJECTS, ADMIN,
         'See and change what any project has, not only the own one.',
         'GET /v1/clusters?all_projects=true',
         'GET /v1/summary?all_projects=true',
         'GET /v1/deployments?all_projects=true',
         'GET /v1/runs?all_projects=true',
         'GET /v1/events?all_projects=true', 'GET /v1/clusters/{cluster}',
         'PATCH /v1/clusters/{cluster}', 'DELETE /v1/clusters/{cluster}',
         system=True),
]
