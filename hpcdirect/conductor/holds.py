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

"""The clusters that one conductor holds, and until when it surely does.

Whether a lease is over is judged twice: others judge by the database's clock,
its owner by a clock of its own that nobody can set. The owner counts from
before it asked, so it stops before anybody else begins.

Clocks are set: by hand, by NTP, by a host that moves. What ends at some time
must not end an hour early because of that; so the clock by which things end
may be late, and is never early.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import datetime
import logging
import threading
import time
from typing import TYPE_CHECKING
from typing import Any

from oslo_db import api as db_api
from oslo_db import exception as db_exc

from hpcdirect import metrics
from hpcdirect.db import leases
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.session import Database

#: How fast a clock that was set ahead is followed: so many seconds in one.
_PACE = 2.0


class SteadyClock:
    """Tells the earliest of some clocks, and never jumps ahead.

    A step ahead is followed at twice the pace, so an hour takes an hour; a
    step back is followed at once.

    :param clocks: each tells seconds since 1970, or None while it cannot.
    """

    def __init__(self, *clocks: Callable[[], float | None]) -> None:
        self._clocks = clocks
        self._lock = threading.Lock()
        self._last = float('inf')
        self._at = time.monotonic()

    def __call__(self) -> float:
        """Seconds since 1970."""
        told = min(clock for clock in (one() for one in self._clocks)
                   if clock is not None)
        with self._lock:
            now = time.monotonic()
            self._last = min(told, self._last + _PACE * (now - self._at))
            self._at = now
            return self._last


if TYPE_CHECKING:
    from hpcdirect.conductor.deployer import Deployer

LOG = logging.getLogger(__name__)

#: Transactions may meet in a deadlock; one of them is to begin again.
_RETRIED = db_api.wrap_db_retry(
    max_retries=5, retry_interval=0.05, inc_retry_interval=True,
    max_retry_interval=1, retry_on_deadlock=True)
#: Seconds that the database's clock may go wrong by between two looks.
_STEADY = 1.0


@dataclasses.dataclass(slots=True)
class Held:
    """A cluster this conductor holds.

    :param until: the lease is ours until then, by the monotonic clock.
    :param seconds: how long a lease lasts.
    :param generation: the newest one that is wanted, as far as is known.
    :param left: nothing more is to be begun; whatever runs is to end.
    :param parting: it is given up as soon as nothing runs; what its
        deployment fails with then, None for nothing, and why it is left to
        others.
    """

    epoch: int
    until: float
    seconds: float
    generation: int = 0
    left: bool = False
    ledger: Ledger | None = None
    deployer: Deployer | None = None
    deployment_id: str = ''
    parting: tuple[dict[str, Any] | None, str] | None = None

    @property
    def lost(self) -> bool:
        """Whether everything that is done for the cluster must stop."""
        return self.left or time.monotonic() >= self.until

    def kept(self, moment: float) -> None:
        """Something was written that began at a moment: the lease is ours."""
        self.until = max(self.until, moment + leases.KEPT * self.seconds)

    @property
    def at_work(self) -> bool:
        """Whether a batch is under way on its nodes."""
        return self.deployer is not None and self.deployer.at_work


class Holds:
    """Takes leases, keeps them, sees that they are lost, gives them back.

    :param owner: this process's name; see :mod:`hpcdirect.processes`.
    :param seconds: how long a lease lasts.
    """

    def __init__(self, database: Database, owner: str, seconds: float
                 ) -> None:
        self._database = database
        self._owner = owner
        self._seconds = seconds
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        # The database's time less our own monotonic one.
        self._offset: float | None = None
        self._clock = SteadyClock(time.time, self._databases_time)
        # Until then no lease counts as over just because its time is. Whoever
        # lives renews three times in a lease, so a third is enough to begin
        # with: the clock may have been set just before we came.
        self._wary_until = time.monotonic() + seconds / 3

    def get(self, cluster_id: str) -> Held | None:
        """The entry of a cluster, None when it is not held."""
        return self._held.get(cluster_id)

    def all(self) -> dict[str, Held]:
        """Every cluster that is held, by id."""
        with self._lock:
            return dict(self._held)

    @property
    def lapsed(self) -> bool:
        """Whether leases whose time is over can be taken from their owners.

        Not for the length of a lease after the database's clock was set:
        every lease seems to be over then, and those who live renew theirs.
        """
        return time.monotonic() >= self._wary_until

    def now(self) -> datetime.datetime:
        """The time, UTC without saying so; see :class:`SteadyClock`."""
        return datetime.datetime.fromtimestamp(
            self._clock(), datetime.UTC).replace(tzinfo=None)

    def claim(self, cluster_id: str, rest: float) -> Held | None:
        """Take a cluster for which something is to be done.

        :param rest: seconds that nobody lets a cluster rest for longer.
        :returns: None when another has it or there is nothing to do.
        :raises DBError: the database cannot be asked.
        """
        until = time.monotonic() + self._seconds
        epoch = self._claimed(cluster_id, rest)
        if epoch is None:
            return None
        held = Held(epoch, until, self._seconds)
        with self._lock:
            self._held[cluster_id] = held
            metrics.HELD.set(len(self._held))
        return held

    @_RETRIED
    def _claimed(self, cluster_id: str, rest: float) -> int | None:
        with self._database.write() as session:
            return leases.claim(session, cluster_id, self._owner,
                                self._seconds, leases.Terms(self.lapsed, rest))

    def renew(self) -> None:
        """Keep every lease for its full time more.

        What is passed over, since somebody writes there, is tried once more:
        on a slow database the next round may come too late for it.
        """
        passed = self._renewed(self.all())
        if passed:
            self._renewed(passed)

    @_RETRIED
    def _renewed(self, held: Mapping[str, Held]) -> dict[str, Held]:
        """Renew some leases.

        :returns: those that somebody else has locked, or has taken since.
        """
        until = time.monotonic() + self._seconds
        epochs = {ident: one.epoch for ident, one in held.items()
                  if not one.left}
        if not epochs:
            return {}
        with self._database.write() as session:
            renewed = leases.renew(session, self._owner, epochs,
                                   self._seconds)
        for ident in renewed:
            held[ident].until = max(held[ident].until, until)
        return {ident: held[ident] for ident in epochs.keys() - renewed}

    def pulse(self) -> list[str]:
        """Look at all that is held at once.

        :returns: ids of clusters that were lost or of which something newer
            is wanted.
        """
        before = time.monotonic()
        known = self.all()
        with self._database.read() as session:
            seen = leases.pulse(session, self._owner)
        self._compare_clocks(seen.at, before)
        moved = []
        for ident, held in known.items():
            if self._held.get(ident) is not held:
                # Given back since; what was read of it is of the past.
                continue
            epoch, generation = seen.held.get(ident, (0, 0))
            if epoch != held.epoch:
                held.left = True
            if held.lost or generation > held.generation:
                held.generation = max(held.generation, generation)
                moved.append(ident)
        return moved

    def release(self, cluster_id: str, look_again: float = 0.0,
                leave: float = 0.0) -> None:
        """Give a cluster back, if it is still ours.

        :param look_again: see :func:`hpcdirect.db.leases.release`.
        :param leave: likewise.
        """
        held = self._held.get(cluster_id)
        if held is None:
            return
        lost, held.left = held.lost, True
        try:
            ours = self._released(cluster_id, held.epoch, look_again, leave)
            lost = lost or not ours
        except db_exc.DBError as exc:
            LOG.warning('Cluster %s is not given back, its lease will lapse: '
                        '%s', cluster_id, exc)
        finally:
            with self._lock:
                self._held.pop(cluster_id, None)
                metrics.HELD.set(len(self._held))
            metrics.LEASES_LOST.inc(lost)

    def _databases_time(self) -> float | None:
        return None if self._offset is None \
            else self._offset + time.monotonic()

    @_RETRIED
    def _released(self, cluster_id: str, epoch: int, look_again: float,
                  leave: float) -> bool:
        with self._database.write() as session:
            return leases.release(session, cluster_id, epoch, look_again,
                                  leave)

    def _compare_clocks(self, at: float, before: float) -> None:
        """Become wary when the database's clock was set."""
        after = time.monotonic()
        offset = at - (before + after) / 2
        if self._offset is not None:
            step = offset - self._offset
            if abs(step) > _STEADY + (after - before):
                LOG.warning('The database\'s clock was set by %+.1f s; '
                            'leases that seem to be over are left alone for '
                            '%.0f s.', step, self._seconds)
                self._wary_until = after + self._seconds
        self._offset = offset
