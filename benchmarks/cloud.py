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


"""From an order to an MPI job that is done, on OpenStack: us, and by hand.

    devstack/bed/bed exec python benchmarks/cloud.py [--runs 3]

By hand is `openstack stack create` of the same HOT, then ansible-playbook
with the same roles and settings, through the head. Both are done by the same
member of the same project in the same cloud, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import openstack

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import deploy
import plain_ansible

from hpcdirect.client import proxy

PARTS = ('machines', 'software', 'job')


class Ours:
    """An order at the public API."""

    name = 'hpcdirect'

    def __init__(self, cloud, keys: deploy.Keys, compute: int) -> None:
        self._api = proxy.attach(cloud)
        self._keys, self._compute = keys, compute

    def order(self) -> dict[str, float]:
        """One cluster; seconds by part, deleted again."""
        began = time.time()
        made = self._api.create_cluster(
            name='bench', blueprint='slurm', backend='heat',
            parameters={**self._keys.parameters(self._compute),
                        'home_from_site': True})
        while True:
            cluster = self._api.get_cluster(made.id)
            if cluster.status in ('ACTIVE', 'ERROR'):
                break
            time.sleep(0.5)
        if cluster.status != 'ACTIVE':
            raise SystemExit(cluster.status_reason)
        active, login = time.time(), cluster.login
        deploy.mpi_job(self._keys, login['address'], login['port'],
                       login['host_key'], self._compute)
        ended = time.time()
        steps = self._api.get_deployment(cluster.deployment['id']).steps
        up = max(deploy._moment(step['finished_at']) for step in steps
                 if step['kind'] == 'provision')
        self._api.delete_cluster(made.id)
        while True:
            try:
                self._api.get_cluster(made.id)
            except openstack.exceptions.NotFoundException:
                break
            time.sleep(1)
        return {'machines': up - began, 'software': active - up,
                'job': ended - active}


class Site(deploy.Site):
    """Plays through the head."""

    head = ''

    def _write(self, verb, uses, on, leaving):
        super()._write(verb, uses, on, leaving)
        (self.work / 'ssh_config').write_text(self.ssh_config())

    def ssh_config(self) -> str:
        """The head as jump host; keys are trusted at the first contact."""
        common = (
            '  BatchMode yes\n  IdentitiesOnly yes\n  LogLevel ERROR\n'
            f'  User root\n  IdentityFile {self.key}\n'
            '  StrictHostKeyChecking accept-new\n  ConnectTimeout 3\n'
            f'  UserKnownHostsFile {self.work}/known_hosts_new\n')
        return (f'Host {self.head}\n  ProxyJump none\n{common}'
                f'Host *\n  ProxyJump {self.head}\n{common}')


class ByHand:
    """openstack stack create, and ansible-playbook."""

    name = 'by hand'

    def __init__(self, cloud, keys: deploy.Keys, compute: int,
                 folder: pathlib.Path) -> None:
        self._cloud, self._keys = cloud, keys
        self._compute, self._folder = compute, folder
        self._count = 0

    def order(self) -> dict[str, float]:
        """One cluster; seconds by part, deleted again."""
        began = time.time()
        self._count += 1
        public = self._keys.root.with_suffix('.pub').read_text().strip()
        self._stack('create', '--wait', '--poll', '1', '-t',
                    str(deploy.BLUEPRINT / 'stack.yaml'),
                    '--parameter', f'public_key={public}',
                    '--parameter', f'compute_count={self._compute}', 'bench')
        try:
            return self._configure(began)
        finally:
            self._stack('delete', '--yes', '--wait', 'bench')

    def _configure(self, began: float) -> dict[str, float]:
        outputs = {one['output_key']: one['output_value'] for one in
                   self._cloud.orchestration.find_stack('bench').outputs}
        inside = {server.name: next(iter(
            one['addr'] for name, those in server.addresses.items()
            for one in those if name != 'phys'))
            for server in self._cloud.compute.servers()}
        site = Site(
            deploy.BLUEPRINT, self._folder / str(self._count), (),
            self._keys.root, {**self._keys.parameters(self._compute),
                              'home_from_site': True},
            program=str(pathlib.Path(sys.executable).with_name(
                'ansible-playbook')), forks=deploy.options().ansible.forks)
        site.head = outputs['head_address']
        config = site.work / 'ssh_config'
        config.write_text(site.ssh_config())
        site.nodes = [plain_ansible.Node(
            name, name.rpartition('-')[0], address,
            self._host_key(config, site.head if name == 'head-0'
                           else address),
            site.head if name == 'head-0' else '')
            for name, address in sorted(inside.items())]
        up = time.time()
        site.converge()
        played = time.time()
        head = next(node for node in site.nodes if node.name == 'head-0')
        deploy.mpi_job(self._keys, site.head, 22, head.host_key,
                       self._compute)
        return {'machines': up - began, 'software': played - up,
                'job': time.time() - played}

    def _host_key(self, config: pathlib.Path, address: str) -> str:
        """Wait until a machine lets us in; the key it has."""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            done = subprocess.run(
                ['ssh', '-F', config, address, 'cloud-init status --wait '
                 '> /dev/null; cat /etc/ssh/ssh_host_ed25519_key.pub'],
                capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if done.returncode == 0:
                return ' '.join(done.stdout.split()[:2])
            time.sleep(0.3)
        raise SystemExit(f'{address}: {done.stderr}')

    @staticmethod
    def _stack(*words: str) -> None:
        subprocess.run(
            [pathlib.Path(sys.executable).with_name('openstack'),
             '--os-cloud', 'alice', 'stack', *words], check=True,
            stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def main() -> int:
    """Take turns, then report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--compute', type=int, default=3)
    given = parser.parse_args()
    cloud = openstack.connect('alice')
    results: dict[str, list[dict[str, float]]] = {}
    print(f'{"":12}   total' + ''.join(f'{part:>10}' for part in PARTS)
          + '      load')
    with tempfile.TemporaryDirectory(prefix='hb-') as name:
        folder = pathlib.Path(name)
        keys = deploy.Keys(folder)
        for _ in range(given.runs):
            for peer in (Ours(cloud, keys, given.compute),
                         ByHand(cloud, keys, given.compute, folder)):
                load = os.getloadavg()[0]
                parts = peer.order()
                results.setdefault(peer.name, []).append(parts)
                print(f'{peer.name:12}{sum(parts.values()):8.1f}' + ''.join(
                    f'{parts[part]:10.1f}' for part in PARTS)
                    + f'{load:10.1f}', flush=True)
                # Nova sees a cleaned machine some seconds after Ironic.
                time.sleep(15)
    medians = {name: statistics.median(sum(run.values()) for run in runs)
               for name, runs in results.items()}
    print(json.dumps(medians))
    print(f'{Ours.name} / {ByHand.name}: '
          f'{medians[Ours.name] / medians[ByHand.name]:.2f}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
