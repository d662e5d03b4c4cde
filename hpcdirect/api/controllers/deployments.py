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

"""/v1/deployments and /v1/clusters/{cluster}/deployments"""

from __future__ import annotations

from hpcdirect.api import motion
from hpcdirect.api import related
from hpcdirect.api import request
from hpcdirect.api.request import Body
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import deployments as schema
from hpcdirect.api.schemas import motion as motion_schema
from hpcdirect.api.services import Services
from hpcdirect.context import Asker
from hpcdirect.db import deployments
from hpcdirect.db.surroundings import Progress
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.orders import wishes
from hpcdirect.policies import clusters as cluster_policies
from hpcdirect.policies import deployments as policies
from hpcdirect.states import Operation

_FILTERS = {'status': 'status', 'operation': 'operation',
            'cluster': 'cluster_id'}


class _Listed(Resource):
    """Lists deployments; a base, no place of its own."""

    def listed(self, project: str | None, query: Object,
               more: Object) -> Object:
        """The answer to a query.

        :param more: keys of the query that the path gives.
        """
        fields = schema.FIELDS.only(text(query.get('fields')))
        page = self.page({**query, **more}, _FILTERS, 'created_at:desc',
                         fields)
        with self.services.database.read() as session:
            listing = deployments.listing(session, project, page)
            progress = deployments.progress(
                session, [row.id for row in listing.rows]
            ) if 'progress' in fields.around else {}
        return self.answer(
            'deployments', listing, lambda row: fields.view(
                row, progress.get(row.id, Progress())), query)


class Deployments(_Listed):
    """Attempts to bring clusters to what is wanted."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Deployment(services))

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, query: Object) -> Object:
        """List deployments, also of clusters that are gone."""
        self.authorize(policies.DEPLOYMENTS)
        return self.listed(self.whose(query),
                           related.checked(self, query), {})


class Deployment(Resource):
    """One deployment."""

    param = 'deployment'

    def __init__(self, services: Services) -> None:
        super().__init__(services, {'progress': Motion(services)})

    @request.schemas(response=schema.SHOW)
    def get(self, deployment: str) -> Object:
        """Show a deployment with its plan and its steps."""
        self.authorize(policies.DEPLOYMENTS)
        with self.services.database.read() as session:
            row = deployments.get(session, self.reach, deployment)
            progress = deployments.progress(session, [row.id])
            steps = deployments.steps(session, row.id)
        return schema.view(row, progress.get(row.id, Progress()), steps)


class Motion(Resource):
    """How one deployment goes on."""

    @request.schemas(query=motion_schema.QUERY,
                        response=motion_schema.SHOW)
    def get(self, deployment: str, query: Object) -> Object:
        """Show what has moved since the last look, in one answer.

        The first look has all that is so far, and of events and log the end.
        """
        self.authorize(policies.DEPLOYMENTS)
        self.authorize(policies.EVENTS)
        if 'run' in query:
            self.authorize(policies.RUNS)
        with self.services.database.read() as session:
            row = deployments.get(session, self.reach, deployment)
            return motion.show(session, row, query)


class ClusterDeployments(_Listed):
    """The deployments of one cluster."""

    @request.schemas(query=schema.CLUSTER_QUERY, response=schema.LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List the deployments of a cluster."""
        found = self.cluster(cluster, policies.DEPLOYMENTS)
        return self.listed(self.reach, query, {'cluster': found.id})

    @request.schemas(body=schema.AGAIN, response=schema.SHOW,
                        status=(202,))
    def post(self, cluster: str, body: Body) -> Object:
        """Try again, check, repair or cancel: nothing else is wanted."""
        found = self.cluster(cluster, cluster_policies.UPDATE)
        row = wishes.again(self.services, Asker.of(self.context), found,
                           Operation(text(body()['operation'])))
        self.services.conductor.advance(found.id)
        return schema.view(row, Progress(), ())
