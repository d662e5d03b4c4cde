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


"""/v1/summary"""

from __future__ import annotations

import datetime
from typing import Any

import pecan

from hpcdirect.api import request
from hpcdirect.api import surroundings
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import summary as schema
from hpcdirect.api.surroundings import Allowed
from hpcdirect.db import clusters
from hpcdirect.db import deployments
from hpcdirect.db import nodes
from hpcdirect.db.clusters import Filters
from hpcdirect.db.models import now
from hpcdirect.db.paging import Page
from hpcdirect.policies import clusters as policies
from hpcdirect.policies import deployments as deployment_policies
from hpcdirect.states import ClusterStatus

#: Clusters of each kind, and deployments, that are told of.
_FEW, _LATELY = 5, 10
_SOON = datetime.timedelta(days=7)
_BUSY = tuple(one.value for one in ClusterStatus if one.busy)
_FAILING = (ClusterStatus.ERROR.value, ClusterStatus.DEGRADED.value)


class Summary(Resource):
    """How a project's clusters stand, at a glance."""

    @request.schemas(query=schema.QUERY, response=schema.SHOW)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Show how many clusters stand how, and those that need somebody."""
        self.authorize(policies.LIST)
        self.authorize(deployment_policies.DEPLOYMENTS)
        project = self.whose(query)
        may = Allowed(self)
        soon = Filters(expiring=now() + _SOON)
        with self.services.database.read() as session:
            kinds = {
                name: clusters.listing(session, project, Page(
                    limit=_FEW, sort=((order, descends),),
                    columns=schema.CLUSTER.columns), wanted).rows
                for name, wanted, order, descends in (
                    ('failing', Filters(statuses=_FAILING), 'updated_at',
                     True),
                    ('expiring', soon, 'expires_at', False),
                    ('busy', Filters(statuses=_BUSY), 'updated_at', True))}
            around = surroundings.of(session, may, list({
                    row.id: row for rows in kinds.values() for row in rows
                }.values()), schema.CLUSTER)
            counts = clusters.counts(session, project)
            machines = nodes.counts(session, project)
            lately = deployments.lately(session, project, _LATELY)
        url = pecan.request.application_url
        return {
            'clusters': counts, 'nodes': machines._asdict(),
            **{name: [schema.CLUSTER.view(row, around[row.id], url)
                      for row in rows] for name, rows in kinds.items()},
            'lately': [schema.deployment(row) for row in lately],
            'allowed': {'create': may.create(self.project)}}
