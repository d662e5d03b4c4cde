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


"""Which charts of a cluster there are, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable
import datetime

from hpcdirect import charts
from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import deployments as deployment_schema
from hpcdirect.api.schemas.common import when
from hpcdirect.api.services import Services
from hpcdirect.charts import QUERIES
from hpcdirect.charts import SERVER
from hpcdirect.charts import Asked
from hpcdirect.db import deployments
from hpcdirect.db import exporters
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import now
from hpcdirect.exception import Unavailable
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import number
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import whole
from hpcdirect.orders import parts

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
    'id': common.ID, 'operation': deployment_schema.OPERATION,
    'status': deployment_schema.STATUS, 'user_name': common.USER_NAME,
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


#: Deployments that are told of with charts, at most.
_MARKS = 50


def show(services: Services, cluster: Cluster, query: Object
         ) -> Object:
    """All charts, and the numbers of those that the query names.

    A cluster that cannot be asked is not an error: each chart says why it has
    none.
    """
    missing = _missing(services, cluster)
    names = [name for name in text(query.get('names')).split(',') if name]
    wanted = tuple(dict.fromkeys(
        name for name in names if not missing[name]))
    found: Object = {'x': [], 'step': None, 'at': None, 'charts': {}}
    silence = ''
    if wanted:
        try:
            found = services.charts.charts(cluster.id, _asked(wanted, query))
        except Unavailable as exc:
            silence = str(exc)
    at, charted = number(found['at']), members(found['charts'])
    return {'x': found['x'], 'step': found['step'],
            'deployments': _deployments(services, cluster, query)
            if names else [],
            'at': when(datetime.datetime.fromtimestamp(
                at, datetime.UTC).replace(tzinfo=None)) if at else None,
            'metrics': [_entry(one.name, missing[one.name],
                               members(charted.get(one.name, {
                                   'series': [], 'reason': silence
                                   if one.name in wanted else ''})))
                        for one in QUERIES.values()]}


def _asked(names: tuple[str, ...], query: Object) -> Asked:
    end = _end(query)
    return Asked(
        names, _seconds(query), whole(query.get('points'), 200),
        None if end is None
        else end.replace(tzinfo=datetime.UTC).timestamp(),
        text(query.get('node')), query.get('by') == 'group')


def _deployments(services: Services, cluster: Cluster,
                 query: Object) -> list[Object]:
    """What was done in the stretch of time, the newest first."""
    end = _end(query) or now()
    begin = end - datetime.timedelta(seconds=_seconds(query))
    with services.database.read() as session:
        return [{'id': row.id, 'operation': row.operation,
                 'status': row.status, 'user_name': row.user_name,
                 'created_at': when(row.created_at),
                 'finished_at': when(row.finished_at)}
                for row in deployments.during(session, cluster.id, begin, end,
                                              _MARKS)]


def _end(query: Object) -> datetime.datetime | None:
    end = query.get('end')
    return parts.moment_of(text(end), '$.end') if end else None


def _seconds(query: Object) -> int:
    return int(whole(query.get('seconds'), 3600))


def _missing(services: Services, cluster: Cluster) -> dict[str, list[str]]:
    """Name of a chart -> the elements that it lacks."""
    with services.database.read() as session:
        there = exporters.put_on(session, cluster.id)
    return {one.name: [name for name in (SERVER[0], one.element)
                       if name not in there] for one in QUERIES.values()}


def _entry(name: str, missing: list[str], found: Object
           ) -> Object:
    one = QUERIES[name]
    return {'name': name, 'title': one.title, 'unit': one.unit,
            'reason': _lacks(missing) or found['reason'], 'needs': missing,
            'series': found['series']}


def _lacks(missing: Iterable[str]) -> str:
    names = ' and '.join(missing)
    return names and (f'It needs {names} on this cluster: add '
                      + ('them' if ' and ' in names else 'it')
                      + ' with "openstack hpc cluster element add".')
