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

"""The commands that run in the bed's namespaces; see ``bed``."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from concurrent import futures
import contextlib
import signal
import sys
import time

from bedlib import cloud
from bedlib import config
from bedlib import databases
from bedlib import nodes
from bedlib import processes
from bedlib import services
from bedlib import settings
from bedlib.processes import BedError


@contextlib.contextmanager
def _phase(bed: settings.Bed, what: str) -> Iterator[None]:
    """Say what is done and, when it is, for how long it was."""
    print(f'{time.time() - bed.began:4.0f}s  {what}', end='', flush=True)
    begun = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f': {time.monotonic() - begun:.1f} s', flush=True)


def _start(bed: settings.Bed, names: Iterable[str]) -> None:
    """Start services all at once and wait until each answers."""
    wanted = [services.table(bed)[name] for name in names]
    for service in wanted:
        processes.start(bed, service)
    for service in wanted:
        processes.wait(bed, service)


def _start_in_order(bed: settings.Bed, names: Iterable[str]) -> None:
    """The same, but none before the one that it would wait for badly."""
    table = services.table(bed)
    names = list(names)
    for name in names:
        if table[name].after:
            processes.wait(bed, table[table[name].after])
        processes.start(bed, table[name])
    for name in names:
        processes.wait(bed, table[name])


def _stop(bed: settings.Bed, names: Iterable[str]) -> None:
    wanted = list(names)
    with futures.ThreadPoolExecutor(len(wanted) or 1) as pool:
        list(pool.map(lambda name: processes.stop(bed, name), wanted))


def _up(bed: settings.Bed) -> None:
    table = services.table(bed)
    with _phase(bed, 'configuration'):
        config.write(bed)
        databases.prepare(bed)
    with _phase(bed, 'database server'):
        # The others of them may come up meanwhile; RabbitMQ takes longest.
        for name in services.INFRASTRUCTURE:
            processes.start(bed, table[name])
        processes.wait(bed, table['mariadb'])
        databases.create(bed)
    populated = bed.data / 'populated'
    if not populated.exists():
        _populate(bed)
    # What waits for others leaves a core to the rest, so all come up at once.
    with _phase(bed, 'OpenStack and hpcdirect'), \
            futures.ThreadPoolExecutor(1) as pool:
        filled = pool.submit(databases.fill_hpcdirect, bed)
        ours = [name for name in table if name.startswith('hpcdirect')]
        _start_in_order(bed, [name for name in table if name not in ours])
        filled.result()
        _start_in_order(bed, ours)
        cloud.wait_for_heat(bed)
    if not populated.exists():
        with _phase(bed, 'networks, image and flavors'):
            cloud.resources(bed)
        populated.touch()
    with _phase(bed, f'{bed.nodes + bed.fake_nodes} machines in Ironic'):
        nodes.enrol(bed)
    with _phase(bed, 'machines in Nova'):
        nodes.wait_for_nova(bed)
    print(f'{time.time() - bed.began:4.0f}s  the bed {bed.name} is up; '
          'devstack/bed/bed exec openstack --os-cloud alice ...')


def _populate(bed: settings.Bed) -> None:
    """What the services do not start without."""
    with _phase(bed, 'tables'):
        databases.fill(bed)
    with _phase(bed, 'keystone, users and catalogue'):
        cloud.bootstrap(bed)
        _start(bed, ['memcached', 'keystone'])
        cloud.identities(bed)


def _down_to_data(bed: settings.Bed, names: list[str]) -> None:
    """Stop some services, or all, those last that others write to."""
    last = [] if names else list(services.INFRASTRUCTURE)
    if not names:
        names = [name for name in services.table(bed) if name not in last]
    with _phase(bed, f'stopping {len(names + last)} services'):
        _stop(bed, names)
        _stop(bed, [name for name in last if name != 'epmd'])
        # RabbitMQ asks it until the end.
        _stop(bed, [name for name in last if name == 'epmd'])


def _status(bed: settings.Bed) -> None:
    print(f'{"NAME":24}{"PID":>8}{"PORT":>7}  ALIVE')
    for name, service in services.table(bed).items():
        pid = processes.pid(bed, name)
        alive = 'no' if not pid else (
            'yes' if processes.answers(service) else 'does not answer')
        print(f'{name:24}{pid or "-":>8}{service.port or "-":>7}  {alive}')


def main(command: str, names: list[str]) -> int:
    """Carry out one command; 1 when something does not work."""
    bed = settings.read()
    unknown = [name for name in names if name not in services.table(bed)]
    try:
        if unknown:
            raise BedError(f'There is no service {", ".join(unknown)}; '
                           'see "bed status".')
        if command == 'up':
            _up(bed)
        elif command == 'stop':
            _down_to_data(bed, names)
        elif command == 'start':
            _start(bed, names)
        elif command == 'kill':
            for name in names:
                processes.signal_group(bed, name, signal.SIGKILL)
        elif command == 'status':
            _status(bed)
    except BedError as exc:
        print(f'bed: {exc}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2:]))
