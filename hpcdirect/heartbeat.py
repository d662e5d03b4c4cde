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
"""This process, among those of the service: it is seen now and then."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
import threading
import time

from oslo_db import exception as db_exc

from hpcdirect import processes
from hpcdirect.db import services
from hpcdirect.db.session import Database

LOG = logging.getLogger(__name__)

#: Seconds that its row's going is waited for at the end.
_GRACE = 5.0


class Heartbeat:
    """Keeps the row of this process, in a thread of its own.

    A database that is away, or that only reads, makes it look down and is
    nobody else's trouble.

    :param binary: the command that this process is.
    :param interval: seconds between two times that it is seen.
    """

    def __init__(self, database: Database, binary: str, interval: float
                 ) -> None:
        self._database = database
        self._binary = binary
        self._interval = interval
        self._began = time.monotonic()
        self._over = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._beat, daemon=True,
                                        name='heartbeat')

    @functools.cached_property
    def _process(self) -> services.Process:
        return services.Process(
            self._binary, os.uname().nodename, os.getpid(), processes.name(),
            importlib.metadata.version('hpcdirect'), self._interval)

    def start(self) -> None:
        """Begin; call it in the process that is meant, not before a fork."""
        self._thread.start()

    def stop(self) -> None:
        """Say that this process ends well."""
        self._over.set()
        self._thread.join(_GRACE)

    def _beat(self) -> None:
        while not self._over.is_set():
            self._try()
            self._over.wait(self._interval)
        self._try()

    def _try(self) -> None:
        """Renew the row, or take it away; tell of trouble once."""
        try:
            if self._over.is_set():
                self._leave()
            else:
                self._renew()
        except db_exc.DBError as exc:
            if not self._failing:
                LOG.warning('This process is not seen: %s', exc)
            self._failing = True
        except Exception:
            LOG.exception('The heartbeat failed; trying again.')
        else:
            self._failing = False

    def _renew(self) -> None:
        with self._database.write() as session:
            # Taken away when nobody has seen it for long.
            if not services.renew(session, self._process):
                services.register(
                    session, self._process, time.monotonic() - self._began,
                    processes.is_dead)

    def _leave(self) -> None:
        with self._database.write() as session:
            services.leave(session, self._process.id)
