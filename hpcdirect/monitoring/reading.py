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


"""Asks one question of a server that may do anything, and reads the answer.

The answer is read to its end within a deadline and a number of bytes, headers
and all. No redirect is followed, nothing is unpacked.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

#: Bytes that are read at once, and that the headers may have besides.
_PIECE, _HEADERS = 65536, 65536


class Unanswered(Exception):
    """There is no answer to be had; a clause says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason.rstrip('.'))


class Silent(Unanswered):
    """It did not answer in time, or could not be reached at all."""


class Deadline:
    """By when everything has to be over."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds.

        :raises Silent: there are none.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise Silent('it did not answer in time')
        return left


class _Bounded(io.RawIOBase):
    """What a socket gives until the deadline, and so many bytes of it."""

    def __init__(self, connection: socket.socket, most: int, deadline: Deadline
                 ) -> None:
        self._connection = connection
        self._most = most
        self._deadline = deadline

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there; 0 at the end."""
        self._connection.settimeout(self._deadline.left)
        got = self._connection.recv_into(buffer)
        self._most -= got
        if self._most < 0:
            raise Unanswered('its answer is too long')
        return got

    def makefile(self, mode: str) -> io.BufferedReader:
        """As http.client asks it of a socket."""
        return io.BufferedReader(self)


def get(connection: socket.socket, path: str, most: int, deadline: Deadline
        ) -> bytes:
    """The body of the answer to ``GET path``.

    :param connection: to be used for this alone.
    :param most: bytes that the body may have.
    :raises Unanswered: there is none, or no good one.
    """
    try:
        connection.settimeout(deadline.left)
        connection.sendall(
            f'GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n'
            'Accept-Encoding: identity\r\nConnection: close\r\n\r\n'.encode())
        source: Any = _Bounded(connection, most + _HEADERS, deadline)
        answer = http.client.HTTPResponse(source, method='GET')
        answer.begin()
        return _body(answer, most)
    except TimeoutError:
        raise Silent('it did not answer in time') from None
    except ConnectionError:
        raise Unanswered('it took no question, or closed the connection'
                         ) from None
    except (http.client.HTTPException, ValueError) as exc:
        raise Unanswered('what it answered is no HTTP') from exc
    except OSError as exc:
        raise Unanswered(f'the connection broke: {exc}') from exc


def _body(answer: http.client.HTTPResponse, most: int) -> bytes:
    if answer.status != 200:
        raise Unanswered(f'it answered with status {answer.status}')
    if answer.getheader('Content-Encoding', 'identity') != 'identity':
        raise Unanswered('its answer is packed, which was not asked for')
    body = bytearray()
    # In pieces: a length that it only claims is not reserved for it.
    while piece := answer.read(_PIECE):
        body += piece
        if len(body) > most:
            raise Unanswered('its answer is too long')
    if answer.length:
        raise Unanswered('its answer was cut off')
    return bytes(body)
