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

"""What it costs one conductor to look after clusters that rest.

    resting.py [--clusters 25000] [--seconds 120] [--interval 30]

One cluster of four nodes is deployed, then copied in the database (MariaDB)
and in the fake backend's memory. README.rst beside this file says what is
measured.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import sys
import threading
import time
from typing import Any

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]),
                str(pathlib.Path(__file__).resolve().parent)]

import sqlalchemy as sa
import stand
import tables

from hpcdirect.backends.fake import FakeBackend
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import stacked

#: Milliseconds of CPU that a look may cost, that of the database apart.
LIMIT = 0.5


class Looks:
    """When the backend was asked for each cluster."""

    def __init__(self) -> None:
        self.count = 0
        self.last: dict[str, float] = {}
        self.longest = 0.0
        real = FakeBackend.observe

        def observe(backend: FakeBackend, ref: str) -> Any:
            now = time.monotonic()
            self.longest = max(self.longest, now - self.last.get(ref, now))
            self.last[ref] = now
            self.count += 1
            return real(backend, ref)

        FakeBackend.observe = observe  # type: ignore[method-assign]


def fill(served: Any, clusters: int) -> None:
    """Deploy one cluster; copy it, each copy due at once."""
    one = stand.conductor(served, 'fake')
    one.start()
    ident = served.create('seed', blueprint='stacked')['id']
    pause = threading.Event()
    while served.call('GET', f'/v1/clusters/{ident}').json['status'] \
            != 'ACTIVE':
        pause.wait(0.1)
    one.stop()
    machines = served.backend._store.read(f'fake-{ident}')
    for number in range(1, clusters):
        served.backend._store.write(f'fake-c{number}', machines)
    with served.services.database.engine.begin() as connection:
        run = connection.exec_driver_sql
        run('SET SESSION foreign_key_checks=0, unique_checks=0')
        cluster = "CONCAT('c', s.seq)"
        tables.copy(run, 'clusters', None, clusters - 1, id=cluster,
                    name="CONCAT('n', s.seq)", due_at='0',
                    backend_ref="CONCAT('fake-c', s.seq)")
        tables.copy(run, 'nodes', None, clusters - 1, cluster_id=cluster,
                    id="CONCAT(LEFT(t.id, 25), '-', s.seq)")
        run('UPDATE clusters SET due_at = 0')
    with served.services.database.engine.begin() as connection:
        connection.exec_driver_sql('ANALYZE TABLE clusters, nodes')


def measure(clusters: int, seconds: float, rest: float) -> bool:
    """Look after them; whether every figure is within its limit."""
    with contextlib.ExitStack() as stack:
        served = stand.served(stack)
        stacked.write(served.folder, 'fake')
        stand.read_again(served)
        fill(served, clusters)
        served.conf.set_override('watch_interval', rest, 'conductor')
        looks = Looks()
        began = time.monotonic()
        watching = stand.conductor(served, 'fake')
        watching.start()
        stack.callback(watching.stop)
        pause = threading.Event()
        while len(looks.last) < clusters:
            pause.wait(0.1)
        print(f'{clusters} clusters that were due at once: looked at within '
              f'{time.monotonic() - began:.1f} s', flush=True)
        pid = mariadb._server.process.pid
        looks.longest, before = 0.0, (
            looks.count, sum(os.times()[:2]), tables.cpu(pid),
            time.monotonic())
        pause.wait(seconds)
        took = time.monotonic() - before[3]
        count = looks.count - before[0]
        mine = (sum(os.times()[:2]) - before[1]) * 1e3 / count
        theirs = (tables.cpu(pid) - before[2]) / count
        longest = max(looks.longest, time.monotonic()
                      - min(looks.last.values()))
        print(f'{count / took:.0f} looks/s over {took:.0f} s; CPU a look '
              f'{mine:.2f} ms ({mine / LIMIT:.2f} of the limit {LIMIT}), and '
              f'{theirs:.2f} ms of the database\'s; longest time between two '
              f'looks at one {longest:.1f} s ({longest / rest:.2f} of the '
              f'interval of {rest:.0f} s)')
        with served.services.database.engine.begin() as connection:
            changed = connection.execute(sa.text(
                "SELECT COUNT(*) FROM clusters WHERE status <> 'ACTIVE' OR "
                'epoch <> (SELECT epoch FROM clusters WHERE id = :one)'),
                {'one': 'c1'}).scalar_one()
        print(f'{changed} clusters were changed by being looked at')
        return mine <= LIMIT and not changed


def main() -> int:
    """Measure once, as asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--clusters', type=int, default=25000)
    parser.add_argument('--seconds', type=float, default=120)
    parser.add_argument('--interval', type=float, default=30,
                        help='watch_interval of the conductor, seconds')
    asked = parser.parse_args()
    print(f'load {os.getloadavg()[0]:.1f}', flush=True)
    return 0 if measure(asked.clusters, asked.seconds,
                        asked.interval) else 1


if __name__ == '__main__':
    sys.exit(main())
