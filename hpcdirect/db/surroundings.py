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

"""What other tables say of clusters, in one statement for all of them."""

from __future__ import annotations

import collections
from collections.abc import Collection
from collections.abc import Mapping
import dataclasses
import datetime
import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Node
from hpcdirect.db.models import Step
from hpcdirect.db.models import Tag
from hpcdirect.states import NodeStatus
from hpcdirect.states import WorkStatus


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a deployment is, in steps.

    :param running: ``VERB ELEMENT`` of a step under way, or ''.
    :param weight: seconds that all steps together take, as far as is known.
    :param weight_done: of these, those of steps that are done.
    :param unknown: steps not done of which nobody knows how long they take.
    :param moved_at: when a step ended last.
    """

    total: int = 0
    done: int = 0
    running: str = ''
    weight: float = 0.0
    weight_done: float = 0.0
    unknown: int = 0
    moved_at: datetime.datetime | None = None

    @property
    def fraction(self) -> float:
        """How much of the work is done, 0 to 1, longer steps count more."""
        return self.weight_done / self.weight if self.weight else 0.0

    def seconds_left(self, started_at: datetime.datetime | None,
                     at: datetime.datetime) -> float | None:
        """How long the rest takes, by how fast what is done went.

        Steps of different nodes go side by side, so that all take less than
        their sum; how much less is seen as they end.

        :returns: None when that cannot be told.
        """
        if not self.total or self.unknown or started_at is None:
            return None
        pace = 1.0
        if self.moved_at and self.weight_done:
            pace = (self.moved_at - started_at).total_seconds() \
                / self.weight_done
        elapsed = (at - started_at).total_seconds()
        return max(0.0, self.weight * pace - elapsed)


#: Seconds that a step counts for of which nothing is known.
_SOME = 5.0


_DONE = Step.status == WorkStatus.SUCCEEDED.value


_WEIGHT = sa.func.coalesce(Step.expected, _SOME)


def _text(value: Any, length: int = 30) -> sa.ColumnElement[str]:
    return sa.cast(value, sa.String(length))


def _sum(condition: Any, value: Any = 1) -> sa.ColumnElement[str]:
    return _text(sa.func.sum(sa.case((condition, value), else_=0)))


#: All of :class:`Progress` in one text, of the steps of one deployment, since
#: drivers take long over columns; read_progress() reads it.
COUNTED: sa.ColumnElement[str] = (
    _sum(_DONE) + ';' + _sum(sa.true(), _WEIGHT) + ';' + _sum(_DONE, _WEIGHT)
    + ';' + _sum(sa.and_(sa.not_(_DONE), Step.expected.is_(None))) + ';'
    + sa.func.coalesce(_text(sa.func.max(Step.finished_at)), '') + ';'
    + _text(sa.func.count()) + ';' + sa.func.coalesce(sa.func.min(sa.case((
        Step.status == WorkStatus.RUNNING.value,
        Step.kind + ' ' + Step.element))), ''))


def read_progress(counted: str | None) -> Progress:
    """What a query for :data:`COUNTED` found; of no steps it is None."""
    if counted is None:
        return Progress()
    done, weight, weight_done, unknown, moved_at, total, running = \
        counted.split(';', 6)
    return Progress(
        int(total), int(done), running.strip(), float(weight),
        float(weight_done), int(unknown),
        datetime.datetime.fromisoformat(moved_at) if moved_at else None)


@dataclasses.dataclass(frozen=True, slots=True)
class Login:
    """The node people log in to.

    :param ssh: how it is reached, by field of
        :class:`hpcdirect.backends.base.Ssh`; {} when nobody said.
    """

    name: str
    address: str
    ssh: Mapping[str, Any]


@dataclasses.dataclass
class Found:
    """What was found of one cluster.

    :param ready: node group -> nodes that are up.
    :param login: None while that node is not up.
    :param deployment: the latest.
    """

    ready: dict[str, int] = dataclasses.field(default_factory=dict)
    login: Login | None = None
    tags: list[str] = dataclasses.field(default_factory=list)
    deployment: Any = None
    progress: Progress = dataclasses.field(default_factory=Progress)


def of(session: orm.Session, logins: Mapping[str, str],
       wanted: Collection[str]) -> dict[str, Found]:
    """What is wanted of some clusters.

    :param logins: cluster's id -> name of the node people log in to, or ''.
    :param wanted: which fields of :class:`Found`; ``progress`` is that of
        the ``deployment``, and comes with it alone.
    """
    found = {ident: Found() for ident in logins}
    fields = _COLUMNS.keys() & wanted
    if not found or not fields:
        return found
    for row in session.connection().execute(_statement(frozenset(fields)), {
            'clusters': list(found),
            'names': sorted(set(filter(None, logins.values())))}):
        _add(found[row.cluster_id], row, fields, logins[row.cluster_id])
    return found


def _add(found: Found, row: Any, fields: Collection[str], login: str) -> None:
    if 'deployment' in fields and row.id is not None:
        found.deployment = row
        if 'progress' in fields:
            found.progress = read_progress(row.progress)
    if 'tags' in fields and row.tags is not None:
        found.tags = sorted(row.tags.split(','))
    if 'ready' in fields and row.ready is not None:
        found.ready = collections.Counter(row.ready.split(','))
    # A cluster may have a node that is named as the login node of another is.
    if 'login' in fields and row.login is not None and row.login == login:
        found.login = Login(row.login, row.address, row.ssh)


def _scalar(value: Any, *where: sa.ColumnElement[bool]) -> Any:
    """One value of other tables for each cluster, or its deployment."""
    return sa.select(value).where(*where).correlate(
        Cluster, Deployment).scalar_subquery()


def _up(node: Any) -> sa.ColumnElement[bool]:
    return sa.and_(node.cluster_id == Cluster.id,
                   node.status == NodeStatus.UP.value)


def _together(column: Any) -> sa.ColumnElement[str]:
    """With commas between; neither tags nor names of groups hold one."""
    return sa.func.aggregate_strings(column, ',')


_OTHER = orm.aliased(Deployment)
# By an index, one place in it for each cluster.
_NEWEST = sa.select(_OTHER.id).where(_OTHER.cluster_id == Cluster.id).order_by(
    _OTHER.created_at.desc(), _OTHER.id.desc()).limit(1).correlate(
        Cluster).scalar_subquery()
_LOGIN = orm.aliased(Node)
_COLUMNS: Mapping[str, tuple[Any, ...]] = {
    'deployment': tuple(
        column for column in Deployment.__table__.columns
        if column.name in ('id', 'operation', 'status', 'generation',
                           'failures', 'created_at', 'started_at',
                           'finished_at')),
    'login': (_LOGIN.name.label('login'), _LOGIN.address, _LOGIN.ssh),
    'progress': (_scalar(
        COUNTED, Step.deployment_id == Deployment.id,
    ).label('progress'),),
    'ready': (_scalar(_together(Node.group), _up(Node)).label('ready'),),
    'tags': (_scalar(_together(Tag.tag), Tag.cluster_id == Cluster.id,
                     ).label('tags'),),
}


@functools.lru_cache(maxsize=32)
def _statement(fields: frozenset[str]) -> sa.Select[Any]:
    """One row for each cluster: drivers written in Python are slow at rows."""
    tables: Any = sa.inspect(Cluster).local_table
    if 'deployment' in fields:
        tables = tables.outerjoin(Deployment, Deployment.id == _NEWEST)
    if 'login' in fields:
        tables = tables.outerjoin(_LOGIN, sa.and_(
            _up(_LOGIN),
            _LOGIN.name.in_(sa.bindparam('names', expanding=True))))
    return sa.select(Cluster.id.label('cluster_id'), *(
        column for field in sorted(fields) for column in _COLUMNS[field]),
    ).select_from(tables).where(
        Cluster.id.in_(sa.bindparam('clusters', expanding=True)))
