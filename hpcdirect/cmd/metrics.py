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


"""hpcdirect-metrics: the one process that asks clusters for numbers."""

from __future__ import annotations

import sys

from hpcdirect.cmd import parts
from hpcdirect.exception import HPCDirectError


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    conf = parts.configure(sys.argv[1:])
    until_told = parts.until_told()
    try:
        assembly = parts.Assembly(conf)
        numbers = assembly.numbers()
        listening = assembly.listen(numbers)
    except HPCDirectError as exc:
        print(f'hpcdirect-metrics: {exc}', file=sys.stderr)
        return 1
    except OSError as exc:
        print('hpcdirect-metrics: nobody can listen at [monitoring] host '
              f'{conf.monitoring.host}, port {conf.monitoring.port}: {exc}',
              file=sys.stderr)
        return 1
    if listening is None:
        print('hpcdirect-metrics: say where to listen by [monitoring] port.',
              file=sys.stderr)
        return 1
    # The API has the first port, and conductors those after it.
    heartbeat = assembly.appear('hpcdirect-metrics',
                                1 + conf.conductor.processes)
    until_told()
    listening.shutdown()
    numbers.close()
    heartbeat.stop()
    return 0
