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

"""/v1/clusters/{cluster}/nodes"""

from __future__ import annotations

from typing import Any

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import nodes as schema
from hpcdirect.api.services import Services
from hpcdirect.db import layers
from hpcdirect.db import nodes
from hpcdirect.policies import clusters as policies

_FILTERS = {name: name for name in schema.FILTERS}


class Nodes(Resource):
    """The machines of a cluster."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Node(services))

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, cluster: str, query: dict[str, Any]) -> dict[str, Any]:
        """List the nodes of a cluster."""
        found = self.cluster(cluster, policies.SHOW)
        fields = schema.FIELDS.only(query.get('fields', ''))
        page = self.page(query, _FILTERS, 'name:asc', fields)
        with self.services.database.read() as session:
            listing = nodes.listing(session, found.id, page)
            on = layers.on_nodes(
                session, found.id, [row.name for row in listing.rows]
            ) if 'layers' in fields.around else {}
        return self.answer(
            'nodes', listing,
            lambda row: fields.view(
                row, on.get(row.name, ()) if on else ()), query)


class Node(Resource):
    """One node, by name or id."""

    param = 'node'

    @request.schemas(response=schema.SHOW)
    def get(self, cluster: str, node: str) -> dict[str, Any]:
        """Show a node of a cluster."""
        found = self.cluster(cluster, policies.SHOW)
        with self.services.database.read() as session:
            row = nodes.get(session, found.id, node)
            on = layers.on_nodes(session, found.id, [row.name])
        return schema.FIELDS.view(row, on.get(row.name, ()))
