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

"""Who asks, for which project, under which request id."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any
from typing import Self

from oslo_context import context


class RequestContext(context.RequestContext):
    """What policy, logs and queries need to know of a request.

    Tokens are never carried: the id of the user and the project travel, and
    the roles as they were when the request was made.
    """

    def to_policy_values(self) -> Any:
        """The credentials policy rules are checked against."""
        values = super().to_policy_values()
        values['service_roles'] = list(self.service_roles or [])
        return values


@dataclasses.dataclass(frozen=True)
class Asker:
    """Who wants something, as it is kept and signed.

    A person who sends a request; or whoever asked before for what the
    service does later in that name, such as to delete a cluster whose time
    is over.

    :param roles: those that the request came with.
    :param service: id of the service that sent it for the user, or ''.
    """

    user_id: str
    user_name: str = ''
    roles: tuple[str, ...] = ()
    service: str = ''
    request_id: str = ''

    @classmethod
    def of(cls, context: RequestContext) -> Self:
        """Who sent a request."""
        return cls(context.user_id or '', context.user_name or '',
                   tuple(sorted(context.roles)),
                   context.service_user_id or '', context.request_id or '')

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What :meth:`to_json` wrote."""
        return cls(value['user_id'], value.get('user_name') or '',
                   tuple(value['roles']), value['service'],
                   value['request_id'])

    def to_json(self) -> dict[str, Any]:
        """What is kept of it."""
        return {'user_id': self.user_id, 'user_name': self.user_name,
                'roles': list(self.roles), 'service': self.service,
                'request_id': self.request_id}

    def context(self, project_id: str) -> RequestContext:
        """The same for policy, acting in a project."""
        return RequestContext(
            user_id=self.user_id, project_id=project_id,
            roles=list(self.roles), overwrite=False)
