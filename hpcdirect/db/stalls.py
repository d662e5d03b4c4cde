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

"""Work that does not go on: deployments in which nothing moves.

Somebody who is at work writes: events, steps that begin and end. So whatever
keeps a deployment from going on, that nothing was written for long shows it;
who holds its cluster says where to look. A turn alone shows nothing: a
cluster that no conductor can go on with gets one again and again.
"""

from __future__ import annotations

from collections.abc import Collection
import dataclasses
import datetime
import enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import deployments
from hpcdirect.db import leases
from hpcdirect.db.clock import utc_seconds
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Event
from hpcdirect.db.models import Step
from hpcdirect.states import ClusterStatus
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import WorkStatus

#: Clusters that are looked at, those that wait for longest.
_MOST = 1000
_BUSY = [status for status in ClusterStatus if status.busy]


class Kind(enum.StrEnum):
    """Who does nothing.

    UNATTENDED: no conductor holds the cluster, or can go on with it.
    SILENT: one holds it, and writes nothing.
    FORGOTTEN: it is said to be at work, and nothing is to be done for it.
    """

    UNATTENDED = 'unattended'
    SILENT = 'silent'
    FORGOTTEN = 'forgotten'


@dataclasses.dataclass(frozen=True)
class Stall:
    """A cluster whose work does not go on.

    :param cluster: its ``id``, ``name``, ``project_id``, ``project_name``,
        ``status``, ``status_reason`` and ``owner``.
    :param deployment: what is under way; None when nothing is.
    :param step: one that runs since it began, None when none does.
    :param since: when something moved last.
    :param waited: seconds for which its turn is overdue; None when it is
        held, or none is to come.
    """

    kind: Kind
    cluster: Any
    deployment: Deployment | None
    step: Step | None
    since: datetime.datetime
    waited: float | None


def listing(session: orm.Session, at: datetime.datetime, seconds: float
            ) -> list[Stall]:
    """Clusters in which nothing has moved for so long, the longest first.

    :param at: now, UTC without saying so.
    """
    latest = at - datetime.timedelta(seconds=seconds)
    held = leases.held().label('held')
    clock = utc_seconds().label('clock')
    rows = session.execute(sa.select(
        *(getattr(Cluster, name) for name in (
            'id', 'name', 'project_id', 'project_name', 'status',
            'status_reason', 'owner', 'due_at', 'lease_until', 'updated_at')),
        held, clock,
    ).where(Cluster.deleted == '', Cluster.status.in_(_BUSY),
            Cluster.created_at < latest,
            ).order_by(Cluster.created_at).limit(_MOST)).all()
    newest = deployments.latest(session, [row.id for row in rows])
    under_way = {ident: one for ident, one in newest.items()
                 if not DeploymentStatus(one.status).over}
    moved = _moved(session, [one.id for one in under_way.values()])
    running = _running(session, [one.id for one in under_way.values()])
    found = []
    for row in rows:
        one = under_way.get(row.id)
        since = row.updated_at if one is None else max(filter(None, (
            one.created_at, one.started_at, moved.get(one.id))))
        if since < latest and not (one is None and row.held):
            found.append(Stall(
                _kind(row, one), row, one, running.get(one.id) if one
                else None, since, _waited(row, at)))
    return sorted(found, key=lambda stall: stall.since)


def _kind(row: Any, deployment: Deployment | None) -> Kind:
    if deployment is None and row.due_at is None:
        return Kind.FORGOTTEN
    return Kind.SILENT if row.held else Kind.UNATTENDED


def _waited(row: Any, at: datetime.datetime) -> float | None:
    """For how long a cluster's turn is overdue."""
    if row.held or row.due_at is None:
        return None
    # What is ordered is due at once, and was written then.
    since = max(row.due_at, row.lease_until)
    found: float = row.clock - since if since > 0 \
        else (at - row.updated_at).total_seconds()
    return max(0.0, found)


def _moved(session: orm.Session, idents: Collection[str]
           ) -> dict[str, datetime.datetime]:
    """When the last event was of each deployment, or its last step moved."""
    last = sa.select(sa.func.max(Event.id)).where(
        Event.deployment_id.in_(idents)).group_by(Event.deployment_id)
    found = dict(session.execute(sa.select(
        Event.deployment_id, Event.at).where(Event.id.in_(
            session.scalars(last).all()))).tuples().all())
    for ident, *moments in session.execute(sa.select(
            Step.deployment_id, sa.func.max(Step.started_at),
            sa.func.max(Step.finished_at),
    ).where(Step.deployment_id.in_(idents)).group_by(Step.deployment_id)):
        found[ident] = max(filter(None, (found.get(ident), *moments)),
                           default=datetime.datetime.min)
    return found


def _running(session: orm.Session, idents: Collection[str]
             ) -> dict[str, Step]:
    """The step of each deployment that has run for longest."""
    steps = session.scalars(sa.select(Step).where(
        Step.deployment_id.in_(idents),
        Step.status == WorkStatus.RUNNING.value,
    ).order_by(Step.started_at.desc(), Step.position.desc()))
    return {step.deployment_id: step for step in steps}
