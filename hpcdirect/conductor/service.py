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

Work is found in the database; an RPC nudge only makes it sooner. A cluster
is held by a lease that one thread renews for all of them. A cluster that
only waits for machines holds no thread.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import contextlib
import dataclasses
import heapq
import itertools
import logging
import os
import pathlib
import threading
import time

import futurist
from oslo_config import cfg
from oslo_db import exception as db_exc

from hpcdirect.backends.base import Backend
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.conductor import deployer
from hpcdirect.conductor import expiry
from hpcdirect.conductor import lifetime
from hpcdirect.conductor import permission
from hpcdirect.conductor import retention
from hpcdirect.conductor import watch
from hpcdirect.conductor.vault import Vault
from hpcdirect.context import RequestContext
from hpcdirect.db import leases
from hpcdirect.db import models
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.session import Database
from hpcdirect.exception import HPCDirectError
from hpcdirect.exception import LostLease
from hpcdirect.exception import NotForUs
from hpcdirect.exception import Refused
from hpcdirect.exception import Unavailable
from hpcdirect.keys import KeyRing
from hpcdirect.planning.composition import ElementOf
from hpcdirect.policies import Enforcer
from hpcdirect.runners.base import ElementRunner
from hpcdirect.states import Operation

LOG = logging.getLogger(__name__)

#: Seconds until a cluster is looked at again that was left to others.
_ASIDE = 30.0
_CANCELLED = ('Cancelled. A retry goes on from here; what went well is not '
              'done again.')


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a conductor is built from; handed in by ``cmd``."""

    conf: cfg.ConfigOpts
    database: Database
    keys: KeyRing
    policy: Enforcer
    load: Callable[[str], Blueprint]
    element_of: ElementOf
    backends: Mapping[str, Backend]
    runners: Mapping[str, ElementRunner]
    clock: lifetime.Clock = models.now


@dataclasses.dataclass
class _Held:
    """A cluster this conductor holds."""

    epoch: int
    lost: bool = False
    deployment_id: str = ''
    deployer: deployer.Deployer | None = None


class Conductor:
    """One conductor; start() and stop() it from the process that runs it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._conf = parts.conf.conductor
        self._owner = process_name()
        self._lifetime = lifetime.Lifetime(
            parts.database, parts.keys, self._conf.expiry_warnings,
            parts.clock)
        self._expiry = expiry.Expiry(parts.database, parts.keys, parts.policy)
        self._retention = retention.Retention(
            parts.database, self._conf.keep_deleted, self._conf.keep_asked,
            parts.clock)
        self._held: dict[str, _Held] = {}
        # Clusters a thread is at work on just now.
        self._busy: set[str] = set()
        # Clusters left to others -> when to look again all the same.
        self._aside: dict[str, float] = {}
        self._lock = threading.Lock()
        self._timers: list[tuple[float, int, str]] = []
        self._count = itertools.count()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._pool: futurist.ThreadPoolExecutor | None = None
        self._threads: list[threading.Thread] = []

    # -- the process ------------------------------------------------------

    def start(self) -> None:
        """Begin; call it in the process that is to do the work."""
        self._pool = futurist.ThreadPoolExecutor(
            max_workers=self._conf.workers)
        with self._parts.database.write() as session:
            leases.reclaim(session, _dead_owner)
            if self._conf.watch_interval:
                leases.wake(session)
        for target in (self._scan, self._renew):
            thread = threading.Thread(target=self._forever, args=(target,),
                                      name=target.__name__, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop: batches end between tasks, leases are given back."""
        self._stopping.set()
        self._wake.set()
        for held in list(self._held.values()):
            held.lost = True
            if held.deployer:
                held.deployer.nudge()
        for thread in self._threads:
            thread.join()
        if self._pool:
            self._pool.shutdown(wait=True)
        for cluster_id in list(self._held):
            self._release(cluster_id)
        for runner in self._parts.runners.values():
            runner.close()

    def advance(self, cluster_id: str) -> None:
        """There may be work for this cluster (RPC endpoint; never waits)."""
        with self._lock:
            self._aside.pop(cluster_id, None)
        held = self._held.get(cluster_id)
        if held and held.deployer:
            held.deployer.nudge()
        self._submit(cluster_id)

    def _forever(self, work: Callable[[], float]) -> None:
        """Do *work* again and again; it says how many seconds to rest."""
        while not self._stopping.is_set():
            try:
                rest = work()
            except Exception:
                LOG.exception('%s failed; trying again.', work.__name__)
                rest = 1.0
            if work == self._scan:
                self._wake.wait(rest)
                self._wake.clear()
            else:
                self._stopping.wait(rest)

    def _scan(self) -> float:
        """Submit what is due, by the database and by our own timers."""
        self._lifetime.look()
        self._retention.look()
        with self._parts.database.read() as session:
            due = leases.due(session)
        now = time.monotonic()
        with self._lock:
            while self._timers and self._timers[0][0] <= now:
                due.append(heapq.heappop(self._timers)[2])
            soon = self._timers[0][0] - now if self._timers else None
        for cluster_id in due:
            self._submit(cluster_id)
        interval = float(self._conf.scan_interval)
        return interval if soon is None else min(interval, soon)

    def _renew(self) -> float:
        """Keep the leases of everything held; say which were lost."""
        held = {cluster: entry.epoch for cluster, entry in
                list(self._held.items())}
        if held:
            with self._parts.database.write() as session:
                lost = leases.renew(session, held.items(),
                                    self._conf.lease_seconds)
            for cluster_id in lost:
                entry = self._held.get(cluster_id)
                if entry and entry.epoch == held[cluster_id]:
                    entry.lost = True
        return float(self._conf.lease_seconds) / 3

    # -- one cluster ------------------------------------------------------

    def _submit(self, cluster_id: str) -> None:
        if self._pool and not self._stopping.is_set():
            self._pool.submit(self._work_on, cluster_id)

    def _work_on(self, cluster_id: str) -> None:
        """Claim a cluster, or go on with one that is held, and converge."""
        # A thread of the pool has worked for other people before.
        RequestContext(resource_uuid=cluster_id, overwrite=True)
        held = self._claim(cluster_id)
        if held is None:
            return
        rest: float | None = None
        try:
            rest = self._converge(cluster_id, held)
        except LostLease:
            LOG.info('Cluster %s: something newer is wanted, or another '
                     'conductor has it.', cluster_id)
        except Refused as exc:
            with contextlib.suppress(LostLease, db_exc.DBError):
                self._refuse(cluster_id, held, str(exc))
        except (NotForUs, Unavailable) as exc:
            with contextlib.suppress(LostLease, db_exc.DBError):
                self._leave(cluster_id, held, str(exc))
        except db_exc.DBError as exc:
            # As after a death of ours: whoever claims it next goes on.
            LOG.warning('Cluster %s is left: %s', cluster_id, exc)
        except Exception:
            LOG.exception('Cluster %s: this is a bug.', cluster_id)
            self._fail(cluster_id, held)
        finally:
            if rest is not None and not held.lost:
                with self._lock:
                    heapq.heappush(self._timers, (
                        time.monotonic() + rest, next(self._count),
                        cluster_id))
                self._busy_end(cluster_id)
                self._wake.set()
            else:
                self._release(cluster_id)

    def _claim(self, cluster_id: str) -> _Held | None:
        """The entry of a cluster to work on now; None when it is not ours."""
        with self._lock:
            if cluster_id in self._busy \
                    or self._aside.get(cluster_id, 0.0) > time.monotonic():
                return None
            self._aside.pop(cluster_id, None)
            self._busy.add(cluster_id)
            held = self._held.get(cluster_id)
        if held is not None:
            return held
        try:
            with self._parts.database.write() as session:
                epoch = leases.claim(session, cluster_id, self._owner,
                                     self._conf.lease_seconds)
        except db_exc.DBError as exc:
            LOG.warning('Cluster %s cannot be claimed: %s', cluster_id, exc)
            epoch = None
        if epoch is None:
            self._busy_end(cluster_id)
            return None
        held = self._held[cluster_id] = _Held(epoch)
        return held

    def _converge(self, cluster_id: str, held: _Held) -> float | None:
        """One turn; the rest before the next one, None when it is over."""
        ledger = Ledger(self._parts.database, cluster_id, held.epoch)
        recorded = ledger.snapshot()
        deployment = recorded.deployment
        if deployment is None:
            if self._expiry.carry_out(recorded, self._parts.clock()):
                return 0.0
            if self._conf.watch_interval:
                watch.look_after(ledger, self._backend(
                    recorded.cluster.backend), recorded)
            return None
        if held.deployer is None or held.deployment_id != deployment.id:
            deployer.interrupt(ledger, recorded, self._parts.runners
                               .__getitem__)
            permit = permission.Permit(self._parts.keys, self._parts.policy)
            permit.check(recorded)
            if deployment.operation == Operation.CANCEL:
                ledger.cancelled(deployment.id, _CANCELLED)
                return None
            held.deployment_id = deployment.id
            held.deployer = self._deployer(ledger, held, self._backend(
                recorded.cluster.backend), permit)
        context = RequestContext(
            request_id=deployment.request_id or None,
            project_id=deployment.project_id, user_id=deployment.user_id,
            resource_uuid=cluster_id, overwrite=True)
        LOG.debug('Cluster %s: epoch %d, request %s', cluster_id, held.epoch,
                  context.request_id)
        return held.deployer.advance(deployment.id)

    def _backend(self, name: str) -> Backend:
        """The backend of a name.

        :raises NotForUs: it is not one of this conductor's.
        """
        if name not in self._parts.backends:
            raise NotForUs(reason=f'backend "{name}" is not among its '
                           'enabled_backends')
        return self._parts.backends[name]

    def _deployer(self, ledger: Ledger, held: _Held, backend: Backend,
                  permit: permission.Permit) -> deployer.Deployer:
        return deployer.Deployer(
            ledger, backend,
            self._parts.runners.__getitem__, self._parts.load,
            self._parts.element_of, Vault(self._parts.keys, ledger.cluster_id),
            permit, deployer.Limits(self._conf.provision_timeout,
                            self._conf.gather_seconds),
            lambda: held.lost)

    def _refuse(self, cluster_id: str, held: _Held, why: str) -> None:
        """What is wanted is not what was signed: it is not carried out."""
        ledger = Ledger(self._parts.database, cluster_id, held.epoch)
        deployment = ledger.snapshot().deployment
        LOG.error('Cluster %s: %s', cluster_id, why)
        if deployment is not None:
            ledger.finish(deployment.id, reason=why, failures=[
                {'code': 'refused', 'step': '', 'element': '',
                 'node': '', 'task': '', 'message': why,
                 'hint': 'Ask again through the API.', 'run_id': None}])

    def _leave(self, cluster_id: str, held: _Held, why: str) -> None:
        """Another conductor may be able to; this one looks later."""
        with self._lock:
            self._aside[cluster_id] = time.monotonic() + _ASIDE
        if Ledger(self._parts.database, cluster_id, held.epoch).left(why):
            LOG.warning('Cluster %s: %s', cluster_id, why)

    def _fail(self, cluster_id: str, held: _Held) -> None:
        """A bug must not leave a cluster busy for ever."""
        ledger = Ledger(self._parts.database, cluster_id, held.epoch)
        try:
            deployment = ledger.snapshot().deployment
            if deployment is not None:
                reason = ('hpcdirect itself failed; the conductor\'s log has '
                          'the details. Retry, or delete the cluster.')
                ledger.finish(deployment.id, reason=reason, failures=[
                    {'code': 'internal', 'step': '', 'element': '',
                     'node': '', 'task': '', 'message': reason, 'hint': '',
                     'run_id': None}])
        except HPCDirectError:
            LOG.exception('Cluster %s could not be marked.', cluster_id)

    def _release(self, cluster_id: str) -> None:
        held = self._held.pop(cluster_id, None)
        try:
            if held is not None:
                with contextlib.suppress(db_exc.DBError):
                    rest = self._rest(cluster_id)
                    with self._parts.database.write() as session:
                        leases.release(session, cluster_id, held.epoch, rest)
        finally:
            self._busy_end(cluster_id)

    def _rest(self, cluster_id: str) -> float:
        """Seconds after which to look at it again; 0 for never."""
        rests = (float(self._conf.watch_interval),
                 self._expiry.rest(cluster_id, self._parts.clock()))
        return min(filter(None, rests), default=0.0)

    def _busy_end(self, cluster_id: str) -> None:
        with self._lock:
            self._busy.discard(cluster_id)


def process_name() -> str:
    """``host:pid:start``: who holds a lease, and whether it still lives."""
    return f'{os.uname().nodename}:{os.getpid()}:{_started(os.getpid())}'


def _started(pid: int) -> str:
    """A process's start time in clock ticks since boot, '' when gone."""
    try:
        stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return ''
    fields = stat.rpartition(')')[2].split()
    return '' if fields[0] == 'Z' else fields[19]


def _dead_owner(owner: str) -> bool:
    """Whether a lease's owner was on this machine and is no more."""
    host, _, rest = owner.rpartition(':')[0].rpartition(':')
    pid, start = rest, owner.rpartition(':')[2]
    return (host == os.uname().nodename and pid.isdigit()
            and _started(int(pid)) != start)
