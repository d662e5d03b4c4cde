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
"""``/v1/services``"""

from __future__ import annotations

from typing import Any

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import services as schema
from hpcdirect.db import services
from hpcdirect.policies import services as policies

_FILTERS = {'binary': 'binary', 'host': 'host', 'state': 'state'}


class Processes(Resource):
    """The processes of the service."""

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List the processes of the service, and which are up.

        One that ended well is not there any more; one that was killed is
        down for a day, or until another one begins on its machine.
        """
        self.authorize(policies.LIST)
        fields = schema.FIELDS.only(query.get('fields', ''))
        page = self.page(query, _FILTERS, 'binary:asc,host:asc', fields)
        with self.services.database.read() as session:
            listing = services.listing(session, page)
        return self.answer('services', listing, fields.view, query)
