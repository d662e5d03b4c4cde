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

"""How many clusters that wait for machines one conductor carries.

    in_flight.py [--clusters 1000] [--seconds 600] [--workers 8]

Database (MariaDB), API and conductor are real, the machines are the fake
backend's and take the given time to boot. README.rst beside this file says
what is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
from typing import Any

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]),
                str(pathlib.Path(__file__).resolve().parent)]

import sqlalchemy as sa
import stand

from hpcdirect.tests.functional import stacked

#: What one cluster in flight may cost: KiB of memory, and cores for all.
MEMORY, CORES = 20.0, 0.3


def conduct(file: str) -> None:
    """Be the conductor; a line of figures each time somebody asks."""
    from hpcdirect.backends.fake import FakeBackend
    from hpcdirect.cmd import parts
    from hpcdirect.db import leases

    counts = dict.fromkeys(('looks', 'claims', 'statements'), 0)

    def counted(owner: Any, name: str, count: str) -> None:
        real = getattr(owner, name)

        def wrapped(*args: Any, **options: Any) -> Any:
            counts[count] += 1
            return real(*args, **options)

        setattr(owner, name, wrapped)

    counted(FakeBackend, 'observe', 'looks')
    counted(leases, 'claim', 'claims')
    assembly = parts.Assembly(parts.configure(['--config-file', file]))

    @sa.event.listens_for(assembly.database.engine, 'before_cursor_execute')
    def _statement(*_: Any) -> None:
        counts['statements'] += 1

    conductor = assembly.conductor()
    conductor.start()
    for _ in sys.stdin:
        waiting, timed = conductor._turns.size()
        print(json.dumps({**counts, 'held': len(conductor._holds.all()),
                          'waiting': waiting, 'timers': timed,
                          'cpu': sum(os.times()[:2]), 'rss': _rss()}),
              flush=True)
    conductor.stop()


def _rss() -> int:
    """KiB of memory this process has."""
    text = pathlib.Path('/proc/self/status').read_text()
    return int(text.partition('VmRSS:')[2].split()[0])


class _Conductor:
    """The other process."""

    def __init__(self, file: pathlib.Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, '--conductor', str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            # As its unit in etc/systemd says.
            env={**os.environ, 'MALLOC_ARENA_MAX': '2'})

    def ask(self) -> dict[str, Any]:
        """Its figures, now."""
        if not self._process.stdin or not self._process.stdout:
            raise SystemExit('the conductor has no pipes')
        self._process.stdin.write('\n')
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit('the conductor ended by itself')
        return {'at': time.monotonic(), **json.loads(line)}

    def stop(self) -> None:
        """End it and wait."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(60)


def _configuration(folder: pathlib.Path, url: str, workers: int
                   ) -> pathlib.Path:
    file = folder / 'hpcdirect.conf'
    file.write_text(
        f'[DEFAULT]\nstate_path =\nkey_file = {folder}/keys\n'
        'enabled_backends = fake\nenabled_runners = fake\n'
        'enabled_sources = directory\ntransport_url = fake://\n'
        'default_log_levels = hpcdirect=WARN,oslo=WARN\n'
        f'log_file = {folder}/log\n'
        f'[blueprints]\ndirectories = {folder}\n'
        f'[database]\nconnection = {url}\n'
        f'[conductor]\nworkers = {workers}\nprovision_timeout = 7200\n')
    return file


def measure(clusters: int, seconds: float, workers: int) -> None:
    """Order them all, let the time pass, delete one in the middle."""
    with contextlib.ExitStack() as stack:
        served = stand.served(stack)
        stacked.write(served.folder, 'fake')
        conductor = _Conductor(_configuration(
            served.folder, served.conf.database.connection, workers))
        stack.callback(conductor.stop)
        pause = threading.Event()
        # The first ones bring in code, connections and threads for all, and
        # what eight workers need at their busiest, which the allocator keeps.
        empty = conductor.ask()
        warm = clusters // 4
        _order(served, conductor, range(warm), seconds)
        few = conductor.ask()
        idents = _order(served, conductor, range(warm, clusters), seconds)
        first = conductor.ask()
        worst = dict.fromkeys(('waiting', 'timers'), 0)
        deleted = 0.0
        while time.monotonic() - first['at'] < seconds:
            pause.wait(min(5.0, seconds / 10))
            now = conductor.ask()
            worst = {name: max(value, now[name])
                     for name, value in worst.items()}
            if not deleted and now['at'] - first['at'] > seconds / 2:
                deleted = _deleted(served, idents.pop())
        last = conductor.ask()
        _report(clusters - warm, few, first, last, worst, deleted)
        print(f'the whole process: {empty["rss"] / 1024:.0f} MiB without a '
              f'cluster, {few["rss"] / 1024:.0f} with {warm}, '
              f'{last["rss"] / 1024:.0f} with {clusters}')
        log = served.folder / 'log'
        if log.exists() and log.stat().st_size:
            print('the conductor said:', log.read_text()[-4000:])


def _order(served: Any, conductor: _Conductor, numbers: range,
           seconds: float) -> list[str]:
    """Order clusters, and wait until the conductor has them all."""
    began = time.monotonic()
    idents = [served.create(
        f'c{number}', blueprint='stacked',
        parameters={'count': 3, 'disk': seconds * 10})['id']
        for number in numbers]
    ordered = time.monotonic() - began
    seen = conductor.ask()
    while seen['held'] < numbers.stop or seen['waiting']:
        threading.Event().wait(0.5)
        seen = conductor.ask()
    print(f'{len(numbers)} clusters of 4 nodes ordered in {ordered:.0f} s, '
          f'all held after {seen["at"] - began:.0f} s', flush=True)
    return idents


def _deleted(served: Any, ident: str) -> float:
    """Seconds from the order to delete a cluster until it is gone."""
    asked = time.monotonic()
    answer = served.call('DELETE', f'/v1/clusters/{ident}')
    if answer.status != 202:
        raise SystemExit(answer.body)
    pause = threading.Event()
    while served.call('GET', f'/v1/clusters/{ident}').status != 404:
        if time.monotonic() - asked > 300:
            raise SystemExit('it is not gone after 300 s')
        pause.wait(0.02)
    return time.monotonic() - asked


def _report(clusters: int, few: dict[str, Any], first: dict[str, Any],
            last: dict[str, Any], worst: dict[str, int], deleted: float
            ) -> None:
    took = last['at'] - first['at']
    per = {name: (last[name] - first[name]) / took
           for name in ('looks', 'claims', 'statements', 'cpu')}
    memory = (last['rss'] - few['rss']) / clusters
    print(f'over {took:.0f} s: {per["cpu"]:.3f} cores '
          f'({per["cpu"] / CORES:.2f} of the limit {CORES}), '
          f'{memory:.1f} KiB a cluster ({memory / MEMORY:.2f} of the limit '
          f'{MEMORY:.0f})')
    print(f'{per["looks"]:.0f} looks/s, {per["statements"]:.0f} '
          f'statements/s, claims meanwhile {last["claims"] - first["claims"]}'
          f'; timers at most {worst["timers"]}, queue at most '
          f'{worst["waiting"]}; a delete in the middle took {deleted:.2f} s')


def main() -> None:
    """Measure once, as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--clusters', type=int, default=1000)
    parser.add_argument('--seconds', type=float, default=600)
    parser.add_argument('--workers', type=int, default=8)
    parser.add_argument('--conductor', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.conductor:
        conduct(args.conductor)
        return
    print(f'load {os.getloadavg()[0]:.1f}', flush=True)
    measure(args.clusters, args.seconds, args.workers)


if __name__ == '__main__':
    main()
