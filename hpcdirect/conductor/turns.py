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

"""Whose turn it is: clusters that are to be looked at, each at its time.

A cluster has one entry, however often it is woken, so nothing here grows
with the number of calls. Work that somebody asked for goes before work whose
time has simply come: a cluster that is to be deleted does not queue behind a
thousand that wait for their machines.
"""

from __future__ import annotations

import heapq
import threading
import time


class Turns:
    """Hands clusters to worker threads, never one cluster to two of them."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        # Cluster -> when its turn comes, by the monotonic clock. The heap may
        # hold older moments of a cluster; only the one in here counts.
        self._moments: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        # Clusters whose turn it is, in order; dicts keep it.
        self._asked: dict[str, None] = {}
        self._ready: dict[str, None] = {}
        # Clusters that a worker has, and whether they were woken meanwhile.
        self._taken: dict[str, _Woken] = {}
        self._timed = False
        self._closed = False

    def wake(self, cluster_id: str, after: float = 0.0, *,
             asked: bool = False) -> None:
        """See to it that a cluster gets its turn; never waits.

        :param after: seconds until then; an earlier turn stays as it is.
        :param asked: somebody waits for it: it goes before those whose time
            has come.
        """
        with self._condition:
            if cluster_id in self._taken:
                self._taken[cluster_id].add(time.monotonic() + after, asked)
            elif asked and after <= 0:
                self._moments.pop(cluster_id, None)
                self._ready.pop(cluster_id, None)
                self._asked[cluster_id] = None
                self._condition.notify()
            elif cluster_id not in self._asked \
                    and cluster_id not in self._ready:
                self._put(cluster_id, time.monotonic() + after)

    def take(self) -> tuple[str, bool] | None:
        """The next cluster, as soon as it is somebody's turn.

        :returns: the cluster's id, and whether somebody asked for this turn;
            None once the turns are closed. Every cluster that is taken is
            given back by :meth:`done`.
        """
        with self._condition:
            while not self._closed:
                self._ripen()
                for lane in (self._asked, self._ready):
                    for cluster_id in lane:
                        del lane[cluster_id]
                        self._taken[cluster_id] = _Woken()
                        # Somebody else may be the one to wait for the time.
                        self._condition.notify()
                        return cluster_id, lane is self._asked
                self._wait()
            return None

    def done(self, cluster_id: str, rest: float | None) -> None:
        """A turn is over.

        :param rest: seconds until the next one, None when none is needed. A
            cluster that was woken meanwhile gets its turn when it was to.
        """
        with self._condition:
            woken = self._taken.pop(cluster_id)
            if self._closed:
                return
            if woken.asked:
                self._asked[cluster_id] = None
                self._condition.notify()
                return
            moments = [moment for moment in (
                woken.moment,
                None if rest is None else time.monotonic() + rest)
                if moment is not None]
            if moments:
                self._put(cluster_id, min(moments))

    def close(self) -> None:
        """No more turns; whoever waits for one is told so."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def size(self) -> tuple[int, int]:
        """How many clusters wait for a worker, and for their time."""
        with self._condition:
            return (len(self._asked) + len(self._ready), len(self._moments))

    # -- all of these are called with the condition held -------------------

    def _put(self, cluster_id: str, moment: float) -> None:
        if moment >= self._moments.get(cluster_id, float('inf')):
            return
        self._moments[cluster_id] = moment
        heapq.heappush(self._heap, (moment, cluster_id))
        if len(self._heap) > 2 * len(self._moments) + 64:
            self._heap = [(moment, ident) for ident, moment
                          in self._moments.items()]
            heapq.heapify(self._heap)
        if self._heap[0] == (moment, cluster_id):
            # Whoever waits for the first one waits too long now.
            self._condition.notify_all()

    def _ripen(self) -> None:
        """Move those whose time has come to the ones who are ready."""
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            moment, cluster_id = heapq.heappop(self._heap)
            if self._moments.get(cluster_id) == moment:
                del self._moments[cluster_id]
                self._ready[cluster_id] = None

    def _wait(self) -> None:
        """Wait for a call or, one thread only, for the next moment."""
        if self._timed or not self._heap:
            self._condition.wait()
            return
        self._timed = True
        try:
            self._condition.wait(
                max(0.0, self._heap[0][0] - time.monotonic()))
        finally:
            self._timed = False


class _Woken:
    """What was asked of a cluster while a worker had it."""

    __slots__ = ('asked', 'moment')

    def __init__(self) -> None:
        self.moment: float | None = None
        self.asked = False

    def add(self, moment: float, asked: bool) -> None:
        """One more call."""
        self.asked = self.asked or asked
        self.moment = moment if self.moment is None else min(
            self.moment, moment)
