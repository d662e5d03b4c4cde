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


"""Warns of clusters whose time is nearly over, and ends those that are."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import datetime
import functools
import logging

from hpcdirect import signing
from hpcdirect.context import Asker
from hpcdirect.db import expiry
from hpcdirect.db.expiry import Seen
from hpcdirect.db.orders import Order
from hpcdirect.db.session import Database
from hpcdirect.exception import NotFound
from hpcdirect.keys import CONDUCTOR
from hpcdirect.keys import KeyRing
from hpcdirect.keys import Verdict
from hpcdirect.states import Operation

LOG = logging.getLogger(__name__)

Clock = Callable[[], datetime.datetime]


@dataclasses.dataclass(frozen=True)
class Lifetime:
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
