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

"""/v1/clusters/{cluster}/layers"""

from __future__ import annotations

from typing import Any

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import layers as schema
from hpcdirect.db import layers
from hpcdirect.policies import clusters as policies

_FILTERS = {name: name for name in schema.FILTERS}


class Layers(Resource):
    """Elements as they stand on the nodes of a cluster."""

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, cluster: str, query: dict[str, Any]) -> dict[str, Any]:
        """List the layers of a cluster."""
        found = self.cluster(cluster, policies.SHOW)
        fields = schema.FIELDS.only(query.get('fields', ''))
        page = self.page(query, _FILTERS, 'node:asc,position:asc', fields)
        with self.services.database.read() as session:
            listing = layers.listing(session, found.id, page)
        return self.answer('layers', listing, fields.view, query)
