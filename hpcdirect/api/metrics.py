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
from collections.abc import Mapping
import datetime
from typing import Any

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
from hpcdirect.orders import parts

#: Deployments that are told of with charts, at most.
_MARKS = 50


def show(services: Services, cluster: Cluster, query: Mapping[str, Any]
         ) -> dict[str, Any]:
    """All charts, and the numbers of those that the query names.

    A cluster that cannot be asked is not an error: each chart says why it has
    none.
    """
    missing = _missing(services, cluster)
    names = [name for name in query.get('names', '').split(',') if name]
    wanted = tuple(dict.fromkeys(
        name for name in names if not missing[name]))
    found: Mapping[str, Any] = {'x': [], 'step': None, 'at': None,
                                'charts': {}}
    silence = ''
    if wanted:
        try:
            found = services.charts.charts(cluster.id, _asked(wanted, query))
        except Unavailable as exc:
            silence = str(exc)
    return {'x': found['x'], 'step': found['step'],
            'deployments': _deployments(services, cluster, query)
            if names else [],
            'at': found['at'] and when(datetime.datetime.fromtimestamp(
                found['at'], datetime.UTC).replace(tzinfo=None)),
            'metrics': [_entry(one.name, missing[one.name],
                               found['charts'].get(one.name, {
                                   'series': [], 'reason': silence
                                   if one.name in wanted else ''}))
                        for one in QUERIES.values()]}


def _asked(names: tuple[str, ...], query: Mapping[str, Any]) -> Asked:
    end = _end(query)
    return Asked(
        names, _seconds(query), query.get('points', 200),
        None if end is None
        else end.replace(tzinfo=datetime.UTC).timestamp(),
        query.get('node', ''), query.get('by') == 'group')


def _deployments(services: Services, cluster: Cluster,
                 query: Mapping[str, Any]) -> list[dict[str, Any]]:
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


def _end(query: Mapping[str, Any]) -> datetime.datetime | None:
    end = query.get('end')
    return end and parts.moment_of(end, '$.end')


def _seconds(query: Mapping[str, Any]) -> int:
    return int(query.get('seconds', 3600))


def _missing(services: Services, cluster: Cluster) -> dict[str, list[str]]:
    """Name of a chart -> the elements that it lacks."""
    with services.database.read() as session:
        there = exporters.put_on(session, cluster.id)
    return {one.name: [name for name in (SERVER[0], one.element)
                       if name not in there] for one in QUERIES.values()}


def _entry(name: str, missing: list[str], found: Mapping[str, Any]
           ) -> dict[str, Any]:
    one = QUERIES[name]
    return {'name': name, 'title': one.title, 'unit': one.unit,
            'reason': _lacks(missing) or found['reason'], 'needs': missing,
            'series': found['series']}


def _lacks(missing: Iterable[str]) -> str:
    names = ' and '.join(missing)
    return names and (f'It needs {names} on this cluster: add '
                      + ('them' if ' and ' in names else 'it')
                      + ' with "openstack hpc cluster element add".')
