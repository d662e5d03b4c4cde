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
"""The processes of the service: each has a row, and renews it.

Whether one is up is judged by the database's clock, like leases. A clock can
be set back: whoever was seen further ahead than now counts as down until it
is seen again.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any
from typing import cast

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.clock import utc_seconds
from hpcdirect.db.columns import ID
from hpcdirect.db.columns import NAME
from hpcdirect.db.columns import Base
from hpcdirect.db.columns import new_id

#: A process is up when it was seen within so many of its own intervals.
_MISSED = 3
#: Seconds that it may have been seen ahead of now.
_SLACK = 5.0
#: Seconds for which the row of one that is not seen any more is kept.
_KEPT = 86400.0


class Service(Base):
    """A process, and when it was seen last.

    :param binary: the command that it is.
    :param process: its name for good; see :mod:`hpcdirect.processes`.
    :param interval: seconds between two times that it is seen.
    :param started_at: seconds since 1970 by the database's clock, as is
        ``seen_at``.
    :param state: ``up`` or ``down``, at the moment in which it is read.
    """

    __tablename__ = 'services'

    id: orm.Mapped[str] = orm.mapped_column(ID, primary_key=True)
    binary: orm.Mapped[str] = orm.mapped_column('program', sa.String(64))
    host: orm.Mapped[str] = orm.mapped_column(NAME)
    pid: orm.Mapped[int]
    process: orm.Mapped[str] = orm.mapped_column(NAME)
    version: orm.Mapped[str] = orm.mapped_column(sa.String(64))
    interval: orm.Mapped[float] = orm.mapped_column('seconds', sa.Double)
    started_at: orm.Mapped[float] = orm.mapped_column(sa.Double)
    seen_at: orm.Mapped[float] = orm.mapped_column(sa.Double)
    state: orm.Mapped[str] = orm.column_property(sa.case((sa.and_(
        seen_at >= utc_seconds() - _MISSED * interval,
        seen_at <= utc_seconds() + _SLACK), 'up'), else_='down'))


@dataclasses.dataclass(frozen=True)
class Process:
    """A process as it tells of itself; the words are those of the row."""

    binary: str
    host: str
    pid: int
    process: str
    version: str
    interval: float
    id: str = dataclasses.field(default_factory=new_id)


def renew(session: orm.Session, process: Process) -> bool:
    """A process is seen.

    :returns: False when it has no row.
    """
    return bool(_changed(session, sa.update(Service).where(
        Service.id == process.id).values(seen_at=utc_seconds())))


def register(session: orm.Session, process: Process, age: float,
             dead: Callable[[str], bool]) -> None:
    """Make a process's row; those that it comes after go.

    :param age: seconds since it began.
    :param dead: whether the process of a name has certainly ended.
    """
    session.execute(sa.insert(Service).values(
        **dataclasses.asdict(process), seen_at=utc_seconds(),
        started_at=utc_seconds() - age))
    there = session.execute(sa.select(Service.id, Service.process).where(
        Service.host == process.host)).tuples().all()
    for ident in [ident for ident, name in there if dead(name)]:
        leave(session, ident)


def leave(session: orm.Session, ident: str) -> None:
    """A process ends well, or is known to have ended."""
    _changed(session, sa.delete(Service).where(Service.id == ident))


def forgotten() -> sa.ColumnElement[bool]:
    """Which rows are of processes that nobody has seen for a day."""
    return sa.or_(Service.seen_at < utc_seconds() - _KEPT,
                  Service.seen_at > utc_seconds() + _KEPT)


def listing(session: orm.Session, page: paging.Page) -> paging.Listing:
    """One page of processes."""
    return paging.fetch(session, Service, page, paging.Scope())


def _changed(session: orm.Session, statement: sa.Update | sa.Delete) -> int:
    result = session.execute(statement.execution_options(
        synchronize_session=False))
    return cast('sa.CursorResult[Any]', result).rowcount
