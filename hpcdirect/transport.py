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

"""How requests reach the cloud: never for ever, and not again and again.

A timeout of a socket only limits its silence: a server that sends a byte now
and then, or one call that makes many requests, takes any time. So there is a
deadline for all that a caller does together. A service that does not answer
is left alone for a while, so that what needs it fails at once and keeps no
thread from other work.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import random
import socket
import threading
import time
from typing import Any
from urllib import parse

from keystoneauth1 import exceptions
from keystoneauth1 import loading
from keystoneauth1 import session as sessions
import requests
from urllib3 import connection
from urllib3 import connectionpool

#: Failures in a row after which an endpoint is left alone.
_FAILURES = 3
#: Seconds it is left alone: at first, and at most.
_PAUSES = (3.0, 60.0)
#: Answers of a proxy or a service that cannot do its work.
_AWAY = (502, 503, 504)
_CHANCE = random.SystemRandom()


class TookTooLong(exceptions.ClientException):
    """The deadline has passed; keystoneauth does not try this again."""


class EndpointDown(exceptions.ClientException):
    """The endpoint did not answer lately; nothing was sent."""


# -- deadlines ----------------------------------------------------------------


class _Deadline:
    """A moment after which the connection in use is cut."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    @property
    def left(self) -> float:
        """Seconds; 0 when it has passed."""
        return max(0.0, self._at - time.monotonic())

    def watch(self, used: socket.socket | None) -> None:
        """Cut this connection when the time comes, and no other."""
        with self._lock:
            self._socket = used
        if not self.left:
            self._cut()

    def cancel(self) -> None:
        """Nothing is cut any more."""
        self._timer.cancel()
        self.watch(None)

    def _cut(self) -> None:
        with self._lock:
            if self._socket is not None:
                # TLS has a shutdown() of its own, which would wait.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Current(threading.local):
    deadline: _Deadline | None = None


_current = _Current()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[_Deadline]:
    """Let all requests of this thread in the block take so long together.

    :param seconds: ignored inside of another block.
    """
    if _current.deadline is not None:
        yield _current.deadline
        return
    deadline = _current.deadline = _Deadline(seconds)
    try:
        yield deadline
    finally:
        deadline.cancel()
        _current.deadline = None


class _Connection(connection.HTTPConnection):
    """A connection that the deadline of the thread that uses it can cut."""

    def connect(self) -> None:
        super().connect()
        _watch(self.sock)

    def getresponse(self) -> Any:
        _watch(self.sock)
        return super().getresponse()


class _SecureConnection(_Connection, connection.HTTPSConnection):
    pass


class _Pool(connectionpool.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(connectionpool.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def _watch(used: socket.socket | None) -> None:
    if _current.deadline is not None:
        _current.deadline.watch(used)


# -- endpoints that are down --------------------------------------------------


@dataclasses.dataclass
class _Endpoint:
    """How an endpoint has answered lately.

    :param until: moment before which it is not asked.
    :param asked: it was down, and one request finds out whether it still is.
    """

    failures: int = 0
    pause: float = _PAUSES[0]
    until: float = 0.0
    asked: bool = False
    said: str = ''


class Endpoints:
    """Which endpoints answer; shared by all sessions of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._endpoints: dict[str, _Endpoint] = {}

    @contextlib.contextmanager
    def asked(self, url: str) -> Iterator[list[int]]:
        """A request to a URL; the caller appends the status it answered.

        :raises EndpointDown: it is not to be asked just now.
        """
        place, answers = _place(url), list[int]()
        with self._lock:
            endpoint = self._endpoints.setdefault(place, _Endpoint())
            self._refuse(place, endpoint)
        said = 'it is not itself'
        try:
            yield answers
        except Exception as exc:
            said = str(exc) or type(exc).__name__
            raise
        finally:
            with self._lock:
                endpoint.asked = False
                if answers and answers[0] not in _AWAY:
                    self._endpoints[place] = _Endpoint()
                else:
                    _failed(endpoint, said)

    @staticmethod
    def _refuse(place: str, endpoint: _Endpoint) -> None:
        if endpoint.failures < _FAILURES:
            return
        wait = endpoint.until - time.monotonic()
        if wait > 0 or endpoint.asked:
            again = f'in {wait:.0f} s' if wait > 0 else 'just now'
            raise EndpointDown(
                f'{place} has not answered {endpoint.failures} times in a '
                f'row ({endpoint.said}); it is asked again {again}.')
        endpoint.asked = True


def _failed(endpoint: _Endpoint, said: str) -> None:
    endpoint.failures += 1
    endpoint.said = said
    now = time.monotonic()
    # Requests that were under way together fail together.
    if endpoint.failures >= _FAILURES and now >= endpoint.until:
        # Processes that lost it together do not come back together.
        spread = _CHANCE.uniform(0.75, 1.25)
        endpoint.until = now + endpoint.pause * spread
        endpoint.pause = min(_PAUSES[1], endpoint.pause * 2)


def _place(url: str) -> str:
    """Scheme, host, and what tells services on one host apart."""
    found = parse.urlsplit(url)
    first = found.path.strip('/').partition('/')[0]
    return f'{found.scheme}://{found.netloc}/{first}'


# -- sessions -----------------------------------------------------------------


class Adapter(sessions.TCPKeepAliveAdapter):
    """Sends requests, within a deadline, to endpoints that answer.

    :param seconds: for a request that is made outside of within().
    """

    def __init__(self, endpoints: Endpoints, seconds: float,
                 **options: Any) -> None:
        self._endpoints = endpoints
        self._seconds = seconds
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As above, with connections that can be cut."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            'http': _Pool, 'https': _SecurePool}

    def send(self, request: requests.PreparedRequest, stream: bool = False,
             timeout: Any = None, *args: Any, **kwargs: Any
             ) -> requests.Response:
        """Send a request and read the whole answer.

        :raises TookTooLong: the deadline has passed.
        :raises EndpointDown: nothing was sent.
        """
        url = str(request.url)
        with within(self._seconds) as deadline:
            late = TookTooLong(f'{_place(url)} did not answer within '
                               f'{deadline.seconds:g} s.')
            if not deadline.left:
                raise late
            with self._endpoints.asked(url) as answers:
                try:
                    answer = super().send(
                        request, stream, _least(timeout, deadline.left),
                        *args, **kwargs)
                    _read(answer)
                except (requests.RequestException, OSError) as exc:
                    if not deadline.left:
                        raise late from exc
                    raise
                finally:
                    deadline.watch(None)
                if not deadline.left:
                    raise late
                answers.append(answer.status_code)
        return answer


def _read(answer: requests.Response) -> None:
    """Read all of an answer: whoever reads it later has no deadline.

    A connection that breaks amid the headers looks like an answer without
    any, and without a body.
    """
    there = {'content-length', 'transfer-encoding'} & {
        name.lower() for name in answer.headers}
    if not answer.content and not there and answer.status_code == 200:
        raise requests.ConnectionError('The answer was cut off.')


def _least(timeout: Any, left: float) -> Any:
    """A timeout of requests', no longer than what is left."""
    if isinstance(timeout, tuple):
        return tuple(_least(each, left) for each in timeout)
    return left if timeout is None else min(timeout, left)


class Session(sessions.Session):
    """keystoneauth's, without waiting by the time of day.

    Adapters bring a semaphore that sleeps until the wall clock has passed
    the moment of their last request: when the clock is put back an hour,
    for an hour.
    """

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """As keystoneauth's; see the class."""
        kwargs['rate_semaphore'] = sessions.NoOpSemaphore()
        return super().request(*args, **kwargs)


class Loader(loading.session.Session):
    """Makes such sessions from options of oslo.config."""

    @property
    def plugin_class(self) -> type[Session]:
        """What it makes."""
        return Session
