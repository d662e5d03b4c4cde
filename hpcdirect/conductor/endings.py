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
"""What ends when its time has come: accounts, clusters, what is kept of them.

Conductors write here beside the ledger: a cluster that rests is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import datetime
import functools
import logging
import random
import time

from hpcdirect import signing
from hpcdirect.conductor import permission
from hpcdirect.context import Asker
from hpcdirect.db import clusters
from hpcdirect.db import deployments
from hpcdirect.db import events
from hpcdirect.db import expiry
from hpcdirect.db import models
from hpcdirect.db import orders
from hpcdirect.db import purge
from hpcdirect.db.expiry import Seen
from hpcdirect.db.ledger import Snapshot
from hpcdirect.db.orders import Order
from hpcdirect.db.session import Database
from hpcdirect.db.session import Session
from hpcdirect.exception import Conflict
from hpcdirect.exception import NotFound
from hpcdirect.keys import CONDUCTOR
from hpcdirect.keys import KeyRing
from hpcdirect.keys import Verdict
from hpcdirect.planning import accounts
from hpcdirect.planning.state import OFF
from hpcdirect.planning.state import Pins
from hpcdirect.policies import Enforcer
from hpcdirect.states import ClusterStatus
from hpcdirect.states import Operation

LOG = logging.getLogger(__name__)

Clock = Callable[[], datetime.datetime]

#: Seconds to rest after a time that is over and was not carried out.
_AGAIN = 10.0


@dataclasses.dataclass(frozen=True)
class AccountEnds:
    """Switches accounts off whose time is over."""

    database: Database
    keys: KeyRing
    policy: Enforcer
    pins: Pins

    def carry_out(self, recorded: Snapshot, at: datetime.datetime) -> bool:
        """Want those accounts off whose time is over.

        It is done in the name of whoever wanted something of the cluster
        last, and only if that one signed for what is wanted now and may
        still do it: nothing that was written past the API gets a signature
        of ours. A cluster that is at fault is left alone until somebody
        tries again.

        :param at: the time, UTC, without saying so.
        :returns: whether there is a new deployment.
        """
        cluster = recorded.cluster
        names = accounts.expired(cluster.desired, _aware(at))
        if not names or cluster.status not in (
                ClusterStatus.ACTIVE, ClusterStatus.DEGRADED) \
                or cluster.desired.deleted:
            return False
        with self.database.read() as session:
            last = deployments.latest(session, [cluster.id]).get(cluster.id)
            session.expunge_all()
        why = permission.refusal(self.keys, self.policy, dataclasses.replace(
            recorded, deployment=last))
        if why or last is None:
            self._refused(cluster, names, why)
            return False
        try:
            self._order(cluster, last, names)
        except (Conflict, NotFound) as exc:
            LOG.info('Cluster %s: %s', cluster.id, exc)
            return False
        return True

    def rest(self, cluster_id: str, at: datetime.datetime) -> float | None:
        """Seconds until an account's time is over; None when none ends."""
        with self.database.read() as session:
            desired = clusters.desired(session, cluster_id)
        moment = None if desired is None else accounts.next_end(desired)
        if moment is None:
            return None
        left = (moment - _aware(at)).total_seconds()
        return left if left > 0 else _AGAIN

    def _order(self, cluster: models.Cluster, last: models.Deployment,
               names: list[str]) -> None:
        users = cluster.desired.users
        desired = dataclasses.replace(cluster.desired, users={**users, **{
            name: dataclasses.replace(users[name], state=OFF)
            for name in names}})
        with self.database.write() as session:
            orders.change(session, cluster, orders.Order(
                last.asker, signing.Pen(self.keys, CONDUCTOR),
                Operation.UPDATE, self.pins.pinned(desired)))
            session.add(_event(cluster, 'The time of these users is over: '
                               f'{_listed(names)}'))

    def _refused(self, cluster: models.Cluster, names: list[str], why: str
                 ) -> None:
        """Say once that they stay on, and why."""
        LOG.error('Cluster %s: the time of %s is over. %s', cluster.id,
                  _listed(names), why)
        event = _event(cluster, 'The time of these users is over, but they '
                       f'stay on: {_listed(names)}. {why}')
        with self.database.write() as session:
            orders.locked(session, cluster.id)
            if not events.was_told(session, cluster.id, event.message):
                session.add(event)


def _event(cluster: models.Cluster, message: str) -> models.Event:
    return models.Event(cluster_id=cluster.id, project_id=cluster.project_id,
                        kind='cluster', level='warning', message=message)


def _listed(names: list[str]) -> str:
    return ', '.join(sorted(names))


def _aware(at: datetime.datetime) -> datetime.datetime:
    return at.replace(tzinfo=datetime.UTC)


# -- clusters --------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class ClusterEnds:
    """Looks after the ends of clusters.

    :param warnings: seconds before the end at which it is told of.
    :param clock: tells the time, UTC.
    """

    database: Database
    keys: KeyRing
    warnings: Iterable[int]
    clock: Clock

    def look(self) -> None:
        """Tell what is to be told, and want gone what is to go."""
        at = self.clock()
        with self.database.read() as session:
            found = expiry.near(session, at, self.warnings)
        for cluster in found:
            left = (cluster.expires_at - at).total_seconds()
            try:
                if left > 0:
                    self._warn(cluster, left)
                else:
                    self._end(cluster)
            except NotFound:
                LOG.debug('Cluster %s went by itself.', cluster.id)

    def _warn(self, cluster: Seen, left: float) -> None:
        # Whatever was missed, only the last word counts.
        seconds = min(one for one in self.warnings if left <= one)
        self._tell(cluster, seconds, f'It goes in {_said(left)}, at '
                   f'{cluster.expires_at:%Y-%m-%d %H:%M} UTC, with all that '
                   'is on it; give it more time if it is to stay.')

    def _end(self, cluster: Seen) -> None:
        by = cluster.expires_by or {}
        if cluster.protected:
            self._tell(cluster, 0, 'Its time is over; it stays, since it is '
                       'protected.')
            return
        verdict = self.keys.judge(
            functools.partial(expiry.covered, cluster, cluster.expires_at,
                              by), by.get('signature', ''))
        if verdict == Verdict.UNKNOWN:
            self._tell(cluster, 0, 'Its time is over; it waits for a '
                       'conductor that can judge who asked for that: '
                       f'{self.keys.strange(by["signature"])}.')
            return
        if verdict == Verdict.FORGED:
            LOG.error('Cluster %s: its time is over, and nobody signed that '
                      'it is to go then.', cluster.id)
            self._tell(cluster, -1, 'Its time is over; it stays, since '
                       'nobody is known to have asked for that.')
            return
        with self.database.write() as session:
            if expiry.end(session, cluster, Order(
                    Asker.from_json(by), signing.Pen(self.keys, CONDUCTOR),
                    Operation.DELETE)):
                expiry.tell(session, cluster, -1, 'Its time is over; it is '
                            'being deleted.')

    def _tell(self, cluster: Seen, seconds: float, message: str) -> None:
        if cluster.expiry_told is None or cluster.expiry_told > seconds:
            with self.database.write() as session:
                expiry.tell(session, cluster, seconds, message)


def _said(seconds: float) -> str:
    """A time for people: ``24 hours``."""
    for unit, size in (('days', 86400), ('hours', 3600), ('minutes', 60)):
        if seconds >= 2 * size:
            return f'{round(seconds / size)} {unit}'
    return 'less than two minutes'


# -- what is kept of what is over ------------------------------------------

#: Seconds between two looks when nothing is to go.
_REST = 600.0


@dataclasses.dataclass
class Retention:
    """Takes away a little each time it is asked to look.

    :param deleted: seconds for which a deleted cluster's events, runs and
        logs are kept; 0 is for ever.
    :param asked: seconds for which Idempotency-Keys and plans are kept.
    :param clock: tells the time, UTC.
    """

    database: Database
    deleted: int
    asked: int
    clock: Callable[[], datetime.datetime]
    _next: float = 0.0

    def look(self) -> None:
        """Take away a piece of what is too old, if it is time to."""
        if time.monotonic() < self._next:
            return
        at = self.clock()
        old = at - datetime.timedelta(seconds=self.asked)
        with self.database.write() as session:
            more = purge.keys(session, old) | purge.plans(session, old)
            more |= purge.processes(session)
            if self.deleted:
                more |= self._deleted(session, at)
        if not more:
            # Conductors that began together are not to go on together.
            self._next = time.monotonic() + random.uniform(  # noqa: S311 # nosec B311
                0.5, 1) * min(_REST, self.asked, self.deleted or self.asked)

    def _deleted(self, session: Session, at: datetime.datetime) -> bool:
        return purge.deleted_clusters(
            session, at - datetime.timedelta(seconds=self.deleted))
