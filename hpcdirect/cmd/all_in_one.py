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

"""hpcdirect-all-in-one: API, conductor and metrics, threads of one process.

For one machine, demonstrations and tests: SQLite, and messages that never
leave the process. The database is made and brought up to date at the start.
"""

from __future__ import annotations

import sys

from hpcdirect import rpc
from hpcdirect.api import app
from hpcdirect.api import server
from hpcdirect.cmd import parts
from hpcdirect.db import migration
from hpcdirect.exception import HPCDirectError


def main() -> int:
    """Run until SIGTERM or SIGINT; batches under way end between tasks."""
    conf = parts.configure(sys.argv[1:])
    try:
        parts.check_exposed(conf, conf.api.host)
        migration.upgrade(conf)
        assembly = parts.Assembly(conf, own_key=True)
    except HPCDirectError as exc:
        print(f'hpcdirect-all-in-one: {exc}', file=sys.stderr)
        return 1
    until_told = parts.until_told()
    conductor = assembly.conductor()
    listener = rpc.server(conf, conductor.advance, rpc.IN_PROCESS)
    conductor.start()
    listener.start()
    numbers = assembly.numbers()
    services = assembly.services(rpc.IN_PROCESS, numbers)
    # First: who sees that the API answers finds all the rest.
    metrics = assembly.listen(numbers)
    http = server.serve(app.make_app(services), conf)
    heartbeat = assembly.appear('hpcdirect-all-in-one')
    until_told()
    http.shutdown()
    if metrics is not None:
        metrics.shutdown()
    numbers.close()
    listener.stop()
    listener.wait()
    conductor.stop()
    heartbeat.stop()
    return 0
