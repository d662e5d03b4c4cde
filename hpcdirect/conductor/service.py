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

"""The conductor: finds clusters with work to do and converges them.

Work is found in the database; an RPC nudge only makes it sooner. What is done
with a cluster in its turn: see :mod:`hpcdirect.conductor.reconciler`.
"""

from __future__ import annotations

from collections.abc import Callable
import logging
import threading
import time
from typing import Any

from oslo_db import exception as db_exc

from hpcdirect import metrics
from hpcdirect import processes
from hpcdirect.conductor import deployer
from hpcdirect.conductor import endings
from hpcdirect.conductor import watch
from hpcdirect.conductor.holds import Holds
from hpcdirect.conductor.reconciler import Parts
from hpcdirect.conductor.reconciler import Reconciler
from hpcdirect.conductor.turns import Turns
from hpcdirect.db import leases

LOG = logging.getLogger(__name__)

#: Seconds that the end of batches is waited for when the conductor stops.
_GRACE = 20.0
#: Clusters whose machines are looked at in one go.
_WATCHED = 50


class Conductor:
    """One conductor; start() and stop() it from the process that runs it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._conf = parts.conf.conductor
        self._turns = Turns()
        self._holds = Holds(parts.database, processes.name(),
                            self._conf.lease_seconds)
        clock = parts.clock or self._holds.now
        self._reconciler = Reconciler(parts, self._holds, clock, self.advance)
        self._watch = watch.Watch(
            parts.database, parts.backends, self._reconciler.rest,
            bool(self._conf.watch_interval), clock)
        self._cluster_ends = endings.ClusterEnds(
            parts.database, parts.keys, self._conf.expiry_warnings, clock)
        self._retention = endings.Retention(
            parts.database, self._conf.keep_deleted, self._conf.keep_asked,
            clock)
        self._stopping = threading.Event()
        # Leases are kept until the last of them has been given back.
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    # -- the process ------------------------------------------------------

    def start(self) -> None:
        """Begin; call it in the process that is to do the work."""
        with self._parts.database.write() as session:
            leases.reclaim(session, processes.is_dead)
        scan = float(self._conf.scan_interval)
        for chore, rest in (
                (self._find, scan), (self._pulse, min(scan, 1.0)),
                (self._cluster_ends.look, scan), (self._retention.look, scan),
                (self._wake, self._reconciler.rest),
                *[(self._look_around, scan)] * self._conf.watchers):
            self._thread(self._forever, chore, rest, self._stopping)
        for _ in range(self._conf.workers):
            self._thread(self._work)
        threading.Thread(
            target=self._forever, daemon=True, name='renew', args=(
                self._holds.renew, float(self._conf.lease_seconds) / 3,
                self._over)).start()

    def _thread(self, target: Callable[..., None], *args: Any) -> None:
        name = getattr((args or (target,))[0], '__name__', 'chore')
        thread = threading.Thread(target=target, args=args, daemon=True,
                                  name=name.strip('_'))
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Stop: what runs on nodes is ended, and leases are given back.

        Another conductor goes on at its next look for work. What was ended
        did not fail: it is done again.
        """
        self._stopping.set()
        self._turns.close()
        self._end_works()
        end = time.monotonic() + _GRACE
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        # A turn that was under way may have begun something.
        for one in self._end_works():
            one.join(max(0.0, end - time.monotonic()))
        for cluster_id in self._holds.all():
            self._reconciler.release(cluster_id)
        self._over.set()
        for runner in self._parts.runners.values():
            runner.close()

    def _end_works(self) -> list[deployer.Deployer]:
        """Let all that runs end soon; whose it is."""
        found = [held.deployer for held in self._holds.all().values()
                 if held.deployer]
        for one in found:
            one.end()
        return found

    def advance(self, cluster_id: str) -> None:
        """There may be work for this cluster; never waits."""
        self._reconciler.asked_for(cluster_id)
        self._turns.wake(cluster_id, asked=True)

    @staticmethod
    def _forever(chore: Callable[[], Any], rest: float,
                 over: threading.Event) -> None:
        """Do a chore again and again; one that fails keeps no other back.

        :param rest: seconds until the next time; none when the chore says
            that there is more to do.
        """
        while not over.is_set():
            more = False
            try:
                more = chore() is True
            except db_exc.DBError as exc:
                LOG.warning('The database: %s', exc)
            except Exception:
                LOG.exception('%s failed; trying again.', chore)
            if not more:
                over.wait(rest)

    # -- finding work -----------------------------------------------------

    def _find(self) -> None:
        """Give a turn to each cluster that is due and that nobody holds."""
        with self._parts.database.read() as session:
            found = leases.due(session, self._reconciler.rest,
                               lapsed=self._holds.lapsed)
        metrics.QUEUE_AGE.set(max([0.0, *found.values()]))
        for cluster_id in found:
            self._turns.wake(cluster_id)

    def _pulse(self) -> None:
        """Give a turn to each that was lost, or wanted otherwise since."""
        for cluster_id in self._holds.pulse():
            self._turns.wake(cluster_id, asked=True)

    def _look_around(self) -> bool:
        """Look at resting clusters; give a turn to those that need one.

        :returns: whether more of them are due.
        """
        moved, more = self._watch.look(_WATCHED, lapsed=self._holds.lapsed)
        for cluster_id in moved:
            self._turns.wake(cluster_id)
        return more

    def _wake(self) -> bool:
        """Find resting clusters that an older release did not look after."""
        with self._parts.database.write() as session:
            return leases.wake(session)

    # -- workers ----------------------------------------------------------

    def _work(self) -> None:
        """A worker: one turn after another."""
        while taken := self._turns.take():
            cluster_id, asked = taken
            rest: float | None = None
            try:
                rest = self._reconciler.turn(cluster_id, asked)
            except Exception:
                LOG.exception('Cluster %s: its turn failed.', cluster_id)
            finally:
                self._turns.done(cluster_id, rest)
