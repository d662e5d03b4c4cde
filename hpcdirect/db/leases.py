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

"""Who works on a cluster: a lease by time, a fence by epoch.

A conductor claims a cluster by one conditional UPDATE that takes the lease
and raises the epoch. Everything it writes later goes through :func:`fence`
in the same transaction: when another conductor has raised the epoch since,
nothing is written and the work stops. Time is the database's own.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import cast

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.clock import utc_seconds
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.exception import LostLease
from hpcdirect.states import ClusterStatus
from hpcdirect.states import DeploymentStatus


def _changed(session: orm.Session, statement: sa.Update) -> int:
    result = session.execute(statement.execution_options(
        synchronize_session=False))
    return cast('sa.CursorResult[Any]', result).rowcount


def claim(session: orm.Session, cluster_id: str, owner: str,
          seconds: float) -> int | None:
    """Take a cluster for *owner*, for that many seconds.

    :returns: the new epoch, or None when another has it or it is gone.
    """
    taken = _changed(session, sa.update(Cluster).where(
        Cluster.id == cluster_id, Cluster.deleted == '',
        Cluster.lease_until < utc_seconds(),
    ).values(owner=owner, epoch=Cluster.epoch + 1,
             lease_until=utc_seconds() + seconds,
             updated_at=Cluster.updated_at))
    if not taken:
        return None
    return session.scalars(sa.select(Cluster.epoch).where(
        Cluster.id == cluster_id)).one()


def fence(session: orm.Session, cluster_id: str, epoch: int) -> None:
    """Lock the cluster's row for this transaction; first thing in it.

    :raises LostLease: another conductor has taken the cluster since.
    """
    # Changes nothing, but takes the row's lock: nobody can claim the cluster
    # before this transaction has ended.
    if not _changed(session, sa.update(Cluster).where(
            Cluster.id == cluster_id, Cluster.epoch == epoch,
            Cluster.owner != '').values(owner=Cluster.owner,
                                        updated_at=Cluster.updated_at)):
        raise LostLease(ident=cluster_id)


def renew(session: orm.Session, held: Iterable[tuple[str, int]],
          seconds: float) -> list[str]:
    """Keep leases for some seconds more.

    :param held: cluster id and epoch of each.
    :returns: ids of the clusters that were lost.
    """
    lost = []
    for cluster_id, epoch in held:
        if not _changed(session, sa.update(Cluster).where(
                Cluster.id == cluster_id, Cluster.epoch == epoch,
                Cluster.owner != '').values(
                    lease_until=utc_seconds() + seconds,
                    updated_at=Cluster.updated_at)):
            lost.append(cluster_id)
    return lost


def release(session: orm.Session, cluster_id: str, epoch: int,
            look_again: float = 0.0) -> None:
    """Give a cluster back; the epoch stays.

    It is due at once when a deployment of it is not over: the API may have
    written one while this conductor was ending its work.

    :param look_again: seconds after which a cluster that rests is due to be
        looked after; 0 for never.
    """
    resting: tuple[Any, ...] = ((
        Cluster.status.in_((ClusterStatus.ACTIVE, ClusterStatus.DEGRADED)),
        utc_seconds() + look_again),) if look_again else ()
    open_one = sa.exists().where(
        Deployment.cluster_id == cluster_id,
        Deployment.status.in_((DeploymentStatus.QUEUED,
                               DeploymentStatus.RUNNING)))
    _changed(session, sa.update(Cluster).where(
        Cluster.id == cluster_id, Cluster.epoch == epoch,
    ).values(owner='', lease_until=0.0,
             due_at=sa.case((open_one, utc_seconds()), *resting,
                            else_=None),
             updated_at=Cluster.updated_at))


def wake(session: orm.Session) -> None:
    """Make clusters due that rest and that nobody thought of looking after.

    Such are left by a release that knew of no looking after.
    """
    _changed(session, sa.update(Cluster).where(
        Cluster.deleted == '', Cluster.owner == '', Cluster.due_at.is_(None),
        Cluster.status.in_((ClusterStatus.ACTIVE, ClusterStatus.DEGRADED)),
    ).values(due_at=utc_seconds(), updated_at=Cluster.updated_at))


def reclaim(session: orm.Session, dead: Callable[[str], bool]) -> None:
    """End the leases of owners that are known to be dead.

    Only for owners whose death can be told for sure: processes that ran on
    this very machine. Others lapse by time.
    """
    owners = session.scalars(sa.select(Cluster.owner).where(
        Cluster.owner != '', Cluster.deleted == '').distinct())
    for owner in [owner for owner in owners if dead(owner)]:
        _changed(session, sa.update(Cluster).where(
            Cluster.owner == owner,
        ).values(owner='', lease_until=0.0, due_at=utc_seconds(),
                 updated_at=Cluster.updated_at))


def due(session: orm.Session, limit: int = 100) -> list[str]:
    """Clusters with work to do that nobody works on, the oldest first."""
    return list(session.scalars(sa.select(Cluster.id).where(
        Cluster.deleted == '', Cluster.due_at <= utc_seconds(),
        Cluster.lease_until < utc_seconds(),
    ).order_by(Cluster.due_at).limit(limit)))
