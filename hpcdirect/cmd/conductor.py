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

"""hpcdirect-conductor: one or more conductor processes under cotyledon."""

from __future__ import annotations

import sys
import threading

import cotyledon
from cotyledon import types
from oslo_config import cfg

from hpcdirect import rpc
from hpcdirect.cmd import parts

#: Seconds that work waits for a database server that is restarted.
_PATIENCE = 60.0
#: Seconds that stopping may take; it is ended by force after that.
_STOP = 60


class ConductorProcess(cotyledon.Service):
    """One conductor; everything begins in run(), after the fork."""

    name = 'hpcdirect-conductor'
    graceful_shutdown_timeout = _STOP

    def __init__(self, worker_id: types.WorkerId, conf: cfg.ConfigOpts
                 ) -> None:
        super().__init__(worker_id)
        self._conf = conf
        self._stopping = threading.Event()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Work until terminate()."""
        assembly = parts.Assembly(self._conf)
        assembly.database.patience = _PATIENCE
        conductor = assembly.conductor()
        listener = rpc.server(self._conf, conductor.advance)
        conductor.start()
        # The API has the first port.
        heartbeat = assembly.appear(self.name, 1 + self.worker_id)
        # It waits for a broker that is away, and work goes on without one.
        threading.Thread(target=listener.start, daemon=True,
                         name='listener').start()
        self._stopping.wait()
        try:
            # What others wait for are the leases; a message is none's loss.
            conductor.stop()
            heartbeat.stop()
        finally:
            self._stopped.set()

    def terminate(self) -> None:
        """SIGTERM: what runs on nodes is ended, and leases are given back.

        The process ends as soon as this returns.
        """
        self._stopping.set()
        self._stopped.wait(_STOP)


def main() -> int:
    """Run until SIGTERM."""
    conf = parts.configure(sys.argv[1:])
    manager = cotyledon.ServiceManager()
    manager.add(ConductorProcess, workers=conf.conductor.processes,
                args=(conf,))
    manager.run()
    return 0
