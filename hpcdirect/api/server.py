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

"""The HTTP server of hpcdirect-api and hpcdirect-all-in-one: waitress.

Its one loop reads requests, however slowly they come, and gives a thread to
those that are whole. What is added here are limits of time by a clock that
nobody sets, room for newcomers when all places are taken by connections that
ask nothing, errors in the API's own shape, and an end that answers what was
asked before it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import logging
import threading
import time
from typing import Any

from oslo_config import cfg
from waitress import adjustments
from waitress import channel
from waitress import parser
from waitress import server
from waitress import task
from waitress import utilities
from waitress import wasyncore

from hpcdirect.api import errors
from hpcdirect.api.tokens import WSGIApp

LOG = logging.getLogger(__name__)

#: Bytes of a request's first line and headers.
_HEADERS = 32768
#: Seconds for which a connection is kept that asks nothing.
_IDLE = 75.0
#: The same when there is no place for another one.
_CROWDED = 2.0
#: Seconds that requests under way get when the server ends.
_GRACE = 3.0


class _Slow(utilities.BadRequest):
    """A request that did not come to its end in time."""

    code, reason = 408, 'Request Timeout'


class _Refusal(task.ErrorTask):
    """What waitress refuses by itself, as an error of the API."""

    def execute(self) -> None:
        """Answer, and close the connection."""
        said, adj = self.request.error, self.channel.adj
        reason = {
            413: f'The body has more than {adj.max_request_body_size - 1} '
                 'bytes.',
            431: f'The URL and the headers have more than {_HEADERS} bytes.',
        }.get(said.code, said.body)
        response = errors.render(errors.ProtocolError(said.code, reason), '')
        LOG.info('%s %s: %s', self.channel.addr[0], response.status,
                 ascii(reason))
        self.status = response.status
        self.response_headers.extend(response.headerlist)
        self.set_close_on_finish()
        self.content_length = len(response.body)
        self.write(response.body)


class _Channel(channel.HTTPChannel):
    """One connection.

    :ivar since: when its last request began or was answered, by the
        monotonic clock.
    """

    error_task_class = _Refusal
    request: parser.HTTPRequestParser | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.since = time.monotonic()
        super().__init__(*args, **kwargs)

    def received(self, data: bytes) -> bool:
        """Bytes have come; by the loop."""
        if self.request is None:
            self.since = time.monotonic()
        return bool(super().received(data))

    def service(self) -> None:
        """Answer a request; by a thread."""
        super().service()
        self.since = time.monotonic()

    @property
    def busy(self) -> bool:
        """Whether a whole request is here that is not answered yet."""
        return bool(self.requests)

    def refuse(self) -> None:
        """Answer a request that does not come to its end; by the loop."""
        with self.requests_lock:
            late, self.request = self.request, None
            if late is None or self.requests or self.will_close:
                return
            late.error, late.completed = _Slow(
                'The request did not come to its end in time.'), True
            self.requests.append(late)
        self.server.add_task(self)


@dataclasses.dataclass(frozen=True)
class ListenAddress:
    """Where a server listens, and how many requests it answers at once."""

    name: str
    host: str
    port: int
    threads: int


class Server(server.TcpWSGIServer):
    """Serves one WSGI application, in threads of this process.

    :param conf: its group ``[api]`` bounds requests and connections.
    :ivar address: host and port that it listens on.
    """

    channel_class = _Channel

    def __init__(self, app: WSGIApp, conf: cfg.ConfigOpts, place: ListenAddress
                 ) -> None:
        self._slowest = conf.api.request_seconds
        self._tidy_at = 0.0
        self._ending = threading.Event()
        adj = adjustments.Adjustments(
            host=place.host, port=place.port, threads=place.threads,
            connection_limit=conf.api.max_connections, backlog=128,
            max_request_header_size=_HEADERS,
            max_request_body_size=conf.api.max_body + 1,
            # Answers are made as a whole; none waits for a slow reader.
            outbuf_high_watermark=2**30,
            # [oslo_middleware] says whether a proxy is believed.
            clear_untrusted_proxy_headers=False,
            asyncore_use_poll=True, log_socket_errors=False, ident='')
        super().__init__(_logged(app), adj=adj, sockinfo=min(
            adj.listen, key=lambda one: one[0]))
        self.address = (str(self.effective_host), int(self.effective_port))
        self._thread = threading.Thread(target=self._loop, daemon=True,
                                        name=place.name)

    def start(self) -> None:
        """Serve, in a thread of its own."""
        self._thread.start()
        LOG.info('Listening on %s port %d', *self.address)

    def shutdown(self) -> None:
        """Take no more; return when what was asked is answered.

        What takes longer than a few seconds is cut off.
        """
        if self._ending.is_set():
            return
        # The loop notes it when it wakes, perhaps for an answer, before we
        # have woken it: what we do that by is closed when it has ended.
        self.trigger.pull_trigger(self._ending.set)
        self._thread.join()
        wasyncore.close_all(self._map, ignore_all=True)
        self.task_dispatcher.set_thread_count(0)

    def readable(self) -> bool:
        """Whether there is a place for one more; asked at every turn."""
        now = time.monotonic()
        crowded = len(self._map) >= self.adj.connection_limit
        if now >= self._tidy_at:
            self._tidy_at = now + (0.1 if crowded else 1.0)
            self._tidy(now, crowded)
        return bool(super().readable())

    def maintenance(self, now: float) -> None:
        """Nothing: readable() does it, by a clock that nobody sets."""

    def _tidy(self, now: float, crowded: bool) -> None:
        """Part with connections that keep us waiting."""
        for one in list(self.active_channels.values()):
            waited = now - one.since
            if one.busy:
                continue
            if waited > (_CROWDED if crowded else _IDLE):
                one.will_close = True
            elif one.request is not None and waited > self._slowest:
                one.refuse()

    def _loop(self) -> None:
        while not self._ending.is_set():
            self._turn()
        # New connections find nobody; those that are here are answered.
        wasyncore.dispatcher.close(self)
        end = time.monotonic() + _GRACE
        while time.monotonic() < end and any(
                one.busy or one.total_outbufs_len
                for one in list(self.active_channels.values())):
            self._turn(0.1)

    def _turn(self, timeout: float = 1.0) -> None:
        try:
            wasyncore.loop(timeout, True, self._map, 1)
        except Exception:
            # It is what all connections depend on.
            LOG.exception('The loop of the server failed; it goes on')


def _logged(app: WSGIApp) -> WSGIApp:
    """*app*, with a line in the log for each request."""
    def logging_app(environ: dict[str, Any], start: Callable[..., Any]
                    ) -> Iterable[bytes]:
        begin = time.monotonic()

        def started(status: str, *more: Any) -> Any:
            LOG.info('%s "%s %s" %s in %.0f ms', environ['REMOTE_ADDR'],
                     # What a terminal would carry out does not get there.
                     ascii(environ['REQUEST_METHOD'])[1:-1],
                     ascii(environ['REQUEST_URI'])[1:-1], status[:3],
                     (time.monotonic() - begin) * 1000)
            return start(status, *more)
        return app(environ, started)
    return logging_app


def serve(app: WSGIApp, conf: cfg.ConfigOpts,
          place: ListenAddress | None = None) -> Server:
    """Serve; ``shutdown()`` ends it.

    A port of 0 is any free one; ``address`` tells which.

    :param place: where, when not where ``[api]`` says.
    """
    listening = Server(app, conf, place or ListenAddress(
        'api', conf.api.host, conf.api.port, conf.api.threads))
    listening.start()
    return listening
