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

"""/v1/stalls"""

from __future__ import annotations

from typing import Any

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import stalls as schema
from hpcdirect.db import stalls
from hpcdirect.db.models import now
from hpcdirect.policies import services as policies


class Stalls(Resource):
    """Work that does not go on."""

    @request.schemas(query=schema.QUERY, response=schema.LIST)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List clusters of all projects in whose work nothing moves.

        Those first that have stood still for longest; of the thousand that
        were made first.
        """
        self.authorize(policies.STALLS)
        moment = now()
        with self.services.database.read() as session:
            found = stalls.listing(session, moment,
                                   query.get('seconds', schema.SECONDS))
        return {'stalls': [schema.view(one, moment) for one in found]}
