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

"""How the service stands to a project: whether it may act there."""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
import re

from hpcdirect.api.schemas import common
from hpcdirect.api.services import Services
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.keystone import ServiceUser

SHOW = common.closed({
    'id': common.text('Its id in Keystone.'),
    'enabled': {'type': 'boolean',
                'description': 'Whether the service may act there.'},
    'role': common.text(
        'The role that the service\'s user needs there; "" when none.'),
    'service_user': common.maybe(common.closed({
        'id': common.text('Its id in Keystone.'),
        'name': common.text('Its name.'),
        'domain_id': common.text('The domain it is of.'),
    }, description='As whom the service acts; null when as nobody.')),
    'backends': common.words('Backends that are enabled.'),
    'reason': common.text('Why it is not enabled, and what to do, or "".'),
})


@dataclasses.dataclass(frozen=True)
class Standing:
    """How the service stands to a project.

    :param user: as whom it acts there; None when it needs nobody's leave.
    """

    enabled: bool
    user: ServiceUser | None = None
    reason: str = ''


def view(project_id: str, standing: Standing, backends: Iterable[str]
         ) -> Object:
    """All of a project."""
    user = standing.user
    return {'id': project_id, 'enabled': standing.enabled,
            'role': user.role if user else '',
            'service_user': None if user is None else {
                'id': user.id, 'name': user.name,
                'domain_id': user.domain_id},
            'backends': list(backends), 'reason': standing.reason}


# Keystone's are 32 hexadecimal digits, unless somebody else hands them out.
_ID = re.compile('[A-Za-z0-9._-]{1,64}')


def check_seen(ident: str, reach: str | None) -> None:
    """Pass when a project is one that the caller sees.

    :param reach: the one project that is seen; None for all.
    :raises NotFound: it is another one, whether it is there or not, or what no
        project can be called.
    """
    if (ident != reach if reach is not None else not _ID.fullmatch(ident)):
        raise NotFound(resource='Project', ident=ident)


def standing(services: Services, project_id: str) -> Standing:
    """Ask Keystone.

    :raises Unavailable: it does not answer.
    """
    if services.keystone is None:
        return Standing(enabled=True)
    user = services.keystone.identity()
    enabled = services.keystone.allowed(project_id)
    reason = '' if enabled else (
        f'The service may not act in project {project_id}: its user '
        f'{user.name} does not have the role {user.role} there. "openstack '
        'hpc project enable" gives it, or tells what an administrator has '
        'to do.')
    return Standing(enabled, user, reason)
