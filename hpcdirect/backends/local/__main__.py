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

"""Local machines by hand, for developers and for tools/quickstart.sh.

    python -m hpcdirect.backends.local up --slots head-0,compute-0 \\
        --packages slurmd --key KEYFILE.pub
    python -m hpcdirect.backends.local list | down | sweep

``sweep`` takes away everything under --state; ``down`` one cluster. ``up``
leaves a process behind, ``mirror``, that serves packages to the machines as
long as they are there; a service does that itself.
"""

from __future__ import annotations

import argparse
import fcntl
import pathlib
import subprocess
import sys
import time

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.backends import base
from hpcdirect.backends.local import LocalBackend
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.exception import BackendError


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog='python -m hpcdirect.backends.local')
    parser.add_argument('verb', choices=(
        'up', 'down', 'list', 'sweep', 'mirror'))
    parser.add_argument('--cluster', default='0' * 8)
    parser.add_argument('--slots', default='head-0')
    parser.add_argument('--packages', default='')
    parser.add_argument('--volume', action='append', default=[],
                        help='a path that all machines share')
    parser.add_argument('--key', type=pathlib.Path)
    parser.add_argument('--state', default='/var/lib/hpcdirect/by-hand')
    parser.add_argument('--cache', default='/var/cache/hpcdirect')
    given = parser.parse_args()
    conf = cfg.ConfigOpts()
    options.register_group(conf, 'local')
    conf([])
    conf.set_override('state_path', given.state, 'local')
    conf.set_override('cache_path', given.cache, 'local')
    backend = LocalBackend(conf)
    try:
        return _do(backend, given)
    except BackendError as exc:
        print(exc, file=sys.stderr)
        return 1
    finally:
        backend.close()


def _do(backend: LocalBackend, given: argparse.Namespace) -> int:
    if given.verb == 'sweep':
        backend.clear()
        return 0
    if given.verb == 'down':
        backend.delete(given.cluster)
        return 0
    if given.verb == 'mirror':
        return _serve(backend, pathlib.Path(given.state))
    if given.verb == 'up':
        names = given.slots.split(',')
        groups = {name: name.rpartition('-')[0] for name in names}
        backend.ensure(base.InfraRequest(
            given.cluster, 'by-hand', 'none',
            tuple(base.Slot(name, group) for name, group in groups.items()),
            {group: {'packages': [p for p in given.packages.split(',') if p]}
             for group in groups.values()},
            tuple(VolumeUse(f'v{number}', path, tuple(groups.values()))
                  for number, path in enumerate(given.volume)),
            given.key.read_text().strip() if given.key else ''))
        subprocess.Popen(
            [sys.executable, '-m', 'hpcdirect.backends.local', 'mirror',
             '--state', given.state, '--cache', given.cache],
            start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    infra = backend.observe(given.cluster)
    while given.verb == 'up' and infra.status == base.InfraStatus.CHANGING \
            and not any(machine.fault for machine in infra.machines):
        time.sleep(0.05)
        infra = backend.observe(given.cluster)
    for machine in infra.machines:
        print(machine.slot, machine.status, machine.address, machine.fault,
              machine.ssh.host_key if machine.ssh else '')
    return 0 if infra.status == base.InfraStatus.READY else 1


def _serve(backend: LocalBackend, state: pathlib.Path) -> int:
    """Serve packages while there are machines, unless another does."""
    with (state / 'mirror.lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        while backend.serve():
            time.sleep(2)
    return 0


if __name__ == '__main__':
    sys.exit(main())
