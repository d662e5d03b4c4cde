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
from hpcdirect.api.schemas import clusters as cluster_schema
from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import deployments as deployment_schema
from hpcdirect.api.schemas.common import when
from hpcdirect.api.surroundings import Allowed
from hpcdirect.db import clusters
from hpcdirect.db import deployments
from hpcdirect.db import nodes
from hpcdirect.db.clusters import Filters
from hpcdirect.db.models import now
from hpcdirect.db.paging import Page
from hpcdirect.jsontypes import Object
from hpcdirect.policies import clusters as policies
from hpcdirect.policies import deployments as deployment_policies
from hpcdirect.states import ClusterStatus

_NAMES = ('id', 'name', 'project_id', 'project_name', 'status',
          'status_reason', 'blueprint', 'expires_at', 'deployment',
          'failures', 'allowed')
#: Of a cluster; see cluster_schema.FIELDS.
CLUSTER = cluster_schema.FIELDS.only(','.join(_NAMES))
_CLUSTER = common.closed({name: common.properties(cluster_schema.SHOW)[name]
                          for name in _NAMES})

_DEPLOYMENT = common.closed({
    'id': common.ID, 'cluster_id': common.ID,
    'cluster': common.text('Name of the cluster.'),
    'operation': deployment_schema.OPERATION,
    'status': deployment_schema.STATUS,
    'reason': common.text('Why, a sentence; may be empty.'),
    'user_id': common.text('Who asked.'), 'user_name': common.USER_NAME,
    'created_at': common.MOMENT,
    'finished_at': common.maybe(common.MOMENT),
})

SHOW = common.closed({
    'clusters': {
        'type': 'object', 'description': 'Status, and how many clusters are '
        'in it; those in which none is are left out.',
        'propertyNames': {'enum': list(ClusterStatus)},
        'additionalProperties': {'type': 'integer'}},
    'nodes': common.closed({
        'total': common.number('Nodes of all clusters.'),
        'up': common.number('Those that are up.'),
    }, description='Machines that there are, or are being made.'),
    'failing': common.items(_CLUSTER, 'Clusters that need somebody; five at '
                            'most, those that changed last.'),
    'expiring': common.items(_CLUSTER, 'Clusters that go by themselves within '
                             'seven days; five at most, the soonest first.'),
    'busy': common.items(_CLUSTER, 'Clusters that something is done to; five '
                         'at most.'),
    'lately': common.items(_DEPLOYMENT, 'The ten newest deployments.'),
    'allowed': common.ALLOWED,
})

QUERY = common.closed(common.ALL_PROJECTS, ())


def deployment(row: Any) -> Object:
    """A deployment in one line.

    :param row: see :func:`hpcdirect.db.deployments.lately`.
    """
    return {**{name: getattr(row, name) for name in (
        'id', 'cluster_id', 'cluster', 'operation', 'status', 'reason',
        'user_id', 'user_name')}, 'created_at': when(row.created_at),
        'finished_at': when(row.finished_at)}


#: Clusters of each kind, and deployments, that are told of.
_FEW, _LATELY = 5, 10
_SOON = datetime.timedelta(days=7)
_BUSY = tuple(one.value for one in ClusterStatus if one.busy)
_FAILING = (ClusterStatus.ERROR.value, ClusterStatus.DEGRADED.value)


class Summary(Resource):
    """How a project's clusters stand, at a glance."""

    @request.schemas(query=QUERY, response=SHOW)
    def get(self, query: Object) -> Object:
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
                    columns=CLUSTER.columns), wanted).rows
                for name, wanted, order, descends in (
                    ('failing', Filters(statuses=_FAILING), 'updated_at',
                     True),
                    ('expiring', soon, 'expires_at', False),
                    ('busy', Filters(statuses=_BUSY), 'updated_at', True))}
            around = surroundings.of(session, may, list({
                    row.id: row for rows in kinds.values() for row in rows
                }.values()), CLUSTER)
            counts = clusters.counts(session, project)
            machines = nodes.counts(session, project)
            lately = deployments.lately(session, project, _LATELY)
        url = pecan.request.application_url
        return {
            'clusters': counts, 'nodes': machines._asdict(),
            **{name: [CLUSTER.view(row, around[row.id], url)
                      for row in rows] for name, rows in kinds.items()},
            'lately': [deployment(row) for row in lately],
            'allowed': {'create': may.create(self.project)}}
