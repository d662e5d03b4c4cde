#!/usr/bin/env python3
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

"""How long an event takes until a reader over HTTP has it.

    replay.py [--rate 500] [--seconds 20] [--nodes 8]

The runner is the fake one; service, database, HTTP and reader are real.
README.rst beside this file says what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from hpcdirect.tests.functional import event_reader
from hpcdirect.tests.functional import flood
from hpcdirect.tests.functional import service


def lags(file: pathlib.Path) -> list[tuple[float, float]]:
    """When each event of the flood happened and its lag, in seconds."""
    found = []
    for line in file.read_text().splitlines():
        _, _, task, at, seen = json.loads(line)
        if task.startswith('event '):
            begun = datetime.datetime.fromisoformat(at).timestamp()
            found.append((begun, seen - begun))
    return found


def measure(rate: float, seconds: float, nodes: int) -> str:
    """One flood; a line of figures."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-replay-'))
    flood.write(folder)
    with contextlib.ExitStack() as stack:
        running = service.Service(runner='fake', directories=(folder,),
                                  DEFAULT={'debug': False})
        running.setUp()
        stack.callback(running.cleanUp)
        running.start()
        count = int(rate * seconds)
        cluster = running.create('demo', 'flood', count=nodes, events={
            'rate': rate, 'count': count})['id']
        file = running.folder / 'seen'
        reader = subprocess.Popen(
            [sys.executable, '-I', event_reader.__file__, running.url,
             f'member-ours:{service.WORD}', cluster, str(file)])
        stack.callback(reader.wait)
        stack.callback(reader.kill)
        running.settled('demo', seconds=seconds * 5 + 60)
        last = running.events(cluster)[-1]['id']
        while f'[{last},' not in file.read_text():
            if reader.poll() is not None:
                raise SystemExit('The reader ended by itself.')
        found = lags(file)
    ordered = sorted(lag for _, lag in found)
    took = max(at for at, _ in found) - min(at for at, _ in found)
    return (f'events {len(found)} of {count}, {len(found) / took:.0f}/s; '
            f'lag p50 {ordered[len(ordered) // 2]:.3f} s, '
            f'p95 {ordered[int(len(ordered) * .95)]:.3f} s, '
            f'max {ordered[-1]:.3f} s')


def main() -> None:
    """Measure once, as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rate', type=float, default=500)
    parser.add_argument('--seconds', type=float, default=20)
    parser.add_argument('--nodes', type=int, default=8)
    args = parser.parse_args()
    print(f'load {os.getloadavg()[0]:.1f}; '
          f'{measure(args.rate, args.seconds, args.nodes)}')


if __name__ == '__main__':
    main()
