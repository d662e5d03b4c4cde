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


"""A kept ssh connection, through which what lies behind it is reached.

Each place behind it is a socket in a folder of our own: nobody else on this
machine gets there, as to a port of the loopback.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading

from oslo_config import cfg

from hpcdirect.exception import RunnerError
from hpcdirect.runners.ansible import family
from hpcdirect.runners.ansible import folder
from hpcdirect.runners.ansible import ssh
from hpcdirect.runners.base import Batch
from hpcdirect.runners.base import Host

#: What the machine is called in its folder: a control socket's path is short.
_DOOR = 'door'
#: Places behind one connection; the oldest makes room.
_PLACES = 2000
#: Seconds until a place behind it has its socket.
_FORWARD = 5.0


class Tunnel:
    """One connection; it begins when it is made.

    ssh ends it by itself when nothing went through it for ten minutes.

    :param host: the machine that is logged in to.
    :param private_key: the cluster's, OpenSSH format.
    :param seconds: that logging in may take.
    :raises RunnerError: nobody is let in, or the folder cannot be made.
    :raises TimeoutError: it did not answer in time.
    """

    def __init__(self, conf: cfg.ConfigOpts, host: Host, private_key: str,
                 seconds: float) -> None:
        self._folder = folder.of_contact(conf, Batch(
            'tunnel', '', 0, (dataclasses.replace(host, name=_DOOR),), (),
            private_key), shared=True)
        self._config = str(self._folder.path / 'ssh_config')
        self._lock = threading.Lock()
        self._closed = threading.Event()
        # Address and port -> the socket's file, in the order of their making.
        self._places: dict[tuple[str, int], str] = {}
        self._made = 0
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            self._ask(['-n', _DOOR, 'true'], seconds)
            failed.pop_all()

    def connect(self, address: str, port: int, seconds: float
                ) -> socket.socket:
        """A connection to a place; what refuses it closes it at once.

        :raises OSError: ssh has ended.
        :raises RunnerError: ssh does not do it.
        """
        path = self._place(address, port, seconds)
        one = socket.socket(socket.AF_UNIX)
        try:
            one.settimeout(seconds)
            one.connect(path)
        except OSError:
            one.close()
            raise
        return one

    def close(self) -> None:
        """End it, and leave nothing of it."""
        self._closed.set()
        family.end_masters(self._folder.path)
        self._folder.remove()

    def _place(self, address: str, port: int, seconds: float) -> str:
        with self._lock:
            place = (address, port)
            if place not in self._places:
                if len(self._places) >= _PLACES:
                    self._forget()
                self._made += 1
                path = f'{self._folder.path}/{self._made}'
                self._forward('forward', path, place,
                              min(seconds, _FORWARD))
                self._places[place] = path
            return self._places[place]

    def _forget(self) -> None:
        place = next(iter(self._places))
        self._forward('cancel', self._places.pop(place), place, _FORWARD)

    def _forward(self, what: str, path: str, place: tuple[str, int],
                 seconds: float) -> None:
        address, port = place
        host = f'[{address}]' if ':' in address else address
        self._ask(['-O', what, '-L', f'{path}:{host}:{port}', _DOOR],
                  seconds)

    def _ask(self, words: list[str], seconds: float) -> None:
        code, said = ssh.ask(['-F', self._config, *words],
                             ssh.Patience(seconds, self._closed))
        if code:
            raise RunnerError(plugin='ssh', reason=said.rpartition('\n')[2]
                              or f'ssh ended with {code}')
