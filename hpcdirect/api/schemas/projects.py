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

"""``/v1/projects``"""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
from typing import Any

from hpcdirect.api.schemas import common
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
         ) -> dict[str, Any]:
    """All of a project."""
    user = standing.user
    return {'id': project_id, 'enabled': standing.enabled,
            'role': user.role if user else '',
            'service_user': None if user is None else {
                'id': user.id, 'name': user.name,
                'domain_id': user.domain_id},
            'backends': list(backends), 'reason': standing.reason}
