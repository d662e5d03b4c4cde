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


"""What has moved in a deployment since somebody looked last."""

from __future__ import annotations

import datetime
from typing import Any

from hpcdirect.api.schemas import deployments as deployment_schema
from hpcdirect.api.schemas import events as event_schema
from hpcdirect.api.schemas import motion as schema
from hpcdirect.api.schemas import runs as run_schema
from hpcdirect.api.schemas.common import when
from hpcdirect.db import deployments
from hpcdirect.db import events
from hpcdirect.db import motion
from hpcdirect.db import runs
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import now
from hpcdirect.db.paging import Page
from hpcdirect.db.session import Session
from hpcdirect.db.surroundings import Progress
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import whole
from hpcdirect.states import DeploymentStatus

#: Events told at a time, and characters of a log.
_EVENTS, _LOG = 200, 65536
#: Seconds for which a write may be under way: what is written is dated when
#: it begins, and seen when it has ended.
_UNDER_WAY = 15
#: Seconds until the next look: while something moves, and when it is over.
_SOON, _LATER = 2, 30
_EPOCH = datetime.datetime(1970, 1, 1)


def show(session: Session, row: Deployment, query: Object
         ) -> Object:
    """A deployment as it stands, and what is new.

    :raises Invalid: the run is none of its.
    """
    marker, since = _since(text(query.get('since')))
    # First the time and the log: what comes meanwhile is shown once more.
    at = now()
    log = _log(session, row, query)
    found, left_out = _events(session, row, marker)
    progress = deployments.progress(session, [row.id]).get(
        row.id, Progress())
    over = DeploymentStatus(row.status).over
    return {
        **{name: getattr(row, name) for name in (
            'id', 'cluster_id', 'operation', 'generation', 'status',
            'reason')},
        'failures': deployment_schema.failures(row.failures, row.operation),
        'progress': deployment_schema.progress(row, progress),
        'started_at': when(row.started_at),
        'finished_at': when(row.finished_at),
        'steps': [schema.step(one) for one in motion.strides(session, row)],
        'nodes': [schema.node(one) for one in motion.stacks(
            session, row.cluster_id, since)],
        'events': [event_schema.FIELDS.view(one) for one in found],
        'left_out': left_out, 'log': log,
        'next': f'{found[-1].id if found else marker}-{_stamp(at)}',
        'poll_seconds': _LATER if over else _SOON,
    }


def _since(text: str) -> tuple[int, datetime.datetime | None]:
    """The last event that is known, and when that was."""
    if not text:
        return 0, None
    marker, _, stamp = text.partition('-')
    try:
        return int(marker), _EPOCH + datetime.timedelta(
            seconds=int(stamp) - _UNDER_WAY)
    except OverflowError as exc:
        raise Invalid([Finding('it is nothing that a look gave',
                               '$.since')]) from exc


def _stamp(at: datetime.datetime) -> int:
    return int((at - _EPOCH).total_seconds())


def _events(session: Session, row: Deployment, marker: int
            ) -> tuple[list[Any], bool]:
    """The latest events after a marker, and whether there are more."""
    page = Page(limit=_EVENTS + 1, sort=(('id', True),),
                filters={'deployment_id': row.id})
    found = [one for one in events.listing(session, None, page).rows
             if one.id > marker]
    return found[:_EVENTS][::-1], len(found) > _EVENTS


def _log(session: Session, row: Deployment, query: Object
         ) -> Object | None:
    """The next stretch of a run's log; its end at first."""
    if 'run' not in query:
        return None
    try:
        run = runs.get(session, row.project_id, text(query['run']))
    except NotFound as exc:
        raise Invalid([Finding(str(exc), '$.run')]) from exc
    if run.deployment_id != row.id:
        raise Invalid([Finding('it is a run of another deployment',
                               '$.run')])
    offset = whole(query.get('offset'), max(0, run.log_size - _LOG))
    return run_schema.log(run, runs.log(session, run.id, offset, _LOG),
                          offset)
