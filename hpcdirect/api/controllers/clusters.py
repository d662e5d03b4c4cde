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

import dataclasses

import pecan

from hpcdirect.api import request
from hpcdirect.api import resource
from hpcdirect.api import surroundings
from hpcdirect.api.controllers import candidates
from hpcdirect.api.controllers import cluster_elements
from hpcdirect.api.controllers import deployments
from hpcdirect.api.controllers import events
from hpcdirect.api.controllers import generations
from hpcdirect.api.controllers import layers
from hpcdirect.api.controllers import metrics
from hpcdirect.api.controllers import nodes
from hpcdirect.api.controllers import runs
from hpcdirect.api.controllers import topology
from hpcdirect.api.controllers import users
from hpcdirect.api.request import Body
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import clusters as schema
from hpcdirect.api.services import Services
from hpcdirect.api.surroundings import Allowed
from hpcdirect.api.waiting import Waiting
from hpcdirect.context import Asker
from hpcdirect.db import clusters
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.orders import creation
from hpcdirect.orders import parts
from hpcdirect.orders import wishes as orders
from hpcdirect.policies import clusters as policies

_FILTERS = {name: name for name in schema.FILTERS}


class Clusters(Resource):
    """What projects own."""

    def __init__(self, services: Services, waiting: Waiting) -> None:
        super().__init__(services, item=Cluster(services, waiting))

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, query: Object) -> Object:
        """List the project's clusters."""
        self.authorize(policies.LIST)
        project = self.whose(query)
        fields = schema.FIELDS.only(text(query.get('fields')))
        page = self.page(query, _FILTERS, 'created_at:desc', fields)
        wanted = self._wanted(query)
        may = Allowed(self)
        with self.services.database.read() as session:
            listing = clusters.listing(session, project, page, wanted)
            if query.get('with_count'):
                listing = dataclasses.replace(listing, count=clusters.count(
                    session, project, page, wanted))
            around = surroundings.of(session, may,
                                     listing.rows, fields)
        base = pecan.request.application_url
        return {**self.answer(
            'clusters', listing, lambda row: fields.view(
                row, around[row.id], base), query),
                'allowed': {'create': may.create(project)}}

    @request.schemas(body=schema.CREATE, response=schema.SHOW,
                        status=(202,))
    def post(self, body: Body) -> Object:
        """Make a cluster.

        Sent again with the same Idempotency-Key, the request answers with
        the cluster that it made the first time.
        """
        self.authorize(policies.CREATE)
        ident = creation.create(
            self.services, self.context, body.looked_at(),
            pecan.request.headers.get('Idempotency-Key'))
        self.context.resource_uuid = ident
        self.services.conductor.advance(ident)
        pecan.response.headers['Location'] = (
            f'{pecan.request.application_url}/v1/clusters/{ident}')
        return surroundings.show(self, ident)

    def _wanted(self, query: Object) -> clusters.Filters:
        """Which clusters are asked for."""
        def words(name: str) -> tuple[str, ...]:
            return tuple(filter(None, text(query.get(name)).split(',')))

        user = text(query.get('user'))
        before = text(query.get('expires_before'))
        return clusters.Filters(
            tags=words('tags'), statuses=words('status'),
            part=text(query.get('q')),
            user=str(self.context.user_id) if user == 'me' else user,
            expiring=parts.moment_of(before, '$.expires_before')
            if before else None)


class Cluster(Resource):
    """One cluster, by id or name."""

    param = 'cluster'

    def __init__(self, services: Services, waiting: Waiting) -> None:
        super().__init__(services, {
            'candidates': candidates.Candidates(services),
            'elements': cluster_elements.ClusterElements(services),
            'deployments': deployments.ClusterDeployments(services),
            'events': events.ClusterEvents(services, waiting),
            'generations': generations.Generations(services),
            'layers': layers.Layers(services),
            'metrics': metrics.Metrics(services),
            'nodes': nodes.Nodes(services),
            'runs': runs.ClusterRuns(services),
            'topology': topology.Topology(services),
            'users': users.Users(services)})

    @request.schemas(response=schema.SHOW)
    def get(self, cluster: str) -> Object:
        """Show a cluster."""
        with self.services.database.read() as session:
            row = clusters.row(session, self.context, self.reach, cluster,
                               schema.FIELDS.columns)
            around = surroundings.of(session, Allowed(self), [row],
                                     schema.FIELDS)
        self.context.resource_uuid = row.id
        self.authorize(policies.SHOW, row.project_id)
        pecan.response.headers['ETag'] = resource.tag(
            row, around[row.id].found.tags)
        return schema.FIELDS.view(row, around[row.id],
                                  pecan.request.application_url)

    @request.schemas(body=schema.UPDATE, response=schema.SHOW,
                        status=(202, 200))
    def patch(self, cluster: str, body: Body) -> Object:
        """Change what is wanted of a cluster: parameters, sizes, elements.

        Or all of it: as it was wanted at an earlier generation, or of
        another version of the blueprint.

        Name, description, tags, protection and expiry change at once,
        whatever goes on with the cluster, and make no generation.

        200 when nothing is to be done for it, 202 otherwise.
        """
        found = self.cluster(cluster, policies.UPDATE)
        return surroundings.carry_out(self, found, body(),
                                      self.matching(found))

    @request.schemas(response=schema.SHOW, status=(202,))
    def delete(self, cluster: str) -> Object:
        """Take a cluster away, whatever goes on with it."""
        found = self.cluster(cluster, policies.DELETE)
        orders.delete(self.services, Asker.of(self.context), found,
                      self.matching(found))
        self.services.conductor.advance(found.id)
        return surroundings.show(self, found.id)
