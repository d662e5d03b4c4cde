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

"""What other tables say of clusters, in two statements for all of them."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import deployments
from hpcdirect.db.deployments import Progress
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Node
from hpcdirect.db.models import Step
from hpcdirect.db.models import Tag
from hpcdirect.states import NodeStatus

#: What one statement finds together.
SMALL = frozenset(('login', 'ready', 'tags', 'progress'))

_CLUSTERS: sa.BindParameter[Any] = sa.bindparam('clusters', expanding=True)


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
    :param wanted: of :data:`SMALL`, and ``deployment``.
    """
    found = {ident: Found() for ident in logins}
    if not found:
        return found
    connection = session.connection()
    values: dict[str, Any] = {'clusters': list(found)}
    if 'deployment' in wanted:
        for row in connection.execute(_LATEST, values):
            found[row.cluster_id].deployment = row
    small = SMALL & set(wanted)
    if small:
        names = sorted(set(filter(None, logins.values())))
        for row in connection.execute(
                _small(small), {**values, 'names': names}):
            _add(found[row.cluster_id], row, logins[row.cluster_id])
    return found


def _add(found: Found, row: Any, login: str) -> None:
    if row.kind == 'ready':
        found.ready = {group: int(number) for group, _, number in (
            one.partition('=') for one in row.detail.split(','))}
    elif row.kind == 'tags':
        found.tags = sorted(row.detail.split(','))
    elif row.kind == 'progress':
        found.progress = deployments.read(row.name, row.detail, row.number)
    elif row.name == login:
        found.login = Login(row.name, row.detail, row.ssh)


# By an index, one place in it for each cluster.
_NEWEST = sa.select(
    Cluster.id.label('cluster_id'),
    sa.select(Deployment.id).where(
        Deployment.cluster_id == Cluster.id,
    ).order_by(Deployment.created_at.desc(), Deployment.id.desc()).limit(1)
    .correlate(Cluster).scalar_subquery().label('id'),
).where(Cluster.id.in_(_CLUSTERS)).subquery('newest')

_LATEST = sa.select(*(
    column for column in Deployment.__table__.columns
    if column.name in ('id', 'cluster_id', 'operation', 'status',
                       'generation', 'failures', 'created_at', 'started_at',
                       'finished_at'))).join(
    _NEWEST, _NEWEST.c.id == Deployment.id)


@functools.lru_cache(maxsize=16)
def _small(wanted: frozenset[str]) -> sa.CompoundSelect[Any]:
    """One statement that finds rows of several kinds."""
    return sa.union_all(*(
        sa.select(*(value.label(name) for name, value in zip(
            _COLUMNS, _PARTS[kind][0], strict=True))).where(
                *_PARTS[kind][1]).group_by(*_PARTS[kind][2])
        for kind in sorted(wanted)))


def _text(value: str) -> sa.ColumnElement[str]:
    return sa.literal_column(f"'{value}'", sa.String)


_UP = (Node.cluster_id.in_(_CLUSTERS), Node.status == NodeStatus.UP.value)
_NONE = sa.literal_column('0', sa.Integer)
_NOTHING = (_NONE, sa.type_coerce(sa.null(), Node.ssh.type))
# One row for each cluster: a driver written in Python takes long over rows.
# Neither tags nor names of groups hold a comma.
_COUNTED = sa.select(Node.cluster_id, Node.group, sa.func.count().label(
    'number')).where(*_UP).group_by(Node.cluster_id, Node.group).subquery(
        'counted')
_COLUMNS = ('cluster_id', 'kind', 'name', 'detail', 'number', 'ssh')
_PARTS: Mapping[str, tuple[Iterable[Any], Iterable[Any], Iterable[Any]]] = {
    'login': ((
        Node.cluster_id, _text('login'), Node.name, Node.address, _NONE,
        Node.ssh), (
            *_UP, Node.name.in_(sa.bindparam('names', expanding=True))), ()),
    'progress': ((
        _NEWEST.c.cluster_id, _text('progress'), *deployments.COUNTED,
        *_NOTHING[1:]), (
            Step.deployment_id == _NEWEST.c.id,), (_NEWEST.c.cluster_id,)),
    'ready': ((
        _COUNTED.c.cluster_id, _text('ready'), _text(''),
        sa.func.aggregate_strings(
            _COUNTED.c.group + '='
            + sa.cast(_COUNTED.c.number, sa.String(20)), ','), *_NOTHING),
        (), (_COUNTED.c.cluster_id,)),
    'tags': ((
        Tag.cluster_id, _text('tags'), _text(''),
        sa.func.aggregate_strings(Tag.tag, ','), *_NOTHING), (
            Tag.cluster_id.in_(_CLUSTERS),), (Tag.cluster_id,)),
}
