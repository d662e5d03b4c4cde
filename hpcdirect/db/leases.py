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

A clock can be set back. A time that lies further ahead than anybody would
have written it counts as over, or nothing would be done until the clock is
there again.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
import dataclasses
from typing import Any
from typing import cast

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import columns
from hpcdirect.db.clock import utc_seconds
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.exception import LostLease
from hpcdirect.planning.state import State
from hpcdirect.states import RESTING
from hpcdirect.states import DeploymentStatus

#: Seconds that a lease may lie further ahead than it was taken for.
_SLACK = 5.0
#: The longest lease that can be configured, in seconds, for rows that do not
#: say for how long theirs was taken.
_LONGEST_LEASE = 300.0
#: Part of a lease's time that is left, at least, when its owner has fenced a
#: write. Each time it is set anew costs a change of the row and of an index.
KEPT = 0.8
#: Rows of one statement.
_PIECE = 200


@dataclasses.dataclass(frozen=True)
class Resting:
    """A cluster whose machines are to be looked at, as it is recorded."""

    id: str
    backend: str
    backend_ref: str
    status: str
    status_reason: str
    generation: int
    desired: State


@dataclasses.dataclass(frozen=True)
class Pulse:
    """What became of the clusters that a conductor holds.

    :param at: the database's time, seconds since 1970.
    :param held: cluster's id -> its epoch and the newest generation.
    """

    at: float
    held: Mapping[str, tuple[int, int]]


def _changed(session: orm.Session, statement: sa.Update) -> int:
    result = session.execute(statement.execution_options(
        synchronize_session=False))
    return cast('sa.CursorResult[Any]', result).rowcount


def _lapsed() -> sa.ColumnElement[bool]:
    """Whether the time of a lease is over."""
    taken_for = sa.case((Cluster.lease_seconds > 0, Cluster.lease_seconds),
                        else_=_LONGEST_LEASE)
    return sa.or_(
        Cluster.lease_until < utc_seconds(),
        Cluster.lease_until > utc_seconds() + taken_for + _SLACK)


def _free(lapsed: bool) -> sa.ColumnElement[bool]:
    """Whether nobody holds a cluster.

    :param lapsed: a lease whose time is over counts as nobody's.
    """
    nobody: sa.ColumnElement[bool] = Cluster.owner == ''
    return sa.or_(nobody, _lapsed()) if lapsed else nobody


def held() -> sa.ColumnElement[bool]:
    """Whether a conductor holds a cluster, and its lease is not over."""
    return sa.not_(_free(lapsed=True))


def _due(rest: float) -> sa.ColumnElement[bool]:
    """Whether something is to be done now.

    :param rest: seconds that nobody lets a cluster rest for longer.
    """
    return sa.or_(Cluster.due_at <= utc_seconds(),
                  Cluster.due_at > utc_seconds() + rest + _SLACK)


@dataclasses.dataclass(frozen=True)
class Terms:
    """On which a cluster is taken.

    :param lapsed: from another owner, too, whose lease is over.
    :param rest: only when something is to be done for it now, given that no
        cluster rests for longer than so many seconds; None for any time.
    """

    lapsed: bool = True
    rest: float | None = None


def claim(session: orm.Session, cluster_id: str, owner: str,
          seconds: float, terms: Terms = Terms()) -> int | None:
    """Take a cluster for *owner*, for that many seconds.

    :returns: the new epoch, or None when another has it, nothing is to be
        done, or it is gone.
    """
    taken = _changed(session, sa.update(Cluster).where(
        Cluster.id == cluster_id, Cluster.deleted == '', _free(terms.lapsed),
        *([] if terms.rest is None else [_due(terms.rest)]),
    ).values(owner=owner, epoch=Cluster.epoch + 1, lease_seconds=seconds,
             lease_until=utc_seconds() + seconds,
             updated_at=Cluster.updated_at))
    if not taken:
        return None
    return session.scalars(sa.select(Cluster.epoch).where(
        Cluster.id == cluster_id)).one()


def fence(session: orm.Session, cluster_id: str, epoch: int) -> None:
    """Lock the cluster's row for this transaction; first thing in it.

    From now on the lease lasts for :data:`KEPT` of its time at least:
    :func:`renew` passes over rows that are locked, and those of a conductor
    whose database is slow are locked by its own writes.

    :raises LostLease: another conductor has taken the cluster since.
    """
    # Changes nothing as a rule, but takes the row's lock: nobody can claim
    # the cluster before this transaction has ended.
    fresh = utc_seconds() + Cluster.lease_seconds
    old = Cluster.lease_until < utc_seconds() + KEPT * Cluster.lease_seconds
    if not _changed(session, sa.update(Cluster).where(
            Cluster.id == cluster_id, Cluster.epoch == epoch,
            Cluster.owner != '').values(
                lease_until=sa.case((old, fresh), else_=Cluster.lease_until),
                updated_at=Cluster.updated_at)):
        raise LostLease(ident=cluster_id)


def renew(session: orm.Session, owner: str, held: Mapping[str, int],
          seconds: float) -> set[str]:
    """Keep leases for some seconds more.

    Rows that somebody else has locked are passed over, so that one of them
    does not keep the others waiting until all have lapsed.

    :param held: cluster's id -> epoch.
    :returns: ids of the clusters whose leases are renewed.
    """
    renewed: set[str] = set()
    for piece in _pieces(held):
        mine = [ident for ident, epoch, whose in session.execute(_by_id(
            sa.select(Cluster.id, Cluster.epoch, Cluster.owner), piece)
        ).tuples() if whose == owner and epoch == held[ident]]
        if mine:
            _changed(session, sa.update(Cluster).where(
                Cluster.id.in_(mine),
            ).values(lease_until=utc_seconds() + seconds,
                     lease_seconds=seconds, updated_at=Cluster.updated_at))
        renewed |= set(mine)
    return renewed


def pulse(session: orm.Session, owner: str) -> Pulse:
    """How the clusters of an owner stand; locks nothing, waits for nobody."""
    return Pulse(
        session.scalars(sa.select(utc_seconds())).one(),
        {ident: (epoch, generation) for ident, epoch, generation
         in session.execute(sa.select(
             Cluster.id, Cluster.epoch, Cluster.generation).where(
                 Cluster.owner == owner)).tuples()})


def release(session: orm.Session, cluster_id: str, epoch: int,
            look_again: float = 0.0, leave: float = 0.0) -> bool:
    """Give a cluster back; the epoch stays.

    :param look_again: seconds after which a cluster that rests is due to be
        looked after; 0 for never.
    :param leave: seconds after which it is due when a deployment of it is
        not over: the API may have written one while this conductor was
        ending its work, or it could not go on.
    :returns: whether it was still to be given.
    """
    resting: tuple[Any, ...] = ((
        Cluster.status.in_(RESTING),
        utc_seconds() + look_again),) if look_again else ()
    open_one = sa.exists().where(
        Deployment.cluster_id == cluster_id,
        Deployment.status.in_((DeploymentStatus.QUEUED,
                               DeploymentStatus.RUNNING)))
    return bool(_changed(session, sa.update(Cluster).where(
        Cluster.id == cluster_id, Cluster.epoch == epoch,
    ).values(owner='', lease_until=0.0, lease_seconds=0.0,
             due_at=sa.case((open_one, utc_seconds() + leave), *resting,
                            else_=None),
             updated_at=Cluster.updated_at)))


def wake(session: orm.Session) -> bool:
    """Make some clusters due that rest and that nobody will look after.

    Such are left by a release that knew of no looking after.

    :returns: whether there may be more of them.
    """
    idents = session.scalars(sa.select(Cluster.id).where(
        Cluster.deleted == '', Cluster.due_at.is_(None), Cluster.owner == '',
        Cluster.status.in_(RESTING)).limit(_PIECE)).all()
    if idents:
        _changed(session, sa.update(Cluster).where(
            Cluster.id.in_(idents), Cluster.owner == '',
            Cluster.due_at.is_(None),
        ).values(due_at=utc_seconds(), updated_at=Cluster.updated_at))
    return len(idents) == _PIECE


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


def due(session: orm.Session, rest: float, limit: int = 100, *,
        lapsed: bool = True) -> dict[str, float]:
    """Clusters with work to do that nobody works on, the oldest first.

    Those that only rest are not among them: see :func:`reserve`.

    :param rest: seconds that nobody lets a cluster rest for longer.
    :param lapsed: those of another owner, too, whose lease is over.
    :returns: ids, and for how many seconds each has waited: since it is
        due, since its lease was over, or since it was ordered.
    """
    since = sa.case((Cluster.lease_until > Cluster.due_at,
                     Cluster.lease_until), else_=Cluster.due_at)
    found = session.execute(sa.select(
        Cluster.id, since, utc_seconds() - since, Cluster.updated_at).where(
            Cluster.deleted == '', _due(rest), _free(lapsed),
            Cluster.status.not_in(RESTING),
        ).order_by(Cluster.due_at).limit(limit)).tuples()
    # What was just ordered is due since ever, whatever the clock does.
    return {ident: waited if begun else max(0.0, (
        columns.now() - ordered).total_seconds())
        for ident, begun, waited, ordered in found}


def reserve(session: orm.Session, rest: float, limit: int, *,
            lapsed: bool = True) -> list[Resting]:
    """Take some resting clusters that are due, to look at their machines.

    They are due again after the rest, so nobody else takes them meanwhile,
    and nothing has to be given back.

    :param rest: seconds between two looks at a cluster.
    :param lapsed: those of an owner, too, whose lease is over.
    """
    wanted = (Cluster.deleted == '', _due(rest), _free(lapsed),
              Cluster.status.in_(RESTING))
    idents = session.scalars(sa.select(Cluster.id).where(*wanted).order_by(
        Cluster.due_at).limit(limit)).all()
    found = [Resting(*row) for row in session.execute(_by_id(sa.select(
        Cluster.id, Cluster.backend, Cluster.backend_ref, Cluster.status,
        Cluster.status_reason, Cluster.generation, Cluster.desired,
    ).where(*wanted), idents)).tuples()] if idents else []
    if found:
        # Whoever held one has lost it: the epoch is another.
        _changed(session, sa.update(Cluster).where(
            Cluster.id.in_([one.id for one in found]),
        ).values(due_at=utc_seconds() + rest,
                 epoch=sa.case((Cluster.owner != '', Cluster.epoch + 1),
                               else_=Cluster.epoch),
                 owner='', lease_until=0.0, lease_seconds=0.0,
                 updated_at=Cluster.updated_at))
    return found


def look_again(session: orm.Session, cluster_id: str, seconds: float) -> None:
    """A resting cluster that nobody holds is due sooner than it would be."""
    _changed(session, sa.update(Cluster).where(
        Cluster.id == cluster_id, Cluster.owner == '',
        Cluster.due_at > utc_seconds() + seconds,
    ).values(due_at=utc_seconds() + seconds, updated_at=Cluster.updated_at))


def _by_id(select: sa.Select[Any], idents: Collection[str]
           ) -> sa.Select[Any]:
    """Lock rows by their primary key, and pass over those that are locked.

    By another index MariaDB locks what lies between the rows as well, where
    every claim and release wants to write.
    """
    return select.where(Cluster.id.in_(idents)).with_hint(
        Cluster, 'FORCE INDEX (PRIMARY)', 'mysql').with_hint(
        Cluster, 'FORCE INDEX (PRIMARY)', 'mariadb').with_for_update(
        skip_locked=True)


def _pieces(idents: Collection[str]) -> list[list[str]]:
    every = list(idents)
    return [every[start:start + _PIECE]
            for start in range(0, len(every), _PIECE)]
