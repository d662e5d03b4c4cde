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


"""The schemas of a cluster's charts."""

from __future__ import annotations

from hpcdirect import charts
from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import deployments

_SERIES = common.closed({
    'name': common.text('What tells it from others of its node: a state; '
                        'average, lowest or highest of a group; or "".'),
    'node': common.text('The node, or with by=group the node group; "" when '
                        'it is of the cluster.'),
    'y': {'type': 'array', 'items': {'type': ['number', 'null']},
          'description': 'A value for each of x; null where there is none.'},
})

_METRIC = common.closed({
    'name': common.text('What to call it in names.'),
    'title': common.text('What it is, for people.'),
    'unit': common.text('Of its values. A share is a part of 1.'),
    'reason': common.text('Why there are no numbers; "" when there are, or '
                          'when nobody asked for them.'),
    'needs': common.words('Elements that have to be put on the cluster to '
                          'have it.'),
    'series': common.items(_SERIES, 'Empty when it was not asked for.'),
})

_DEPLOYMENT = common.closed({
    'id': common.ID, 'operation': deployments.OPERATION,
    'status': deployments.STATUS, 'user_name': common.USER_NAME,
    'created_at': common.MOMENT,
    'finished_at': common.maybe(common.MOMENT),
})

SHOW = common.closed({
    'x': {'type': 'array', 'items': {'type': 'integer'},
          'description': 'Seconds since 1970, the same for all series. A '
          'value stands for the time since the one before.'},
    'step': common.maybe(common.number('Seconds from one to the next; null '
                                       'without numbers.')),
    'at': common.maybe(common.text(
        'When the cluster was asked, ISO 8601, UTC; null when it was not. '
        'Answers are kept for some seconds.', format='date-time')),
    'deployments': common.items(_DEPLOYMENT, 'What was done to the cluster '
                                'in that stretch, the newest first, 50 at '
                                'most; empty when no numbers were asked for.'),
    'metrics': common.items(_METRIC, 'All that there are, in the same order '
                            'each time.'),
})

QUERY = common.closed({
    'names': common.text('Those whose numbers are wanted, with commas '
                         'between; without, only what there is.',
                         pattern=common.sequence(charts.QUERIES)),
    'seconds': common.number('How long a stretch.', default=3600,
                             minimum=charts.SHORTEST, maximum=charts.LONGEST),
    'end': common.text('Where it ends, ISO 8601; now by default.',
                       maxLength=40),
    'points': common.number('Values of a series at most; fewer when there '
                            'are very many series.', default=200, minimum=2,
                            maximum=charts.POINTS),
    'node': common.text('Of this node only.', maxLength=73,
                        pattern='^[a-z][a-z0-9-]{0,62}-[0-9]{1,9}$'),
    'by': common.text('group: average, lowest and highest of each node group '
                      'in the place of nodes.', enum=['node', 'group'],
                      default='node'),
}, ())
