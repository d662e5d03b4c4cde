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

"""/v1/leftovers"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hpcdirect import leftovers
from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import leftovers as schema
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.policies import services as policies


class Leftovers(Resource):
    """What clusters left behind."""

    @request.schemas(query=schema.QUERY, response=schema.SHOW)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List what clouds have of clusters that are no more.

        Nothing is taken away. What is just being made or deleted looks like
        it for a moment; what another installation made always does. A
        backend that cannot tell says why, and the others answer.
        """
        self.authorize(policies.LEFTOVERS)
        name = query.get('backend')
        if name not in (None, *self.services.backends):
            raise Invalid([Finding(f'backend {name} is not enabled here',
                                   '$.backend')])
        return {'backends': list(self._told(name))}

    def _told(self, only: str | None) -> Iterator[dict[str, Any]]:
        """What each backend's cloud has."""
        for name, backend in self.services.backends.items():
            if only in (None, name):
                yield schema.view(name, *leftovers.found_or_why(
                    self.services.database, backend))
