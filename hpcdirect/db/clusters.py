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

"""Queries about clusters, and the three ways to change what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import functools
import re
from typing import Any
from typing import Protocol

from oslo_db import exception as db_exc
import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.context import Asker
from hpcdirect.context import RequestContext
from hpcdirect.db import measures
from hpcdirect.db import paging
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Event
from hpcdirect.db.models import Generation
from hpcdirect.db.models import Layer
from hpcdirect.db.models import Tag
from hpcdirect.db.models import new_id
from hpcdirect.db.models import now
from hpcdirect.exception import ClusterBusy
from hpcdirect.exception import ClusterProtected
from hpcdirect.exception import Conflict
from hpcdirect.exception import DuplicateName
from hpcdirect.exception import NotAsSigned
from hpcdirect.exception import NotFound
from hpcdirect.planning.state import NOTHING
from hpcdirect.planning.state import State
from hpcdirect.states import ClusterStatus
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import LayerState
from hpcdirect.states import Operation

_OWN = {'created_at': 'ix_clusters_list'}
_EVERY = {'created_at': 'ix_clusters_all', 'name': 'ix_clusters_names',
          'updated_at': 'ix_clusters_updated'}

#: More leases than anybody takes between two backups.
_LEASES = 1 << 20

#: Signs what a row says of itself, by scheme.
Sign = Callable[[Callable[[int], object]], str]


class Pen(Protocol):
    """Signs what is wanted, if it follows from what was signed."""

    def sign(self, part: Callable[[int], object], /) -> str:
        """The signature of what a row says of itself, by scheme."""

    def approve(self, cluster: Cluster, deployment: Deployment | None, /
                ) -> None:
        """Pass, or raise NotAsSigned, for a wish as it is recorded."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What is wanted of a cluster from now on, and by whom.

    :param desired: not looked at by what follows from what is wanted already,
        such as a deletion.
    """

    asker: Asker
    pen: Pen
    operation: Operation
    desired: State = NOTHING


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Which clusters a list is of, besides those equal in a column.

    :param tags: they carry all of these.
    :param statuses: they are in one of these; () for any.
    :param part: their names hold it, in any case.
    :param expiring: they go by themselves before it.
    :param user: id of who made them; '' for anybody.
    """

    tags: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    part: str = ''
    expiring: datetime.datetime | None = None
    user: str = ''

    def scope(self, project_id: str | None) -> paging.Scope:
        """The same for a query, in one project or (None) in all."""
        values: dict[str, Any] = {
            f'tag_{number}': tag for number, tag in enumerate(self.tags)}
        where = _carrying(len(self.tags))
        for name, value in (('statuses', self.statuses),
                            ('expiring', self.expiring),
                            ('part', _pattern(self.part)),
                            ('user', self.user)):
            if value:
                where += (_WANTED[name],)
                values[name] = value
        own = {} if project_id is None else {'project_id': project_id}
        return paging.Scope(
            {'deleted': '', **own}, where, values,
            {} if values else _EVERY if project_id is None else _OWN)


_WANTED: Mapping[str, sa.ColumnElement[bool]] = {
    'statuses': Cluster.status.in_(sa.bindparam('statuses', expanding=True)),
    'expiring': Cluster.expires_at < sa.bindparam('expiring'),
    'part': sa.func.lower(Cluster.name).like(sa.bindparam('part'),
                                             escape='/'),
    'user': Cluster.user_id == sa.bindparam('user')}


def _pattern(part: str) -> str:
    """What LIKE takes for a text that holds this one."""
    return part and '%{}%'.format(re.sub('([%_/])', r'/\1', part.lower()))


def listing(session: orm.Session, project_id: str | None, page: paging.Page,
            wanted: Wanted) -> paging.Listing:
    """One page of clusters."""
    return paging.fetch(session, Cluster, page, wanted.scope(project_id))


def count(session: orm.Session, project_id: str | None, page: paging.Page,
          wanted: Wanted) -> int:
    """How many clusters all pages have together."""
    return paging.count(session, Cluster, page, wanted.scope(project_id))


def counts(session: orm.Session, project_id: str | None) -> dict[str, int]:
    """Status -> how many clusters are in it, but for none."""
    own = [] if project_id is None else [Cluster.project_id == project_id]
    return dict(session.execute(sa.select(
        Cluster.status, sa.func.count()).where(
            Cluster.deleted == '', *own).group_by(Cluster.status)
    ).tuples().all())


@functools.lru_cache(maxsize=64)
def _carrying(number: int) -> tuple[sa.ColumnElement[bool], ...]:
    """That a cluster carries so many tags."""
    return tuple(Cluster.id.in_(sa.select(Tag.cluster_id).where(
        Tag.tag == sa.bindparam(f'tag_{one}'))) for one in range(number))


def tags_of(session: orm.Session, idents: Iterable[str]
            ) -> dict[str, list[str]]:
    """Cluster's id -> its tags, in order; only of those that have any."""
    found: dict[str, list[str]] = {}
    for ident, tag in session.execute(
            sa.select(Tag.cluster_id, Tag.tag).where(
                Tag.cluster_id.in_(list(idents))).order_by(Tag.tag)):
        found.setdefault(ident, []).append(tag)
    return found


def get(session: orm.Session, context: RequestContext,
        project_id: str | None, ident: str) -> Cluster:
    """The cluster of an id or, within the caller's own project, a name.

    :param project_id: the project that is seen; None for all.
    :raises NotFound: there is none, or it is another project's.
    """
    found: Cluster = _first(session.scalars(
        _named(project_id is None), _names(context, project_id, ident)
    ).all(), ident)
    return found


def has_name(session: orm.Session, project_id: str, name: str) -> bool:
    """Whether a project has a cluster of this name."""
    return session.scalar(sa.select(Cluster.id).where(
        Cluster.project_id == project_id, Cluster.name == name,
        Cluster.deleted == '')) is not None


def row(session: orm.Session, context: RequestContext,
        project_id: str | None, ident: str, columns: frozenset[str]) -> Any:
    """The same, but only these columns of it, as a row."""
    return _first(session.connection().execute(
        _named(project_id is None, columns),
        _names(context, project_id, ident)).all(), ident)


@functools.lru_cache(maxsize=64)
def _named(everywhere: bool, columns: frozenset[str] = frozenset()
           ) -> sa.Select[Any]:
    """Clusters by id or name; whole, or as rows of some columns."""
    what = [getattr(Cluster, name) for name in sorted(columns | {'id'})] \
        if columns else [Cluster]
    reach = () if everywhere else (
        Cluster.project_id == sa.bindparam('reach'),)
    return sa.select(*what).where(Cluster.deleted == '', *reach, sa.or_(
        Cluster.id == sa.bindparam('ident'),
        sa.and_(Cluster.name == sa.bindparam('ident'),
                Cluster.project_id == sa.bindparam('own'))))


def _names(context: RequestContext, project_id: str | None, ident: str
           ) -> dict[str, str | None]:
    return {'ident': ident, 'own': context.project_id, 'reach': project_id}


def _first(found: Iterable[Any], ident: str) -> Any:
    # A cluster may carry another one's id as its name; the id wins.
    for cluster in sorted(found, key=lambda one: one.id != ident):
        return cluster
    raise NotFound(resource='Cluster', ident=ident)


def known(session: orm.Session, context: RequestContext,
          project_id: str | None, ident: str) -> str:
    """The id of a cluster by its id, or by its name while it is there.

    :raises NotFound: there is none, and there was none of that id.
    """
    return str(ever(session, context, project_id, ident).id)


def ever(session: orm.Session, context: RequestContext,
         project_id: str | None, ident: str) -> Cluster:
    """The same cluster, as it is or, when it is gone, as it was at its end."""
    try:
        return get(session, context, project_id, ident)
    except NotFound:
        mine = [] if project_id is None else [
            Cluster.project_id == project_id]
        found = session.scalars(sa.select(Cluster).where(
            Cluster.id == ident, *mine)).one_or_none()
        if found is None:
            raise
        return found


def alive(session: orm.Session, idents: Iterable[str]) -> set[str]:
    """Those of some ids that are clusters which have not been deleted."""
    return set(session.scalars(sa.select(Cluster.id).where(
        Cluster.id.in_(list(idents)), Cluster.deleted == '')))


def gone(session: orm.Session, idents: Iterable[str]) -> set[str]:
    """Those of some ids that were clusters of ours, and were deleted."""
    return set(session.scalars(sa.select(Cluster.id).where(
        Cluster.id.in_(list(idents)), Cluster.deleted != '')))


def create(session: orm.Session, cluster: Cluster, order: Order,
           tags: Iterable[str] = ()) -> None:
    """Write a new cluster with its first deployment.

    :raises DuplicateName: the project has one of that name.
    """
    cluster.status = ClusterStatus.CREATING
    cluster.generation = 1
    cluster.desired = order.desired
    cluster.due_at = 0.0
    session.add(cluster)
    try:
        session.flush()
    except db_exc.DBDuplicateEntry as exc:
        raise DuplicateName(name=cluster.name) from exc
    _tag(session, cluster.id, tags)
    _keep(session, cluster, order)
    _deploy(session, cluster, order)


def change(session: orm.Session, seen: Cluster, order: Order) -> Cluster:
    """Want something else of a cluster that is at rest.

    :param seen: the cluster as it was when *order* was made from it.
    :raises ClusterBusy: something is under way, or somebody was faster.
    :raises NotAsSigned: nobody signed what it was made from. To go back to a
        generation is not made from that.
    """
    cluster = _at_rest(session, seen, order.operation)
    if order.operation != Operation.ROLLBACK:
        _approve(session, seen, order)
    _want(session, cluster, order, ClusterStatus.UPDATING)
    return cluster


def delete(session: orm.Session, cluster_id: str, order: Order) -> Cluster:
    """Want a cluster gone, whatever goes on with it.

    :param order: its ``desired`` is not looked at: what counts is what is
        wanted at this moment, less everything.
    :raises ClusterProtected: its owner wants it to stay.
    """
    cluster = locked(session, cluster_id)
    _pass(refusal(cluster, order.operation))
    if cluster.status != ClusterStatus.DELETING:
        try:
            _approve(session, cluster, order)
            wanted = dataclasses.replace(cluster.desired, deleted=True)
        except NotAsSigned:
            # It goes all the same; nothing else of this is signed.
            was = cluster.desired
            wanted = State(was.blueprint, was.version, was.blueprint_digest,
                           deleted=True)
        _want(session, cluster, dataclasses.replace(order, desired=wanted),
              ClusterStatus.DELETING)
    return cluster


def retry(session: orm.Session, seen: Cluster, order: Order) -> Deployment:
    """Try once more to reach what is wanted already, or check whether it is.

    :param seen: the cluster as it was when *order* was made from it.
    :param order: the same is wanted, but of the catalogue as it is now.
    :raises ClusterBusy: something is under way.
    :raises Conflict: nothing is left to check.
    :raises NotAsSigned: nobody signed what is wanted.
    """
    cluster = _at_rest(session, seen, order.operation)
    _approve(session, cluster, order)
    if order.operation in (Operation.CHECK, Operation.REPAIR):
        # Both look at what stands there, be it recorded as right or not.
        session.execute(sa.update(Layer).where(
            Layer.cluster_id == cluster.id,
            Layer.state == LayerState.APPLIED).values(verified=False))
    if order.operation == Operation.CHECK:
        status = ClusterStatus.CHECKING
    else:
        status = (ClusterStatus.DELETING if cluster.desired.deleted
                  else ClusterStatus.UPDATING)
    if order.desired != cluster.desired and not cluster.desired.deleted:
        _approve(session, seen, order)
        return _want(session, cluster, order, status)
    cluster.status = status
    cluster.status_reason = ''
    cluster.due_at = 0.0
    return _deploy(session, cluster,
                   dataclasses.replace(order, desired=cluster.desired))


def cancel(session: orm.Session, seen: Cluster, order: Order) -> Deployment:
    """Want what is under way to end where it is.

    It is a generation of its own, in which the same is wanted: whoever works
    on the one before stops for it, as for any other.

    :raises Conflict: nothing is under way, or the cluster is going.
    :raises NotAsSigned: nobody signed what is wanted.
    """
    cluster = locked(session, seen.id)
    _pass(refusal(cluster, Operation.CANCEL))
    _approve(session, cluster, order)
    return _want(session, cluster, dataclasses.replace(
        order, desired=cluster.desired), ClusterStatus(cluster.status))


def catch_up(session: orm.Session, cluster_id: str, past: int, order: Order
             ) -> Deployment:
    """Want what is recorded, as something newer than its machines have seen.

    :param past: the newest generation that they have seen.
    :param order: its ``desired`` is not looked at.
    :raises ClusterBusy: something is under way.
    :raises NotAsSigned: nobody signed what is recorded.
    """
    cluster = locked(session, cluster_id)
    _pass(refusal(cluster, Operation.UPDATE))
    _approve(session, cluster, order)
    cluster.generation = max(cluster.generation, past)
    # Leases were taken, too, of which the database does not know any more.
    cluster.epoch += _LEASES
    return _want(session, cluster, dataclasses.replace(
        order, desired=cluster.desired), ClusterStatus.UPDATING)


def label(session: orm.Session, cluster_id: str, labels: Mapping[str, Any]
          ) -> None:
    """Change what is said of a cluster; nothing is to be done for it.

    :param labels: columns of it, and ``tags``.
    :raises DuplicateName: the project has one of that name.
    :raises Conflict: it is to be protected, and is going already.
    """
    cluster = locked(session, cluster_id)
    if labels.get('protected'):
        _pass(leaving(cluster))
    for name in labels.keys() - {'tags'}:
        setattr(cluster, name, labels[name])
    try:
        session.flush()
    except db_exc.DBDuplicateEntry as exc:
        raise DuplicateName(name=labels['name']) from exc
    if 'tags' in labels:
        session.execute(sa.delete(Tag).where(Tag.cluster_id == cluster_id))
        _tag(session, cluster_id, labels['tags'])


def _tag(session: orm.Session, cluster_id: str, tags: Iterable[str]) -> None:
    session.add_all(Tag(cluster_id=cluster_id, tag=tag) for tag in set(tags))


def locked(session: orm.Session, cluster_id: str) -> Cluster:
    """The cluster as it is now; nobody else changes it meanwhile."""
    # Changes nothing, but takes the row's lock on MariaDB and the write lock
    # on SQLite, which a transaction that begins with a read may not get.
    session.execute(sa.update(Cluster).where(Cluster.id == cluster_id).values(
        updated_at=Cluster.updated_at))
    cluster = session.scalars(sa.select(Cluster).where(
        Cluster.id == cluster_id, Cluster.deleted == '')).one_or_none()
    if cluster is None:
        raise NotFound(resource='Cluster', ident=cluster_id)
    return cluster


def refusal(cluster: Any, operation: Operation) -> Conflict | None:
    """Why a cluster as it stands does not allow an operation; None if it does.

    :param cluster: its row, or one of :data:`STANDING`.
    """
    refused = refused_for(operation, *standing(cluster))
    return refused(cluster.name) if refused else None


def leaving(cluster: Any) -> Conflict | None:
    """The same for what a cluster that is to go does not allow."""
    return going(cluster.name) if cluster.desired.deleted else None


#: The columns that :func:`refusal` reads.
STANDING = ('name', 'status', 'protected', 'desired')
#: Makes what is raised, of a cluster's name.
Refusal = Callable[[str], Conflict]


def standing(cluster: Any) -> tuple[str, bool, bool]:
    """What decides which operations a cluster allows.

    :returns: its status, whether it is protected, whether it is to go.
    """
    return cluster.status, cluster.protected, cluster.desired.deleted


@functools.cache
def refused_for(operation: Operation, status: str, protected: bool,
                leaving: bool) -> Refusal | None:
    """The same as :func:`refusal` for all clusters that stand alike."""
    busy = ClusterStatus(status).busy
    if operation == Operation.DELETE:
        return _protected if protected and not leaving else None
    if operation == Operation.CANCEL:
        return going if leaving else None if busy else _idle
    if busy:
        return functools.partial(_busy, status)
    # What is to go and did not can be tried again.
    return going if leaving and operation not in (
        Operation.RETRY, Operation.REPAIR) else None


def going(name: str) -> Conflict:
    """What is raised for a cluster that is to go."""
    return Conflict(reason=f'Cluster {name} is to be deleted; delete it '
                    'again, or retry.')


def _busy(status: str, name: str) -> Conflict:
    return ClusterBusy(ident=name, status=status)


def _idle(name: str) -> Conflict:
    return Conflict(reason=f'Nothing is under way on cluster {name}.')


def _protected(name: str) -> Conflict:
    return ClusterProtected(ident=name)


def _pass(refused: Conflict | None) -> None:
    if refused is not None:
        raise refused


def _at_rest(session: orm.Session, seen: Cluster, operation: Operation
             ) -> Cluster:
    """The cluster, locked; as it was seen, and nothing is under way."""
    cluster = locked(session, seen.id)
    _pass(refusal(cluster, operation))
    if cluster.generation != seen.generation:
        raise ClusterBusy(ident=cluster.name, status=cluster.status)
    return cluster


def _approve(session: orm.Session, cluster: Cluster, order: Order) -> None:
    """Pass, or raise NotAsSigned: a signature is about to follow from it."""
    order.pen.approve(cluster, session.scalars(
        sa.select(Deployment).options(orm.defer(Deployment.plan)).where(
            Deployment.cluster_id == cluster.id,
            Deployment.generation == cluster.generation,
        ).order_by(Deployment.created_at.desc()).limit(1)).first())


def _want(session: orm.Session, cluster: Cluster, order: Order,
          status: ClusterStatus) -> Deployment:
    cluster.generation += 1
    cluster.desired = order.desired
    cluster.blueprint_version = order.desired.version \
        or cluster.blueprint_version
    cluster.status = status
    cluster.status_reason = ''
    cluster.due_at = 0.0
    _keep(session, cluster, order)
    return _deploy(session, cluster, order)


def _keep(session: orm.Session, cluster: Cluster, order: Order) -> None:
    """What is wanted from now on, kept for later."""
    session.add(Generation(
        cluster_id=cluster.id, generation=cluster.generation,
        user_id=order.asker.user_id, user_name=order.asker.user_name,
        operation=order.operation,
        desired=cluster.desired))


def _deploy(session: orm.Session, cluster: Cluster, order: Order
            ) -> Deployment:
    """A signed deployment takes the place of those that are not over."""
    if order.operation != Operation.CREATE:
        replaced: Any = session.execute(sa.update(Deployment).where(
            Deployment.cluster_id == cluster.id, Deployment.status.in_((
                DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)),
        ).values(status=DeploymentStatus.SUPERSEDED, finished_at=now()))
        measures.superseded(session, replaced.rowcount)
    asker = order.asker
    # The id and the time are part of what is signed.
    deployment = Deployment(
        id=new_id(), created_at=now(),
        cluster_id=cluster.id, project_id=cluster.project_id,
        user_id=asker.user_id, user_name=asker.user_name,
        roles=list(asker.roles), service=asker.service,
        request_id=asker.request_id, operation=order.operation,
        generation=cluster.generation, status=DeploymentStatus.QUEUED,
        desired_digest=cluster.desired.digest, signature='')
    deployment.signature = order.pen.sign(deployment.signed_part)
    session.add(deployment)
    # The event, which does not refer to it, comes after it.
    session.flush()
    session.add(Event(
        cluster_id=cluster.id, project_id=cluster.project_id,
        deployment_id=deployment.id, kind='cluster', message=cluster.status))
    session.flush()
    return deployment
