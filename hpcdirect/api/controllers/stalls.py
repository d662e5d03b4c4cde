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

"""/v1/stalls"""

from __future__ import annotations

import datetime

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import deployments
from hpcdirect.api.schemas.common import when
from hpcdirect.db import stalls
from hpcdirect.db.models import now
from hpcdirect.db.stalls import Kind
from hpcdirect.db.stalls import Stall
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import number
from hpcdirect.policies import services as policies
from hpcdirect.states import ClusterStatus
from hpcdirect.states import Operation

#: For how long nothing has to have moved, when nobody says.
SECONDS = 300

QUERY = common.closed({
    'seconds': {'type': 'number', 'minimum': 1, 'maximum': 10 ** 8,
                'default': SECONDS, 'description': 'For how long nothing has '
                'moved at least.'},
}, ())

LIST = common.closed({'stalls': common.items(common.closed({
    'kind': common.text(
        'unattended: no conductor holds it, or can go on with it; silent: '
        'one holds it and writes nothing; forgotten: it is said to be at '
        'work, and nothing is to be done for it.', enum=list(Kind)),
    'cluster_id': common.ID,
    'cluster': common.text('Name of the cluster.'),
    'project_id': common.PROJECT_ID,
    'project_name': common.text('The name it had then; "" when it was not '
                                'kept.'),
    'status': common.text('The cluster\'s.', enum=list(ClusterStatus)),
    'since': {**common.MOMENT, 'description': 'When something moved last.'},
    'seconds': {'type': 'number', 'description': 'For how long nothing has.'},
    'waited': {'type': ['number', 'null'], 'description':
               'Seconds for which its turn is overdue; null when somebody '
               'holds it, or no turn is to come.'},
    'conductor': common.text('Host and process id of who holds it; "" when '
                             'nobody does.'),
    'deployment_id': common.maybe(common.ID),
    'operation': {**common.maybe(deployments.OPERATION),
                  'enum': [*Operation, None]},
    'step': common.text('A step that has begun and not ended, or "".'),
    'expected': {'type': ['number', 'null'], 'description':
                 'Seconds that such a step took before, the median; null '
                 'when nobody knows.'},
    'reason': common.text('What the cluster says of it, or "".'),
}), 'Clusters in whose work nothing moves.')})


def view(one: Stall, at: datetime.datetime) -> Object:
    """A cluster whose work does not go on.

    :param at: now.
    """
    row, step, deployment = one.cluster, one.step, one.deployment
    return {
        'kind': one.kind, 'cluster_id': row.id, 'cluster': row.name,
        **{name: getattr(row, name) for name in (
            'project_id', 'project_name', 'status')},
        'since': when(one.since),
        'seconds': round((at - one.since).total_seconds(), 1),
        'waited': None if one.waited is None else round(one.waited, 1),
        'conductor': _conductor(row.owner) if row.held else '',
        'deployment_id': deployment.id if deployment else None,
        'operation': deployment.operation if deployment else None,
        'step': f'{step.kind} {step.element}'.strip() if step else '',
        'expected': step.expected if step else None,
        'reason': row.status_reason}


def _conductor(owner: str) -> str:
    """``host:pid`` of a process's name; see :mod:`hpcdirect.processes`."""
    parts = owner.split(':')
    return f'{parts[0]}:{parts[3]}' if len(parts) > 3 else owner


class Stalls(Resource):
    """Work that does not go on."""

    @request.schemas(query=QUERY, response=LIST)
    def get(self, query: Object) -> Object:
        """List clusters of all projects in whose work nothing moves.

        Those first that have stood still for longest; of the thousand that
        were made first.
        """
        self.authorize(policies.STALLS)
        moment = now()
        with self.services.database.read() as session:
            found = stalls.listing(session, moment,
                                   number(query.get('seconds', SECONDS)))
        return {'stalls': [view(one, moment) for one in found]}
