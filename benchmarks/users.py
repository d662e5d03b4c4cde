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

"""How long one more user takes on a cluster that has many.

    users.py [--users 1000] [--nodes 10]

Real nodes of the local backend, the whole service; run it as root. The limit
that is aimed at, 15 s for one more, is printed beside.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service

LIMIT = 15


def timed(running: service.Service, users: dict[str, object]) -> float:
    """Seconds from asking for a change of users until all is verified."""
    begun = time.monotonic()
    answer = running.call('PATCH', '/v1/clusters/demo', {'users': users})
    if answer.status != 202:
        raise SystemExit(answer.text)
    cluster = running.settled('demo', seconds=3600)
    if cluster['status'] != 'ACTIVE':
        raise SystemExit(cluster['status_reason'])
    return time.monotonic() - begun


def main() -> None:
    """Make a cluster, then users; print what each change took."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--users', type=int, default=1000)
    parser.add_argument('--nodes', type=int, default=10)
    said = parser.parse_args()
    with contextlib.ExitStack() as stack:
        running = service.Service(
            backend='local', local={'network': '10.225.0.0/16'},
            DEFAULT={'debug': False})
        running.setUp()
        stack.callback(running.cleanUp)
        leftovers = nodes.Leftovers(running)
        leftovers.setUp()
        stack.callback(leftovers.cleanUp)
        running.start()
        running.create('demo', 'mpi', compute_count=said.nodes - 1,
                       monitoring=False)
        cluster = running.settled('demo', seconds=1800)
        if cluster['status'] != 'ACTIVE':
            raise SystemExit(cluster['status_reason'])
        many = {f'user{number}': {'keys': [public_keys.line(str(number))]}
                for number in range(said.users)}
        key = public_keys.line('one')
        for what, users in (
                (f'{said.users} users', many), ('one more', {'one': {
                    'keys': [key]}}),
                ('one switched off', {'one': {'state': 'off'}}),
                ('one taken off', {'one': None})):
            print(f'{what}: {timed(running, users):.1f} s '
                  f'on {said.nodes} nodes (aim for one: {LIMIT} s)',
                  flush=True)


if __name__ == '__main__':
    main()
