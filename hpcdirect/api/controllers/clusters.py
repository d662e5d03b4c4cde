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

"""/v1/clusters"""

from __future__ import annotations

from typing import Any

import pecan

from hpcdirect.api import change
from hpcdirect.api import creation
from hpcdirect.api import surroundings
from hpcdirect.api import validation
from hpcdirect.api.controllers import deployments
from hpcdirect.api.controllers import events
from hpcdirect.api.controllers import layers
from hpcdirect.api.controllers import nodes
from hpcdirect.api.controllers import runs
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import clusters as schema
from hpcdirect.api.services import Services
from hpcdirect.api.waiting import Waiting
from hpcdirect.db import clusters
from hpcdirect.db import models
from hpcdirect.policies import base
from hpcdirect.policies import clusters as policies
from hpcdirect.states import Operation

_FILTERS = {name: name for name in schema.FILTERS}


class Clusters(Resource):
    """What projects own."""

    def __init__(self, services: Services, waiting: Waiting) -> None:
        super().__init__(services, item=Cluster(services, waiting))

    @validation.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List the project's clusters."""
        self.authorize(policies.LIST)
        project = self._project(query)
        page = self.page(query, _FILTERS, 'created_at:desc')
        with self.services.database.read() as session:
            listing = clusters.listing(session, project, page)
            around = surroundings.of(session, self.services.catalogue,
                                     listing.rows)
        return self.answer(
            'clusters', listing, lambda row: schema.view(
                row, around[row.id], pecan.request.host_url), query)

    @validation.schemas(body=schema.CREATE, response=schema.SHOW,
                        status=(202,))
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a cluster.

        Sent again with the same Idempotency-Key, the request answers with
        the cluster that it made the first time.
        """
        self.authorize(policies.CREATE)
        ident = creation.create(
            self.services, self.context, body,
            pecan.request.headers.get('Idempotency-Key'))
        self.services.conductor.advance(ident)
        pecan.response.headers['Location'] = (
            f'{pecan.request.host_url}/v1/clusters/{ident}')
        return _show(self.services, ident)

    def _project(self, query: dict[str, Any]) -> str | None:
        """The project whose clusters are listed; None for all."""
        if not query.get('all_projects'):
            return str(self.context.project_id)
        self.authorize(base.ALL_PROJECTS)
        return None


class Cluster(Resource):
    """One cluster, by id or name."""

    param = 'cluster'

    def __init__(self, services: Services, waiting: Waiting) -> None:
        super().__init__(services, {
            'deployments': deployments.ClusterDeployments(services),
            'events': events.ClusterEvents(services, waiting),
            'layers': layers.Layers(services),
            'nodes': nodes.Nodes(services),
            'runs': runs.ClusterRuns(services)})

    @validation.schemas(response=schema.SHOW)
    def get(self, cluster: str) -> dict[str, Any]:
        """Show a cluster."""
        with self.services.database.read() as session:
            row = clusters.get(session, self.context, self.reach, cluster)
            around = surroundings.of(session, self.services.catalogue, [row])
        self.authorize(policies.SHOW, row.project_id)
        return schema.view(row, around[row.id], pecan.request.host_url)

    @validation.schemas(body=schema.UPDATE, response=schema.SHOW,
                        status=(202, 200))
    def patch(self, cluster: str, body: dict[str, Any]) -> dict[str, Any]:
        """Change what is wanted of a cluster: parameters, sizes.

        200 when nothing is to be done for it, 202 otherwise.
        """
        found = self.cluster(cluster, policies.UPDATE)
        wanted = change.wanted(self.services, found, body)
        self._describe(found, body)
        if wanted == found.desired:
            pecan.response.status = 200
            return _show(self.services, found.id)
        order = self.order(change.operation(self.services, found, wanted),
                           wanted)
        with self.services.database.write() as session:
            clusters.change(session, found, order)
        self.services.conductor.advance(found.id)
        return _show(self.services, found.id)

    @validation.schemas(response=schema.SHOW, status=(202,))
    def delete(self, cluster: str) -> dict[str, Any]:
        """Take a cluster away, whatever goes on with it."""
        found = self.cluster(cluster, policies.DELETE)
        order = self.order(Operation.DELETE, {})
        with self.services.database.write() as session:
            clusters.delete(session, found.id, order)
        self.services.conductor.advance(found.id)
        return _show(self.services, found.id)

    def _describe(self, found: models.Cluster, body: dict[str, Any]) -> None:
        if 'description' in body:
            with self.services.database.write() as session:
                clusters.describe(session, found.id, body['description'])


def _show(services: Services, ident: str) -> dict[str, Any]:
    """A cluster as it is now, be it gone meanwhile."""
    with services.database.read() as session:
        row = session.get_one(models.Cluster, ident)
        around = surroundings.of(session, services.catalogue, [row])
    return schema.view(row, around[row.id], pecan.request.host_url)
