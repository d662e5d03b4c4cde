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

"""What a node costs the conductor, without what happens on the node.

    nodes.py [--sizes 100 1000]

All elements of the Slurm blueprint are planned, carried out by the fake
runner on machines of the fake backend, and recorded in MariaDB. README.rst
beside this file says what is measured.
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
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
#: A node of the largest cluster over one of the smallest; CPU seconds of one
#: node more on the largest.
GROWTH, ONE_MORE = 1.1, 2.0


class Bench:
    """API and conductor in this process, on a database of their own."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.api = stand.served(stack)
        own = self.api.folder / 'bench'
        _blueprint(own)
        conf = self.api.conf
        conf.set_override('directories', [str(own), str(ROOT)],
                          'blueprints')
        conf.set_override('gather_seconds', 0, 'conductor')
        stand.read_again(self.api)
        self.statements = 0
        self.conductor = stand.conductor(self.api, 'ansible')
        self.conductor.start()
        stack.callback(self.conductor.stop)

        @sa.event.listens_for(self.api.database.engine,
                              'before_cursor_execute')
        def _count(*_: Any) -> None:
            self.statements += 1

    def timed(self, ident: str, method: str, path: str, body: Any = None
              ) -> tuple[float, float, int]:
        """One change to its end: CPU seconds, seconds, statements."""
        cpu, wall, statements = (time.process_time(), time.monotonic(),
                                 self.statements)
        answer = self.api.call(method, path, body)
        if answer.status != 202:
            raise SystemExit(answer.body)
        ident = ident or answer.json['id']
        self.conductor.advance(ident)
        pause = threading.Event()
        while True:
            answer = self.api.call('GET', '/v1/clusters?fields='
                                   'id,name,status,status_reason')
            cluster = next(one for one in answer.json['clusters']
                           if ident in (one['id'], one['name']))
            if cluster['status'] == 'ACTIVE':
                break
            if cluster['status'] == 'ERROR':
                raise SystemExit(cluster['status_reason'])
            pause.wait(0.2)
        return (time.process_time() - cpu, time.monotonic() - wall,
                self.statements - statements)


def _blueprint(folder: pathlib.Path) -> None:
    """The Slurm blueprint, for machines that are not there."""
    document = yaml.safe_load(
        (ROOT / 'blueprints/slurm/blueprint.yaml').read_text())
    document['name'] = 'bench'
    groups = document['node_groups']
    document['infrastructure'] = {'fake': {'groups': {
        name: {} for name in groups}}}
    for name in ('compute_count', 'special_count'):
        document['parameters']['properties'][name]['maximum'] = 5000
    for group in groups.values():
        if group.get('max_count', 1) > 1:
            group['max_count'] = 5000
    place = folder / 'blueprints' / 'bench'
    place.mkdir(parents=True)
    (place / 'blueprint.yaml').write_text(yaml.safe_dump(document))


def main() -> None:
    """Measure each size once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--sizes', type=int, nargs='+', default=[100, 1000])
    args = parser.parse_args()
    print(f'load {os.getloadavg()[0]:.1f}', flush=True)
    each: dict[int, float] = {}
    with contextlib.ExitStack() as stack:
        bench = Bench(stack)
        # What is imported and compiled once is nobody's node.
        for size in (2, *args.sizes):
            cpu, wall, statements = bench.timed('', 'POST', '/v1/clusters', {
                'name': f'n{size}', 'blueprint': 'bench',
                'parameters': {'compute_count': size - 1}})
            each[size] = cpu / size
            more = bench.timed(
                f'n{size}', 'PATCH', f'/v1/clusters/n{size}',
                {'parameters': {'compute_count': size}})
            print(f'{size:5} nodes: {cpu:.2f} s CPU, {1000 * cpu / size:.1f} '
                  f'ms a node, {wall:.1f} s, {statements} statements; one '
                  f'more: {more[0]:.2f} s CPU, {more[1]:.1f} s, {more[2]} '
                  'statements', flush=True)
    small, large = args.sizes[0], args.sizes[-1]
    growth = each[large] / each[small]
    print(f'a node of {large} costs {growth:.2f}x one of {small} '
          f'({growth / GROWTH:.2f} of the limit {GROWTH}); one more on '
          f'{large}: {more[0] / ONE_MORE:.2f} of the limit {ONE_MORE:.0f} s')


if __name__ == '__main__':
    main()
