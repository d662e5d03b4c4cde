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

from typing import Any

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
