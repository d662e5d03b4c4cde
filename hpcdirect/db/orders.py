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

"""Orders for clusters, as they are written down.

Each function is part of one transaction of its caller's, and ends with a
signed deployment in it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from typing import Any
from typing import Protocol

from oslo_db import exception as db_exc
import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect import states
from hpcdirect.context import Asker
from hpcdirect.db import columns
from hpcdirect.db import measures
from hpcdirect.db.columns import Base
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Event
from hpcdirect.db.models import Generation
from hpcdirect.db.models import Layer
from hpcdirect.db.models import Tag
from hpcdirect.db.models import new_id
from hpcdirect.db.models import now
from hpcdirect.db.session import Database
from hpcdirect.exception import ClusterBusy
from hpcdirect.exception import DuplicateName
from hpcdirect.exception import KeyReused
from hpcdirect.exception import NotAsSigned
from hpcdirect.exception import NotFound
from hpcdirect.planning.state import NOTHING
from hpcdirect.planning.state import State
from hpcdirect.states import ClusterStatus
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import LayerState
from hpcdirect.states import Operation

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
    states.check_allowed(cluster, order.operation)
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
    states.check_allowed(cluster, Operation.CANCEL)
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
    states.check_allowed(cluster, Operation.UPDATE)
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
        refused = states.leaving(cluster)
        if refused is not None:
            raise refused
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


def _at_rest(session: orm.Session, seen: Cluster, operation: Operation
             ) -> Cluster:
    """The cluster, locked; as it was seen, and nothing is under way."""
    cluster = locked(session, seen.id)
    states.check_allowed(cluster, operation)
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


# -- a POST with an Idempotency-Key is carried out once ---------------------

class IdempotencyKey(Base):
    """A key that came with a POST, and what came of it."""

    __tablename__ = 'idempotency_keys'
    __table_args__ = (
        sa.Index('ix_idempotency_keys_age', 'created_at'),
        sa.Index('ix_idempotency_keys_cluster', 'cluster_id'),
    )

    project_id: orm.Mapped[columns.Name] = orm.mapped_column(primary_key=True)
    key: orm.Mapped[str] = orm.mapped_column('key_text', sa.String(255),
                                             primary_key=True)
    body_digest: orm.Mapped[columns.Word64]
    cluster_id: orm.Mapped[columns.Id]
    created_at: orm.Mapped[columns.Created]


@dataclasses.dataclass(frozen=True)
class RequestKey:
    """A key as it came with a request; ``text`` is '' when none did."""

    project_id: str
    text: str
    body_digest: str


class _TakenError(Exception):
    """Another request with the key was faster."""


def answered(session: orm.Session, key: RequestKey) -> str:
    """Id of the cluster an earlier request with this key made, or ''.

    :raises KeyReused: that was another request.
    """
    if not key.text:
        return ''
    row = session.get(IdempotencyKey, (key.project_id, key.text))
    if row is None:
        return ''
    if row.body_digest != key.body_digest:
        raise KeyReused()
    return row.cluster_id


def once(database: Database, key: RequestKey,
         write: Callable[[orm.Session], str]) -> str:
    """Create a cluster unless a request with the same key did already.

    :param write: takes the key and creates it; its id.
    :returns: the id of the one cluster there is for the key.
    """
    try:
        return database.change(write)
    except _TakenError:
        with database.read() as session:
            return answered(session, key)


def take_key(session: orm.Session, key: RequestKey, cluster_id: str) -> None:
    """Hold the key until this transaction ends; one more waits for it."""
    if not key.text:
        return
    session.add(IdempotencyKey(
        project_id=key.project_id, key=key.text, cluster_id=cluster_id,
        body_digest=key.body_digest))
    try:
        session.flush()
    except db_exc.DBDuplicateEntry as exc:
        raise _TakenError from exc
