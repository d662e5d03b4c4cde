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

"""/v1/runs and /v1/clusters/{cluster}/runs"""

from __future__ import annotations

from hpcdirect.api import related
from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import runs as schema
from hpcdirect.api.services import Services
from hpcdirect.db import runs
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import whole
from hpcdirect.policies import deployments as policies

_FILTERS = {'status': 'status', 'verb': 'verb', 'element': 'element',
            'cluster': 'cluster_id', 'deployment': 'deployment_id',
            'step': 'step_id'}


class Runs(Resource):
    """Steps carried out by runners."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Run(services))

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, query: Object) -> Object:
        """List runs, also of clusters that are gone."""
        self.authorize(policies.RUNS)
        fields = schema.FIELDS.only(text(query.get('fields')))
        page = self.page(related.checked(self, query), _FILTERS,
                         'created_at:desc', fields)
        with self.services.database.read() as session:
            listing = runs.listing(session, self.whose(query), page)
        return self.answer('runs', listing, fields.view, query)


class ClusterRuns(Resource):
    """The runs of one cluster."""

    @request.schemas(query=schema.CLUSTER_QUERY, response=schema.LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List the runs of a cluster."""
        found = self.cluster(cluster, policies.RUNS)
        fields = schema.FIELDS.only(text(query.get('fields')))
        page = self.page({**query, 'cluster': found.id}, _FILTERS,
                         'created_at:desc', fields)
        with self.services.database.read() as session:
            listing = runs.listing(session, self.reach, page)
        return self.answer('runs', listing, fields.view, query)


class Run(Resource):
    """One run."""

    param = 'run'

    def __init__(self, services: Services) -> None:
        super().__init__(services, {'log': Log(services)})

    @request.schemas(response=schema.SHOW)
    def get(self, run: str) -> Object:
        """Show a run."""
        self.authorize(policies.RUNS)
        with self.services.database.read() as session:
            return schema.FIELDS.view(runs.get(session, self.reach, run))


class Log(Resource):
    """What a run said."""

    @request.schemas(query=schema.LOG_QUERY, response=schema.LOG)
    def get(self, run: str, query: Object) -> Object:
        """Show a stretch of a run's log."""
        self.authorize(policies.RUNS)
        offset = whole(query.get('offset'), 0)
        with self.services.database.read() as session:
            row = runs.get(session, self.reach, run)
            text = runs.log(session, row.id, offset,
                            whole(query.get('limit'), 65536))
        return schema.log(row, text, offset)
