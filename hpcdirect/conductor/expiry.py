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
"""Carries out what was to end at a time that has come."""

from __future__ import annotations

import dataclasses
import datetime
import logging

import sqlalchemy as sa

from hpcdirect import signing
from hpcdirect.conductor import permission
from hpcdirect.db import deployments
from hpcdirect.db import models
from hpcdirect.db import orders
from hpcdirect.db.ledger import Snapshot
from hpcdirect.db.session import Database
from hpcdirect.exception import Conflict
from hpcdirect.exception import NotFound
from hpcdirect.keys import CONDUCTOR
from hpcdirect.keys import KeyRing
from hpcdirect.planning import accounts
from hpcdirect.planning.state import OFF
from hpcdirect.planning.state import Pins
from hpcdirect.policies import Enforcer
from hpcdirect.states import ClusterStatus
from hpcdirect.states import Operation

LOG = logging.getLogger(__name__)
#: Seconds to rest after a time that is over and was not carried out.
_AGAIN = 10.0


@dataclasses.dataclass(frozen=True)
class Expiry:
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
            desired = session.scalars(sa.select(models.Cluster.desired).where(
                models.Cluster.id == cluster_id)).one_or_none()
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
            if not session.scalars(sa.select(models.Event.id).where(
                    models.Event.cluster_id == cluster.id,
                    models.Event.message == event.message).limit(1)).first():
                session.add(event)


def _event(cluster: models.Cluster, message: str) -> models.Event:
    return models.Event(cluster_id=cluster.id, project_id=cluster.project_id,
                        kind='cluster', level='warning', message=message)


def _listed(names: list[str]) -> str:
    return ', '.join(sorted(names))


def _aware(at: datetime.datetime) -> datetime.datetime:
    return at.replace(tzinfo=datetime.UTC)
