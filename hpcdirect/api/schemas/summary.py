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


"""The schemas and the view of how a project's clusters stand."""

from __future__ import annotations

from typing import Any

from hpcdirect.api.schemas import clusters
from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import deployments
from hpcdirect.api.schemas.common import when
from hpcdirect.states import ClusterStatus

_NAMES = ('id', 'name', 'project_id', 'project_name', 'status',
          'status_reason', 'blueprint', 'expires_at', 'deployment',
          'failures', 'allowed')
#: Of a cluster; see clusters.FIELDS.
CLUSTER = clusters.FIELDS.only(','.join(_NAMES))
_CLUSTER = common.closed({name: clusters.SHOW['properties'][name]
                          for name in _NAMES})

_DEPLOYMENT = common.closed({
    'id': common.ID, 'cluster_id': common.ID,
    'cluster': common.text('Name of the cluster.'),
    'operation': deployments.OPERATION, 'status': deployments.STATUS,
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


def deployment(row: Any) -> dict[str, Any]:
    """A deployment in one line.

    :param row: see :func:`hpcdirect.db.deployments.lately`.
    """
    return {**{name: getattr(row, name) for name in (
        'id', 'cluster_id', 'cluster', 'operation', 'status', 'reason',
        'user_id', 'user_name')}, 'created_at': when(row.created_at),
        'finished_at': when(row.finished_at)}
