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

"""Plays the elements of a blueprint with nothing but ansible-playbook.

The peer that our own runner is measured against, and the proof that a
blueprint stays of use without us: it writes an inventory and a site.yml after
the element author's guide, and starts ansible-playbook once.

    plain_ansible.py blueprints/slurm nodes.json --key KEY --work FOLDER \\
        --parameters '{"users": [...]}' apply [ELEMENT...]

nodes.json: [{"name": "head-0", "group": "head", "address": "10.0.0.2",
"host_key": "ssh-ed25519 AAAA..."}, ...]
"""

from __future__ import annotations

import argparse
import base64
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import time
from typing import Any

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from hpcdirect.blueprints import content
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import validate
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.planning import sizing

_CONFIG = """\
[defaults]
inventory = inventory.ini
forks = 32
gathering = explicit
library = {library}
host_key_checking = True
retry_files_enabled = False
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = True
control_path_dir = {work}/cp
ssh_args = -o ControlMaster=auto -o ControlPersist=120s \
-o UserKnownHostsFile={work}/known_hosts -o BatchMode=yes
"""

_SAID = re.compile(r'^(PLAY|TASK|RUNNING HANDLER) \[(.*)\] \**$'
                   r'|^(changed|ok|fatal|failed): \[([^\] ]+)')


@dataclasses.dataclass(frozen=True)
class Node:
    """A machine that is up.

    :param ssh_host: where it is reached, if not at its address.
    """

    name: str
    group: str
    address: str
    host_key: str
    ssh_host: str = ''
    ssh_port: int = 22

    @property
    def fact(self) -> dict[str, str]:
        """What other nodes' elements may know of it."""
        return {'name': self.name, 'address': self.address,
                'group': self.group, 'host_key': self.host_key}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a play went.

    :param changed: a line for each task that changed a node.
    """

    code: int
    seconds: float
    changed: tuple[str, ...]
    output: str


def library(uses: Iterable[ElementUse]) -> str:
    """Folders of the modules that elements share, as Ansible wants them."""
    return ':'.join(dict.fromkeys(
        str(use.element.folder.resolve().parent / content.MODULES)
        for use in uses))


class Plain:
    """One cluster, played by hand.

    :param work: a folder of its own; keeps secrets, so that a second play
        finds those of the first.
    :param prefix: a command to run ansible-playbook under, such as one that
        enters a network namespace.
    """

    def __init__(self, blueprint: pathlib.Path, work: pathlib.Path,
                 nodes: Iterable[Node], key: pathlib.Path,
                 given: Mapping[str, Any], prefix: Iterable[str] = (),
                 program: str = 'ansible-playbook') -> None:
        self.blueprint = validate.read_blueprint(blueprint)
        self.parameters = sizing.check(self.blueprint, given)
        self.nodes = sorted(nodes, key=lambda node: node.name)
        self.work, self.key = work.resolve(), key.resolve()
        self.command = [*prefix, program, 'site.yml']
        self.cluster = {'id': 'plain', 'name': 'plain',
                        'domain': 'plain.internal'}
        (self.work / 'secrets').mkdir(parents=True, exist_ok=True,
                                      mode=0o700)

    @property
    def uses(self) -> list[ElementUse]:
        """The elements that are switched on, in their order."""
        return [use for use in self.blueprint.elements
                if not use.when or self.parameters[use.when]]

    def play(self, verb: str, elements: Iterable[str] = (),
             on: Iterable[str] = (), leaving: Iterable[str] = ()) -> Outcome:
        """Play a verb of these elements, on these nodes; default is all.

        :param leaving: for drain and resume.
        """
        wanted = set(elements) or {use.element.name for use in self.uses}
        uses = [use for use in self.uses if use.element.name in wanted
                and use.element.can(verb)]
        if verb == 'revert':
            uses.reverse()
        self._write(verb, uses, set(on), set(leaving))
        began = time.monotonic()
        done = subprocess.run(
            self.command, cwd=self.work, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, 'ANSIBLE_CONFIG': f'{self.work}/ansible.cfg',
                 'ANSIBLE_NOCOLOR': '1', 'LC_ALL': 'C.UTF-8'})
        seconds = time.monotonic() - began
        return Outcome(done.returncode, seconds,
                       tuple(_changed(done.stdout)), done.stdout)

    def _write(self, verb: str, uses: list[ElementUse], on: set[str],
               leaving: set[str]) -> None:
        facts = {'cluster': self.cluster,
                 'members': [node.fact for node in self.nodes],
                 'volumes': [{'name': volume.name, 'mount': volume.mount,
                              'groups': list(volume.groups)}
                             for volume in self.blueprint.volumes]}
        if leaving:
            facts['leaving'] = [node.fact for node in self.nodes
                                if node.name in leaving]
        plays = []
        for use in uses:
            roles = {role: [node.fact for node in self._playing(use, role)]
                     for role in use.roles}
            plays.append({
                'import_playbook': str(use.element.playbook(verb)),
                'vars': {**self._variables(use),
                         'hpc': {**facts, 'roles': roles},
                         'hpc_secrets': self._secrets(use)}})
        (self.work / 'site.yml').write_text(yaml.safe_dump(plays))
        (self.work / 'ansible.cfg').write_text(
            _CONFIG.format(work=self.work, library=library(self.uses)))
        (self.work / 'inventory.ini').write_text(
            ''.join(self._inventory(uses, on)))
        (self.work / 'known_hosts').write_text(''.join(
            f'{_known(node)} {node.host_key}\n' for node in self.nodes))

    def _playing(self, use: ElementUse, role: str) -> list[Node]:
        return [node for node in self.nodes if node.group in use.roles[role]]

    def _variables(self, use: ElementUse) -> dict[str, Any]:
        outputs = {}
        for other in self.uses:
            for name, said in other.element.outputs.items():
                if isinstance(said, Mapping) and 'role' in said:
                    first = self._playing(other, said['role'])[0]
                    said = first.fact[said['fact']]
                outputs[f'{other.element.name}.{name}'] = said
        values = parameters.resolve(use.variables, self.parameters, outputs)
        return parameters.fill(use.element.parameters, values)

    def _secrets(self, use: ElementUse) -> dict[str, str]:
        files = {}
        for secret in use.element.secrets:
            file = self.work / 'secrets' / f'{use.element.name}.{secret.name}'
            if secret.kind == 'ssh-ca':
                if not file.exists():
                    _run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '',
                         '-C', 'host-ca', '-f', str(file))
                file = file.with_name(file.name + '.pub')
            elif not file.exists():
                file.touch(mode=0o600)
                file.write_text(
                    base64.b64encode(secrets.token_bytes(secret.bytes))
                    .decode() if secret.kind == 'random'
                    else secrets.token_urlsafe(24))
            files[secret.name] = str(file)
        return files

    def _inventory(self, uses: list[ElementUse], on: set[str]
                   ) -> Iterator[str]:
        for node in self.nodes:
            if on and node.name not in on:
                continue
            fact = {**node.fact, 'certificates': self._certificates(node)}
            yield (f'{node.name} ansible_host={node.ssh_host or node.address}'
                   f' ansible_port={node.ssh_port} ansible_user=root'
                   f' ansible_ssh_private_key_file={self.key}'
                   f" hpc_node='{json.dumps(fact)}'\n")
        groups = {group.name: [node for node in self.nodes
                               if node.group == group.name]
                  for group in self.blueprint.node_groups}
        for use in uses:
            for role in use.roles:
                name = f'{use.element.name}_{role}'.replace('-', '_')
                groups[name] = self._playing(use, role)
        for name, nodes in groups.items():
            yield f'[{name}]\n'
            for node in nodes:
                if not on or node.name in on:
                    yield f'{node.name}\n'

    def _certificates(self, node: Node) -> dict[str, str]:
        lines = {}
        for use in self.uses:
            self._secrets(use)
            for secret in use.element.secrets:
                if secret.kind == 'ssh-ca':
                    ca = (self.work / 'secrets'
                          / f'{use.element.name}.{secret.name}')
                    lines[secret.name] = self._certificate(ca, node)
        return lines

    def _certificate(self, ca: pathlib.Path, node: Node) -> str:
        public = self.work / 'secrets' / f'{node.name}.pub'
        signed = public.with_name(f'{node.name}-cert.pub')
        if not signed.exists() or public.read_text() != node.host_key + '\n':
            public.write_text(node.host_key + '\n')
            names = (node.name, f'{node.name}.{self.cluster["domain"]}',
                     node.address)
            _run('ssh-keygen', '-q', '-s', str(ca), '-I', node.name, '-h',
                 '-n', ','.join(names), '-V', '+520w', str(public))
        return signed.read_text().strip()


def _known(node: Node) -> str:
    host = node.ssh_host or node.address
    return host if node.ssh_port == 22 else f'[{host}]:{node.ssh_port}'


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _changed(output: str) -> Iterator[str]:
    """``node: play: task`` of every change."""
    play = task = ''
    for line in output.splitlines():
        said = _SAID.match(line)
        if not said:
            continue
        what, name, result, node = said.groups()
        if what == 'PLAY':
            play = name
        elif what:
            task = name
        elif result == 'changed':
            yield f'{node}: {play}: {task}'


def main() -> int:
    """Play, print what ansible-playbook printed, and a line of our own."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('blueprint', type=pathlib.Path)
    parser.add_argument('nodes', type=pathlib.Path)
    parser.add_argument('--key', type=pathlib.Path, required=True)
    parser.add_argument('--work', type=pathlib.Path, required=True)
    parser.add_argument('--parameters', type=json.loads, default={})
    parser.add_argument('--prefix', type=str.split, default=[])
    parser.add_argument('--program', default='ansible-playbook')
    parser.add_argument('--on', action='append', default=[])
    parser.add_argument('--leaving', action='append', default=[])
    parser.add_argument('verb', choices=['apply', 'revert', 'verify',
                                         'drain', 'resume'])
    parser.add_argument('elements', nargs='*')
    said = parser.parse_args()
    nodes = [Node(**one) for one in json.loads(said.nodes.read_text())]
    plain = Plain(said.blueprint, said.work, nodes, said.key,
                  said.parameters, said.prefix, said.program)
    outcome = plain.play(said.verb, said.elements, said.on, said.leaving)
    print(outcome.output)
    print(f'{said.verb}: code {outcome.code}, {outcome.seconds:.1f} s, '
          f'{len(outcome.changed)} changed')
    return outcome.code


if __name__ == '__main__':
    sys.exit(main())
