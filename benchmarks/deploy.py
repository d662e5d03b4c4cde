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

"""From an order to an MPI job that is done: hpcdirect, and plain Ansible.

    deploy.py [--runs 5] [--compute 3]

Both boot the same machines with the same backend, play the same roles with
the same settings of Ansible, and run the same job over ssh. They take turns.
README.rst beside this file says what is compared. Needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import io
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid

import fixtures
from oslo_config import cfg
import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import plain_ansible
import usage

from hpcdirect.backends import base
from hpcdirect.backends.local import LocalBackend
import hpcdirect.conf
from hpcdirect.planning.state import State
from hpcdirect.runners.ansible import family
from hpcdirect.runners.ansible import folder as runner_folder
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import rabbitmq
from hpcdirect.tests.functional import service

BLUEPRINT = service.ROOT / 'blueprints' / 'slurm'
PARTS = ('boot', 'start', 'apply', 'verify', 'job', 'rest')
NETWORKS = {'hpcdirect': '10.219.0.0/16', 'plain': '10.220.0.0/16'}
MARK = 'deploy.py: verify begins'

# What the service comes with, where that of the tests has other values.
DEFAULTS = {
    'DEFAULT': {'debug': False},
    'api': {'response_validation': 'ignore'},
    'conductor': {'scan_interval': 1.0, 'gather_seconds': 1.0,
                  'lease_seconds': 10.0},
}

JOB = """\
set -e
tar x
job=$(sbatch --parsable -N {count} job.sh)
while [ -n "$(squeue -h -j $job)" ]; do sleep 0.1; done
cat ring-$job.out
"""


@dataclasses.dataclass(frozen=True)
class Result:
    """One order, carried out.

    :param parts: seconds, by the names of PARTS.
    :param cpu: seconds of CPU of conductor, backend and Ansible; those of
        the machines are not in it.
    :param ansible: those of Ansible and its ssh.
    :param own: the conductor's own, from the first run to the last.
    :param load: that of this machine when it began.
    """

    seconds: float
    parts: dict[str, float]
    cpu: float
    ansible: float
    own: float
    load: float


class Keys:
    """ssh keys of the machines' root and of their user."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.root = folder / 'root'
        self.alice = folder / 'alice'
        for file in (self.root, self.alice):
            subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '',
                            '-f', file], check=True)

    def parameters(self, compute: int) -> dict:
        """What is asked of the blueprint."""
        return {'compute_count': compute, 'users': [
            {'name': 'alice', 'keys': [_public(self.alice)]}]}


def _public(file: pathlib.Path) -> str:
    return file.with_suffix('.pub').read_text().strip()


def mpi_job(keys: Keys, address: str, port: int, host_key: str,
            compute: int) -> None:
    """The example of the blueprint, on all compute nodes."""
    known = keys.alice.with_name('known_hosts')
    name = address if port == 22 else f'[{address}]:{port}'
    known.write_text(f'{name} {host_key}\n')
    files = io.BytesIO()
    with tarfile.open(fileobj=files, mode='w') as tar:
        for file in sorted((BLUEPRINT / 'examples').iterdir()):
            tar.add(file, file.name)
    done = subprocess.run(
        ['ssh', '-F', '/dev/null', '-i', keys.alice, '-p', str(port),
         '-o', f'UserKnownHostsFile={known}', '-o', 'BatchMode=yes',
         '-o', 'StrictHostKeyChecking=yes', '-o', 'IdentitiesOnly=yes',
         f'alice@{address}', JOB.format(count=compute)],
        input=files.getvalue(), capture_output=True, check=False)
    out = done.stdout.decode()
    ranks = 2 * compute
    right = f'right: ring {ranks * (ranks - 1) // 2},'
    nodes = {line.rpartition(' ')[2] for line in out.splitlines()
             if line.startswith('rank ')}
    if done.returncode or right not in out or len(nodes) != compute:
        raise SystemExit(f'The job failed:\n{out}{done.stderr.decode()}')


# -- hpcdirect ------------------------------------------------------------

class Pair(service.Service):
    """An API and a conductor, processes of their own.

    :ivar conductor: the process that does a conductor's work; its parent,
        the one that was started, only waits for it.
    """

    def _setUp(self) -> None:
        super()._setUp()
        self.program = service.program('api')
        self.prepare()

    def start(self, **environment: str) -> Pair:
        """Both, and wait until they are known."""
        super().start(**environment)
        parent = self.begin('conductor')
        local_bed.wait_for(lambda: 'hpcdirect-conductor' in [
            one['binary'] for one in self.get(
                '/v1/services', user='admin-ours')['services']],
            why=self.log)
        self.conductor = family.descendants(parent.pid)[1]
        return self


class Ours:
    """A service that lives through all runs, as services do."""

    name = 'hpcdirect'

    def __init__(self, keys: Keys, compute: int) -> None:
        self._keys, self._compute = keys, compute

    @contextlib.contextmanager
    def ready(self):
        """The service runs."""
        with rabbitmq.RabbitMQ() as broker, Pair(
                backend='local', **{**DEFAULTS, 'DEFAULT': {
                    **DEFAULTS['DEFAULT'], 'transport_url': broker.url}},
                local={'network': NETWORKS[self.name]}) as self._service:
            self._service.start()
            try:
                yield self
            finally:
                self._delete()

    def order(self) -> Result:
        """One cluster, from POST to the end of the job; deleted again."""
        load, began = os.getloadavg()[0], time.time()
        with usage.Meter(self._service.conductor) as meter:
            self._service.create(**self._keys.parameters(self._compute))
            cluster = self._service.settled()
        if cluster is None or cluster['status'] != 'ACTIVE':
            raise SystemExit(f'{cluster}\n{self._service.log()}')
        active, login = time.time(), cluster['login']
        mpi_job(self._keys, login['address'], login['port'],
                login['host_key'], self._compute)
        ended = time.time()
        parts = self._parts(cluster['deployment']['id'], began)
        parts['job'] = ended - active
        parts['rest'] = ended - began - sum(parts.values())
        self._delete()
        before, after = meter.at(began), meter.at(active)
        first = began + parts['boot'] + parts['start']
        played = meter.at(first)
        verified = meter.at(first + parts['apply'] + parts['verify'])
        return Result(ended - began, parts, sum(after) - sum(before),
                      after[1] - played[1], verified[0] - played[0], load)

    def _parts(self, deployment: str, began: float) -> dict[str, float]:
        """Where the time went, from the steps and runs as recorded.

        Steps overlap where nodes do not wait for each other: a part ends
        when the last step of its kind does.
        """
        steps = self._service.get(f'/v1/deployments/{deployment}')['steps']
        ends = {kind: max(_moment(step['finished_at']) for step in steps
                          if step['kind'] == kind)
                for kind in ('provision', 'apply', 'verify')}
        first = min(_moment(run['started_at']) for run in self._service.get(
            f'/v1/runs?deployment={deployment}&limit=1000')['runs'])
        first = max(first, ends['provision'])
        return {'boot': ends['provision'] - began,
                'start': first - ends['provision'],
                'apply': ends['apply'] - first,
                'verify': ends['verify'] - ends['apply']}

    def _delete(self) -> None:
        answer = self._service.call('DELETE', '/v1/clusters/demo')
        if answer.status == 202:
            self._service.settled()


def _moment(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


# -- plain Ansible --------------------------------------------------------

class Site(plain_ansible.Plain):
    """Apply and verify in one site, with the settings our runner has."""

    def __init__(self, *args: object, forks: int, **more: object) -> None:
        super().__init__(*args, **more)
        self.forks = forks
        self.marks: dict[str, float] = {}

    def _write(self, verb, uses, on, leaving):
        site = self.work / 'site.yml'
        super()._write('verify', uses, on, leaving)
        verify = yaml.safe_load(site.read_text())
        super()._write('apply', uses, on, leaving)
        apply = yaml.safe_load(site.read_text())
        site.write_text(yaml.safe_dump([*apply, {
            'name': MARK, 'hosts': 'all', 'gather_facts': False,
            'tasks': []}, *verify]))
        conf, modules = options(), plain_ansible.library(self.uses)
        (self.work / 'ansible.cfg').write_text(
            runner_folder._CONFIG.format(
                folder=self.work, forks=self.forks,
                task_timeout=conf.ansible.task_timeout,
                connect_timeout=conf.ansible.connect_timeout)
            .replace('[defaults]', '[defaults]\ninventory = inventory.ini\n'
                     f'library = {modules}')
            .replace('enable_plugins = yaml', 'enable_plugins = ini'))
        (self.work / 'c').mkdir(exist_ok=True)
        (self.work / 'ssh_config').write_text(
            'Host *\n  BatchMode yes\n  IdentitiesOnly yes\n'
            '  StrictHostKeyChecking yes\n  GSSAPIAuthentication no\n'
            '  PreferredAuthentications publickey\n'
            f'  UserKnownHostsFile {self.work}/known_hosts\n')

    def converge(self) -> None:
        """Play it; ``marks`` tells when what began."""
        uses = [use for use in self.uses if use.element.can('apply')]
        self._write('apply', uses, set(), set())
        output = []
        with subprocess.Popen(
                self.command, cwd=self.work, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env={
                    **os.environ, 'LC_ALL': 'C.UTF-8',
                    'ANSIBLE_CONFIG': f'{self.work}/ansible.cfg'}) as play:
            for line in play.stdout:
                output.append(line)
                if line.startswith('PLAY ['):
                    self.marks.setdefault('apply', time.time())
                if line.startswith(f'PLAY [{MARK}]'):
                    self.marks['verify'] = time.time()
                if line.startswith('PLAY RECAP'):
                    self.marks['recap'] = time.time()
        if play.returncode:
            raise SystemExit(''.join(output))


class Plain:
    """Machines by the backend alone, then ansible-playbook, once."""

    name = 'plain'

    def __init__(self, keys: Keys, compute: int) -> None:
        self._keys, self._compute = keys, compute
        self._slots = [base.Slot('head-0', 'head'), *(
            base.Slot(f'compute-{number}', 'compute')
            for number in range(compute))]

    @contextlib.contextmanager
    def ready(self):
        """The backend is there."""
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix='hb-'))
        conf = options()
        conf.set_override('state_path', str(self._folder / 'local'), 'local')
        conf.set_override('network', NETWORKS[self.name], 'local')
        self._backend = LocalBackend(conf)
        try:
            yield self
        finally:
            self._backend.clear()
            self._backend.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def order(self) -> Result:
        """One cluster, from the boot to the end of the job; deleted."""
        load, ident = os.getloadavg()[0], str(uuid.uuid4())
        site = self._site(ident)
        pid, began = os.getpid(), time.time()
        cpu = usage.cpu(pid, children=True)
        machines = self._boot(ident, site)
        booted, ansible = time.time(), usage.cpu(pid, children=True)
        site.nodes = [plain_ansible.Node(
            machine.slot, machine.slot.rpartition('-')[0], machine.address,
            machine.ssh.host_key, machine.ssh.host, machine.ssh.port)
            for machine in machines]
        site.converge()
        played = time.time()
        spent = usage.cpu(pid, children=True)
        head = next(machine.ssh for machine in machines
                    if machine.slot == 'head-0')
        mpi_job(self._keys, head.host, head.port, head.host_key,
                self._compute)
        ended = time.time()
        self._backend.delete(ident)
        self._wait(ident, base.InfraStatus.GONE)
        marks = site.marks
        return Result(ended - began, {
            'boot': booted - began, 'start': marks['apply'] - booted,
            'apply': marks['verify'] - marks['apply'],
            'verify': marks['recap'] - marks['verify'],
            'job': ended - played, 'rest': played - marks['recap']},
            spent - cpu, spent - ansible, 0.0, load)

    def boot(self) -> None:
        """Machines come and go, so that all caches are warm."""
        ident = str(uuid.uuid4())
        self._boot(ident, self._site(ident))
        self._backend.delete(ident)
        self._wait(ident, base.InfraStatus.GONE)

    def _site(self, ident: str) -> Site:
        """What somebody without us would have written before."""
        return Site(
            BLUEPRINT, self._folder / ident[:8], (), self._keys.root,
            self._keys.parameters(self._compute),
            program=str(pathlib.Path(sys.executable).with_name(
                'ansible-playbook')), forks=options().ansible.forks)

    def _boot(self, ident: str, site: Site) -> list[base.Machine]:
        self._backend.ensure(base.request_for(
            site.blueprint, State(parameters=site.parameters), 'local',
            self._slots, cluster_id=ident, cluster_name='plain',
            project_id='none', public_key=_public(self._keys.root)))
        return self._wait(ident, base.InfraStatus.READY)

    def _wait(self, ident: str, status: base.InfraStatus):
        while True:
            infra = self._backend.observe(ident)
            if infra.status == status:
                return infra.machines
            faults = [machine.fault for machine in infra.machines
                      if machine.fault]
            if faults:
                raise SystemExit('\n'.join(faults))
            time.sleep(0.05)


def options() -> cfg.ConfigOpts:
    """A configuration of defaults."""
    conf = cfg.ConfigOpts()
    hpcdirect.conf.register_group(conf, 'local')
    hpcdirect.conf.register_group(conf, 'ansible')
    conf([])
    return conf


# -- both -----------------------------------------------------------------

def line(name: str, result: Result) -> str:
    """A line of the table."""
    return f'{name:14}{result.seconds:6.1f}' + ''.join(
        f'{value:8.1f}' for value in (
            *(result.parts[part] for part in PARTS), result.cpu,
            result.ansible, result.own, result.load))


def report(results: dict[str, list[Result]]) -> None:
    """Medians, where the time goes, and the ratio."""
    print('\nmedians')
    medians = {name: Result(
        statistics.median(run.seconds for run in runs),
        {part: statistics.median(run.parts[part] for run in runs)
         for part in PARTS},
        statistics.median(run.cpu for run in runs),
        statistics.median(run.ansible for run in runs),
        statistics.median(run.own for run in runs),
        statistics.median(run.load for run in runs))
        for name, runs in results.items()}
    for name, median in medians.items():
        print(line(name, median))
    ours, plain = medians[Ours.name], medians[Plain.name]
    print(f'\n{Ours.name} / {Plain.name}: '
          f'time {ours.seconds / plain.seconds:.2f}, '
          f'cpu {ours.cpu / plain.cpu:.2f}, '
          f'Ansible {ours.ansible / plain.ansible:.2f} (spread of plain '
          f'{_spread(results[Plain.name]):.2f}); '
          f'own / Ansible {ours.own / ours.ansible:.2f}')


def _spread(runs: list[Result]) -> float:
    """The dearest of the runs over the cheapest."""
    costs = [run.ansible for run in runs]
    return max(costs) / min(costs)


def main() -> int:
    """Take turns, then report."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--compute', type=int, default=3)
    given = parser.parse_args()
    if os.geteuid() != 0:
        parser.error('machines need root')
    results: dict[str, list[Result]] = {Ours.name: [], Plain.name: []}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(fixtures.TempDir())
        keys = Keys(pathlib.Path(folder.path))
        ours = stack.enter_context(Ours(keys, given.compute).ready())
        plain = stack.enter_context(Plain(keys, given.compute).ready())
        plain.boot()
        print(f'{"":15}total' + ''.join(
            f'{name:>8}' for name in (
                *PARTS, 'cpu', 'ansible', 'own', 'load')))
        for number in range(given.runs):
            for each in (ours, plain)[::-1 if number % 2 else 1]:
                result = each.order()
                results[each.name].append(result)
                print(line(each.name, result), flush=True)
    report(results)
    return 0


if __name__ == '__main__':
    sys.exit(main())
