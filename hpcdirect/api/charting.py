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


"""How the API has clusters asked for numbers: it has no way into them.

hpcdirect-metrics has one. It is asked by HTTP, and knows the API by a
signature of the key file that both have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
import contextlib
import json
import threading
import time
from typing import Protocol

import urllib3

from hpcdirect.charts import Asked
from hpcdirect.exception import Unavailable
from hpcdirect.jsontypes import Object
from hpcdirect.keys import API
from hpcdirect.keys import KeyRing
from hpcdirect.keys import Part

#: The header with the signature, and the moment that is signed.
HEADER = 'X-HPCDirect-Signature'
#: Seconds for which a signature is good.
VALID = 300
#: Requests for one cluster at a time, and seconds to wait for one's turn.
_FOR_ONE, _WAIT = 4, 1.0
#: Seconds for a connection, and for an answer: all charts of a request.
_CONNECT, _ANSWER = 2.0, 10.0


class Charts(Protocol):
    """Whoever can ask clusters for numbers."""

    def charts(self, cluster_id: str, asked: Asked) -> Object:
        """x, step, at, and under charts name -> series and reason.

        :raises Unavailable: nobody can be asked just now.
        """


class NoCharts:
    """In the place of a service that there is not."""

    def charts(self, cluster_id: str, asked: Asked) -> Object:
        """Nobody can be asked."""
        raise Unavailable(reason='There is no hpcdirect-metrics here; the '
                          'operator says where one is by [monitoring] '
                          'endpoint.')


class Bounded:
    """Lets so many ask at a time that the API has threads for all else.

    A cluster that does not answer keeps those who ask for it.

    :param most: requests at a time; few of them for one cluster.
    """

    def __init__(self, charts: Charts, most: int) -> None:
        self._charts = charts
        self._most = most
        self._free = threading.Condition()
        # Those that ask for a cluster, and all who are here to ask.
        self._asking: Counter[str] = Counter()
        self._here = 0

    def charts(self, cluster_id: str, asked: Asked) -> Object:
        """As the other one.

        :raises Unavailable: also when it is not one's turn for long.
        """
        with self._turn(cluster_id):
            return self._charts.charts(cluster_id, asked)

    @contextlib.contextmanager
    def _turn(self, cluster_id: str) -> Iterator[None]:
        with self._free:
            if self._here >= self._most:
                raise _busy()
            self._here += 1
            came = self._free.wait_for(
                lambda: self._asking[cluster_id] < _FOR_ONE, _WAIT)
            self._asking[cluster_id] += came
        try:
            if not came:
                raise _busy()
            yield
        finally:
            with self._free:
                self._here -= 1
                self._asking[cluster_id] -= came
                self._asking = +self._asking
                self._free.notify_all()


def _busy() -> Unavailable:
    return Unavailable(reason='Many wait for numbers just now; ask again in '
                       'some seconds.')


def part(path: str, at: int) -> Part:
    """What is signed of a request.

    :param path: with its query.
    :param at: when it was made, seconds since 1970.
    """
    return lambda scheme: {'what': 'charts', 'path': path, 'at': at}


class Remote:
    """hpcdirect-metrics, wherever it is.

    :param endpoint: its URL.
    """

    def __init__(self, endpoint: str, keys: KeyRing) -> None:
        self._endpoint = endpoint.rstrip('/')
        self._keys = keys
        self._pool = urllib3.PoolManager(
            maxsize=16, retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT, read=_ANSWER))

    def charts(self, cluster_id: str, asked: Asked) -> Object:
        """Ask it.

        :raises Unavailable: it does not answer, or does not believe us.
        """
        path, at = f'/clusters/{cluster_id}/charts?{asked.query()}', int(
            time.time())
        signature = self._keys.sign(part(path, at), API)
        try:
            answer = self._pool.request(
                'GET', self._endpoint + path, redirect=False,
                headers={HEADER: f'{at} {signature}'})
            said = json.loads(answer.data)
            if answer.status == 200:
                return dict(said)
            reason = f'it says: {said["errors"][0]["detail"]}'
        except (urllib3.exceptions.HTTPError, ValueError, KeyError,
                IndexError, TypeError) as exc:
            reason = str(exc).partition(': ')[2] or str(exc)
        raise Unavailable(reason=f'hpcdirect-metrics at {self._endpoint} '
                          f'cannot be asked: {reason.rstrip(".")}.')
