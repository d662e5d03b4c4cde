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

"""One cluster at a time: claimed, converged, let go.

A cluster is held by a lease, and worked on in turns that never wait: one that
waits for machines, or whose nodes are being configured, holds no worker.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import contextlib
import dataclasses
import logging
import time
from typing import Any
from typing import TypeVar

from oslo_config import cfg
from oslo_db import exception as db_exc

from hpcdirect import signing
from hpcdirect.backends.base import Backend
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.conductor import deployer
from hpcdirect.conductor import endings
from hpcdirect.conductor import failures
from hpcdirect.conductor import permission
from hpcdirect.conductor import situation
from hpcdirect.conductor import watch
from hpcdirect.conductor import works
from hpcdirect.conductor.holds import Held
from hpcdirect.conductor.holds import Holds
from hpcdirect.conductor.vault import Vault
from hpcdirect.context import RequestContext
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.session import Database
from hpcdirect.exception import HPCDirectError
from hpcdirect.exception import LostLease
from hpcdirect.exception import NotAsOrdered
from hpcdirect.exception import NotForUs
from hpcdirect.exception import PluginError
from hpcdirect.exception import Refused
from hpcdirect.exception import Unavailable
from hpcdirect.keys import KeyRing
from hpcdirect.planning.elements import ElementOf
from hpcdirect.planning.state import Pins
from hpcdirect.policies import Enforcer
from hpcdirect.runners.base import ElementRunner
from hpcdirect.states import FailureCode
from hpcdirect.states import Operation

LOG = logging.getLogger(__name__)

Plugin = TypeVar('Plugin')

_CANCELLED = ('Cancelled. A retry goes on from here; what went well is not '
              'done again.')
#: Seconds until a cluster is looked at again that was left to others.
_ASIDE = 30.0
#: Seconds until a cluster is tried again that could not be gone on with;
#: twice as long each time, up to the second figure.
_LEFT, _LEFT_LONGEST = 1.0, 60.0
_BUG = failures.of_ours(
    FailureCode.INTERNAL, 'hpcdirect itself failed; the conductor\'s log has '
    'the details. Retry, or delete the cluster.')


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a conductor is built from; handed in by ``cmd``.

    :param clock: the time, UTC without saying so; None for the careful one,
        the earlier of this machine's and the database's.
    """

    conf: cfg.ConfigOpts
    database: Database
    keys: KeyRing
    policy: Enforcer
    load: Callable[[str], Blueprint]
    element_of: ElementOf
    backends: Mapping[str, Backend]
    runners: Mapping[str, ElementRunner]
    clock: endings.Clock | None = None


class Reconciler:
    """Claims a cluster, converges it turn by turn, and lets it go.

    :param clock: the time, UTC without saying so.
    :param wake: asks for a turn of a cluster; never waits.
    """

    def __init__(self, parts: Parts, holds: Holds, clock: endings.Clock,
                 wake: Callable[[str], None]) -> None:
        self._parts = parts
        self._conf = parts.conf.conductor
        self._holds = holds
        self._clock = clock
        self._wake = wake
        self._account_ends = endings.AccountEnds(
            parts.database, parts.keys, parts.policy,
            Pins(parts.load, parts.element_of))
        # Clusters left to others -> when to look again all the same.
        self._aside: dict[str, float] = {}
        # Cluster -> since when it waits for one with another catalogue.
        self._unknown: dict[str, float] = {}
        # Cluster -> how often in a row it could not be gone on with.
        self._troubled: dict[str, int] = {}

    @property
    def rest(self) -> float:
        """Seconds that a cluster rests at most between two looks at it."""
        return float(self._conf.watch_interval) or watch.ACCOUNTS

    def asked_for(self, cluster_id: str) -> None:
        """Somebody wants something of a cluster that was left to others."""
        self._aside.pop(cluster_id, None)

    def turn(self, cluster_id: str, asked: bool) -> float | None:
        """Claim a cluster, or go on with one that is held.

        :param asked: somebody waits for it, so something may be new.
        :returns: seconds until its next turn; None when it is not held any
            more.
        """
        # A worker has worked for other people before.
        RequestContext(resource_uuid=cluster_id, overwrite=True)
        held = self._holds.get(cluster_id) or self._claim(cluster_id)
        if held is None:
            return None
        if held.ledger is None:
            held.ledger = Ledger(self._parts.database, cluster_id, held.epoch,
                                 held.kept)
        ledger = held.ledger
        if held.lost:
            return self._let_go(ledger, held)
        if held.parting:
            return self._let_go(ledger, held, *held.parting)
        if held.deployer and not asked:
            rest = held.deployer.glance()
            if rest is not None:
                return rest
        return self._go_on(ledger, held)

    def _go_on(self, ledger: Ledger, held: Held) -> float | None:
        """Converge a cluster, or give it up for what stands in the way."""
        cluster_id = ledger.cluster_id
        try:
            rest = self._converge(ledger, held)
        except LostLease:
            LOG.info('Cluster %s: another conductor has it.', cluster_id)
            return self._let_go(ledger, held)
        except Refused as exc:
            LOG.error('Cluster %s: %s', cluster_id, exc)
            return self._let_go(ledger, held, failures.of_ours(
                FailureCode(exc.code), str(exc), exc.hint))
        except NotAsOrdered as exc:
            return self._let_go(ledger, held, self._too_late(cluster_id, exc),
                                str(exc))
        except (NotForUs, Unavailable, PluginError) as exc:
            # The last when what an earlier owner left cannot be ended.
            return self._let_go(ledger, held, aside=str(exc))
        except db_exc.DBError as exc:
            if not isinstance(exc, db_exc.DBDataError):
                # As after a death of ours: whoever claims it next goes on.
                LOG.warning('Cluster %s is left: %s', cluster_id, exc)
                self._trouble(cluster_id)
                return self._let_go(ledger, held)
            LOG.exception('Cluster %s: this is a bug.', cluster_id)
            return self._let_go(ledger, held, _BUG)
        except Exception:
            LOG.exception('Cluster %s: this is a bug.', cluster_id)
            return self._let_go(ledger, held, _BUG)
        self._troubled.pop(cluster_id, None)
        self._unknown.pop(cluster_id, None)
        if rest is None:
            self.release(cluster_id)
        return rest

    def _claim(self, cluster_id: str) -> Held | None:
        """Take a cluster that is due, unless it was left to others."""
        if self._aside.get(cluster_id, 0.0) > time.monotonic():
            return None
        self._aside.pop(cluster_id, None)
        try:
            return self._holds.claim(cluster_id, self.rest)
        except db_exc.DBError as exc:
            LOG.warning('Cluster %s cannot be claimed: %s', cluster_id, exc)
            return None

    def _converge(self, ledger: Ledger, held: Held) -> float | None:
        """One turn; the rest before the next one, None when it is over."""
        # Who is at work before the look: what they do meanwhile is not in it,
        # and must be neither done again nor taken for left undone.
        busy = held.deployer.busy if held.deployer else frozenset()
        recorded = ledger.snapshot()
        held.generation = max(held.generation, recorded.cluster.generation)
        deployment = recorded.deployment
        if held.deployer and (deployment is None
                              or held.deployment_id != deployment.id):
            if busy:
                # It comes again when that has ended.
                held.deployer.end()
                return self.rest
            held.deployer = None
        if deployment is None:
            if self._account_ends.carry_out(recorded, self._clock()):
                return 0.0
            if self._conf.watch_interval:
                watch.look_after(ledger, self._backend(
                    recorded.cluster.backend), recorded)
            return None
        if held.deployer is None:
            held.deployment_id = deployment.id
            works.interrupt(
                ledger, recorded, self._runner,
                signing.Notes(self._parts.keys, ledger.cluster_id))
            permit = permission.Permit(self._parts.keys, self._parts.policy)
            permit.check(recorded)
            if deployment.operation == Operation.CANCEL:
                ledger.deployments.cancelled(deployment.id, _CANCELLED)
                return None
            held.deployer = self._deployer(ledger, held, self._backend(
                recorded.cluster.backend), permit)
        context = RequestContext(
            request_id=deployment.request_id or None,
            project_id=deployment.project_id, user_id=deployment.user_id,
            resource_uuid=ledger.cluster_id, overwrite=True)
        LOG.debug('Cluster %s: epoch %d, request %s', ledger.cluster_id,
                  held.epoch, context.request_id)
        return held.deployer.advance(recorded, busy)

    def _backend(self, name: str) -> Backend:
        """The backend of a name, or NotForUs."""
        return _enabled('backend', self._parts.backends, name)

    def _runner(self, name: str) -> ElementRunner:
        """The runner of a name, or NotForUs."""
        return _enabled('runner', self._parts.runners, name)

    def _deployer(self, ledger: Ledger, held: Held, backend: Backend,
                  permit: permission.Permit) -> deployer.Deployer:
        tools = situation.Tools(
            backend, self._runner, self._parts.load, self._parts.element_of,
            Vault(self._parts.keys, ledger.cluster_id), permit,
            situation.Limits(self._conf.provision_timeout,
                            self._conf.gather_seconds,
                            self._conf.order_lifetime), self._holds.now)
        return deployer.Deployer(ledger, tools, held, self._wake)

    # -- letting go -------------------------------------------------------

    def _let_go(self, ledger: Ledger, held: Held,
                failure: dict[str, Any] | None = None, aside: str = ''
                ) -> float | None:
        """Give a cluster up, once nothing runs for it any more.

        :param failure: what its deployment fails with; None leaves it as it
            is, for whoever claims the cluster next.
        :param aside: why it is left to others.
        :returns: seconds until the next turn; None when it was given up.
        """
        if held.at_work and held.deployer:
            # It comes again when that has ended, and is given up then: what
            # was told to end begins nothing any more.
            held.deployer.end()
            held.parting = (failure, aside)
            return self.rest
        try:
            if failure:
                deployment = ledger.snapshot().deployment
                # A newer one has not met what this one did.
                if deployment is not None and held.deployment_id in (
                        '', deployment.id):
                    ledger.deployments.finish(
                        deployment.id, failure['message'], [failure])
            elif aside:
                self._aside[ledger.cluster_id] = time.monotonic() + _ASIDE
                if ledger.deployments.left(aside):
                    LOG.warning('Cluster %s: %s', ledger.cluster_id, aside)
        except (HPCDirectError, db_exc.DBError) as exc:
            LOG.warning('Cluster %s is left, and cannot be told so: %s',
                        ledger.cluster_id, exc)
            self._trouble(ledger.cluster_id)
        self.release(ledger.cluster_id)
        return None

    def _too_late(self, cluster_id: str, problem: NotAsOrdered
                  ) -> dict[str, Any] | None:
        """What an order fails with that nobody has the catalogue for."""
        now = time.monotonic()
        since = self._unknown.setdefault(cluster_id, now)
        if now - since < self._conf.catalogue_timeout:
            return None
        del self._unknown[cluster_id]
        return failures.of_ours(
            FailureCode(problem.code), 'Nothing was done: '
            f'{problem.values["reason"]}, and no conductor has that.',
            problem.hint)

    def _trouble(self, cluster_id: str) -> None:
        """It could not be gone on with, once more: it rests for longer."""
        self._troubled[cluster_id] = 1 + self._troubled.get(cluster_id, 0)

    def release(self, cluster_id: str) -> None:
        """Give a cluster back; say when it is to be looked at again."""
        times = self._troubled.get(cluster_id, 0)
        leave = min(_LEFT * 2 ** (times - 1), _LEFT_LONGEST) if times else 0.0
        rest = 0.0
        with contextlib.suppress(db_exc.DBError):
            end = self._account_ends.rest(cluster_id, self._clock())
            rest = min(filter(None, (
                float(self._conf.watch_interval), end)), default=0.0)
        self._holds.release(cluster_id, min(rest, self.rest), leave)


def _enabled(kind: str, plugins: Mapping[str, Plugin], name: str) -> Plugin:
    """The plugin of a name.

    :raises NotForUs: it is not one of this conductor's.
    """
    if name not in plugins:
        raise NotForUs(reason=f'{kind} "{name}" is not among its '
                       f'enabled_{kind}s')
    return plugins[name]
