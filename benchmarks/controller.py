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


"""What a run costs the controller, beside plain ansible-playbook.

The same elements are applied and verified on the same nodes, by our runner
and by ansible-playbook as an administrator would call it, with the same
settings, by turns. Counted is the CPU time of all processes on this side.

    controller.py [--nodes 20 50 200] [--rounds 5]

With ``--nodes`` the connection is none: ``ssh`` is a program that swallows
what it is sent and answers that all is well. What is left is what Ansible
and we do: inventory, templates, forks, results.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

from cryptography import fernet
from oslo_config import cfg
import plain_ansible
import yaml

from hpcdirect import conf as options
from hpcdirect.blueprints import load
from hpcdirect.blueprints import validate
from hpcdirect.conductor import inputs
from hpcdirect.conductor.vault import Vault
from hpcdirect.db import models
from hpcdirect.db import recorded
from hpcdirect.keys import KeyRing
from hpcdirect.planning import sizing
from hpcdirect.planning import wanted as wanting
from hpcdirect.planning.state import NOTHING
from hpcdirect.runners import base
from hpcdirect.runners.ansible import AnsibleRunner
from hpcdirect.runners.ansible import folder as runner_folder
from hpcdirect.states import NodeStatus

#: Answers any module; quick, since it is started for each task and node.
_SSH = """\
#!/bin/sh
[ -t 0 ] || cat > /dev/null
printf '%s\\n' '{"changed": false, "rc": 0, "stdout": "1\\n1", "stderr": "", \
"files": [], "running": []}'
"""
_KEY = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4cLqUWEC5EzQ7tPiHyUFNSrrEQgsX'
        'CeVkXwKV0Pyzt')
_GIVEN: dict[str, Any] = {
    'monitoring': False, 'users': [{'name': 'eve', 'keys': [_KEY]}]}


@dataclasses.dataclass
class Round:
    """CPU seconds of one play, and how many results it had."""

    cpu: float
    wall: float
    results: int


class Counter(base.Listener):
    """Counts results, as a conductor would write them down."""

    def __init__(self) -> None:
        self.results = 0
        self.failed: dict[str, Any] = {}

    def starting(self, process: base.Process) -> None:
        """Nothing to record."""

    def progress(self, progress: base.TaskEvent) -> None:
        """One more."""
        self.results += progress.result is not None

    def begun(self, run_id: str) -> None:
        """Nothing to record."""

    def ended(self, outcome: base.TaskOutcome) -> None:
        """Remember what failed."""
        self.failed |= outcome.failed


def slurm(count: int) -> tuple[Any, list[models.Node], dict[str, Any]]:
    """The blueprint, a cluster's nodes, and its parameters."""
    path = ROOT / 'blueprints/slurm'
    found = load.load_blueprint(path, validate.Finder(
        validate.default_search(path)))
    names = ['head-0', *(f'compute-{number}' for number in range(count - 1))]
    nodes = [models.Node(
        name=name, group=name.rpartition('-')[0], incarnation=1,
        status=NodeStatus.UP, address=f'10.{number >> 8}.{number & 255}.1',
        ssh={'host': f'10.{number >> 8}.{number & 255}.1', 'port': 22,
             'user': 'root', 'via': '', 'host_key': _KEY})
        for number, name in enumerate(names)]
    return found, nodes, {**_GIVEN, 'compute_count': count - 1}


def ours(count: int, work: pathlib.Path) -> Round:
    """The batch that the conductor would have our runner carry out."""
    blueprint, nodes, given = slurm(count)
    vault = Vault(KeyRing([fernet.Fernet.generate_key()]), 'c')
    vault.complete(blueprint)
    members = recorded.members(nodes)
    values = sizing.check(blueprint, given)
    uses = [use for use in blueprint.elements
            if not use.when or values[use.when]]
    for use in uses:
        vault.certify(use.element, members.values())
    wanted = wanting.build(blueprint, sizing.first(blueprint, given),
                           members, vault.versions)
    cluster = models.Cluster(id='c', name='bench', desired=NOTHING)
    tasks = []
    for verb in (base.Verb.APPLY, base.Verb.VERIFY):
        for use in uses:
            there = wanted.element(use.element.name)
            if there is None or not use.element.can(verb):
                continue
            tasks.append(base.Task(
                models.new_id(), verb, there.element,
                {role: tuple(member.name for member in those)
                 for role, those in there.members.items()},
                there.variables or {}, inputs.Facts(
                    cluster, blueprint.volumes, wanted
                ).of_element(use.element.name),
                vault.values(there.element)))
    conf = cfg.ConfigOpts()
    options.register_group(conf, 'ansible')
    conf([], default_config_files=[])
    conf.set_override('work_path', str(work / 'w'), 'ansible')
    conf.set_override('forks', 16, 'ansible')
    runner, told = AnsibleRunner(conf), Counter()
    batch = base.Batch(
        models.new_id(), 'c', 1, inputs.hosts(
            nodes, {node.name for node in nodes}, blueprint, vault),
        tuple(tasks), vault.private_key)
    cpu, began = _cpu(), time.monotonic()
    runner.carry_out(batch, told, lambda: False)
    if told.failed:
        raise SystemExit(f'ours: {told.failed}')
    return Round(_cpu() - cpu, time.monotonic() - began, told.results)


class Site(plain_ansible.Plain):
    """Apply and verify in one site, with the settings our runner has."""

    def write(self) -> None:
        """Put everything in place."""
        site = self.work / 'site.yml'
        uses = [use for use in self.uses if use.element.can('apply')]
        self._write('verify', uses, set(), set())
        library = next(line for line in (
            self.work / 'ansible.cfg').read_text().splitlines()
            if line.startswith('library'))
        verify = yaml.safe_load(site.read_text())
        self._write('apply', uses, set(), set())
        site.write_text(yaml.safe_dump([
            *yaml.safe_load(site.read_text()), *verify]))
        (self.work / 'ansible.cfg').write_text(runner_folder._CONFIG.format(
            folder=self.work, forks=16, task_timeout=3600,
            connect_timeout=10).replace(
                '[defaults]', f'[defaults]\ninventory = inventory.ini\n'
                f'{library}').replace(
                    'enable_plugins = yaml', 'enable_plugins = ini'))
        (self.work / 'c').mkdir(exist_ok=True)
        (self.work / 'ssh_config').touch()


def plain(count: int, work: pathlib.Path) -> Round:
    """ansible-playbook, once."""
    _, nodes, given = slurm(count)
    site = Site(ROOT / 'blueprints/slurm', work, [
        plain_ansible.Node(node.name, node.group, node.address, _KEY)
        for node in nodes], work / 'key', given)
    site.write()
    cpu, began = _cpu(), time.monotonic()
    done = subprocess.run(
        site.command, cwd=work, text=True, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, 'ANSIBLE_CONFIG': f'{work}/ansible.cfg',
             'LC_ALL': 'C.UTF-8'})
    results = sum(line.startswith(('ok: ', 'changed: ', 'skipping: ['))
                  or 'fatal: ' in line for line in done.stdout.splitlines())
    if done.returncode:
        raise SystemExit(done.stdout)
    return Round(_cpu() - cpu, time.monotonic() - began, results)


def _cpu() -> float:
    """CPU seconds of this process and of all that it has waited for."""
    return sum(used.ru_utime + used.ru_stime for used in map(
        resource.getrusage, (resource.RUSAGE_SELF,
                             resource.RUSAGE_CHILDREN)))


def _one(name: str, count: int) -> Round:
    """A round in a process of its own."""
    with tempfile.TemporaryDirectory(prefix='hb-', dir='/dev/shm') as folder:
        work = pathlib.Path(folder)
        program = work / 'bin/ssh'
        program.parent.mkdir()
        program.write_text(_SSH)
        program.chmod(0o755)
        (work / 'key').touch()
        done = subprocess.run(
            [sys.executable, __file__, '--one', name, str(count), folder],
            check=True, stdout=subprocess.PIPE, text=True, env={
                **os.environ, 'PATH': f'{program.parent}:'
                f'{pathlib.Path(sys.executable).parent}:'
                f'{os.environ["PATH"]}'})
    return Round(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Play by turns, and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--nodes', type=int, nargs='+',
                        default=[20, 50, 200])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--one', nargs=3, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.one:
        name, count, folder = said.one
        found = {'ours': ours, 'plain': plain}[name](
            int(count), pathlib.Path(folder))
        print(json.dumps(dataclasses.asdict(found)))
        return
    for count in said.nodes:
        rounds: dict[str, list[Round]] = {'plain': [], 'ours': []}
        for number in range(said.rounds):
            for name in sorted(rounds, reverse=bool(number % 2)):
                rounds[name].append(_one(name, count))
        _print(count, rounds)


def _print(count: int, rounds: dict[str, list[Round]]) -> None:
    middle = {}
    for name, those in rounds.items():
        cpu = [one.cpu for one in those]
        middle[name] = statistics.median(cpu)
        print(f'{count} nodes, {name}: {" ".join(f"{one:.1f}" for one in cpu)}'
              f' CPU s, spread {max(cpu) / min(cpu):.2f}, {those[0].results} '
              f'results, {1000 * middle[name] / those[0].results:.1f} ms each')
    print(f'{count} nodes: ours / plain {middle["ours"] / middle["plain"]:.2f}'
          f', load {os.getloadavg()[0]:.1f}', flush=True)


if __name__ == '__main__':
    main()
