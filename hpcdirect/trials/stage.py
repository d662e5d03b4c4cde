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

"""Elements played on the nodes of a trial, as a deployment would play them.

The same planning, facts, secrets and runner take part. Only the database
does not.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import subprocess
import time

from cryptography import fernet

from hpcdirect.blueprints.model import ElementUse
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.conductor import inputs
from hpcdirect.conductor.vault import Vault
from hpcdirect.db import models
from hpcdirect.db import recorded
from hpcdirect.exception import RunnerError
from hpcdirect.keys import KeyRing
from hpcdirect.planning import sizing
from hpcdirect.planning import wanted as wanting
from hpcdirect.planning.state import State
from hpcdirect.runners import base
from hpcdirect.runners.ansible import AnsibleRunner
from hpcdirect.runners.ansible import folder
from hpcdirect.trials import snapshot
from hpcdirect.trials.account import Played
from hpcdirect.trials.account import Recorder
from hpcdirect.trials.bed import Bed
from hpcdirect.trials.layout import Layout
from hpcdirect.trials.snapshot import Snapshot

# The lists of an image are good for a day.
_UPDATE = """
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
[ -n "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -1)" ] ||
  apt-get -qq update || exit
apt-get -qq -y -o Dpkg::Options::=--force-unsafe-io \
  -o Dpkg::Options::=--force-confold upgrade && apt-get clean
"""
_ARCHIVES = '/var/cache/apt/archives'
#: Seconds that a question to a node, or its updates, may take.
_PATIENCE = 600


class Stage:
    """The nodes of a bed and what stands on them.

    :param volumes: what all nodes share, whoever asks for it.
    """

    def __init__(self, bed: Bed, volumes: Iterable[VolumeUse]) -> None:
        self._bed = bed
        self._volumes = tuple(volumes)
        self._runner = AnsibleRunner(bed.conf)
        self._vault = Vault(KeyRing([fernet.Fernet.generate_key()]),
                            bed.cluster_id)
        self._cluster = models.Cluster(id=bed.cluster_id, name='trial',
                                       desired=State())
        self._standing: list[ElementUse] = []
        self._below: Layout | None = None
        #: Whether something is on the nodes that cannot be taken off.
        self.spoilt = False

    def boot(self, layout: Layout, say: Callable[[str], None]) -> None:
        """Have the nodes up, bare.

        What an element needs may need a newer version of what the image
        has. That is no doing of the element's, so it is done before.

        :raises BackendError: a node does not come up.
        """
        self._vault.complete(layout.blueprint(self._bed.compute, ()))
        self._bed.boot(self._vault.public_key, self._volumes)
        say('bringing the nodes up to date')
        self.everywhere(_UPDATE)

    # -- what things stand on ---------------------------------------------

    def lay(self, layout: Layout, say: Callable[[str], None]) -> None:
        """Have just what a trial stands on, on nodes that may have more.

        :raises RunnerError: it does not go on or off.
        """
        self._vault.complete(layout.blueprint(self._bed.compute, ()))
        wanted = [use for use in layout.uses
                  if use.element.name not in layout.judged]
        kept = [use for use in self._standing if use in wanted]
        # What is to stay must not stand on what is to go.
        gone = [use for use in self._standing if use not in kept]
        for use in reversed(gone):
            self._must(self._below, base.Verb.REVERT, use, say)
        self._below = layout
        for use in wanted:
            if use not in kept:
                self._must(layout, base.Verb.APPLY, use, say)
        self._standing = wanted

    def _must(self, layout: Layout | None, verb: base.Verb, use: ElementUse,
              say: Callable[[str], None]) -> None:
        if layout is None:
            return
        name = use.element.name
        (played,) = self.play(layout, (verb, [name]))
        say(f'{name}, below: {verb.value}: {played.seconds:.1f} s')
        for cause in played.failures:
            raise RunnerError(plugin='trial', reason=(
                f'{verb.value} of {name}, which another one stands on, '
                f'failed on {cause.node}, task "{cause.task}": '
                f'{cause.message}'))

    # -- verbs ------------------------------------------------------------

    def play(self, layout: Layout, *steps: tuple[base.Verb, Iterable[str]]
             ) -> list[Played]:
        """Play verbs of elements, in their order, in one process.

        :returns: how each of the steps went.
        :raises RunnerError: it could not be begun.
        """
        blueprint = layout.blueprint(self._bed.compute, self._volumes)
        members = recorded.members(self._bed.nodes)
        for use in layout.uses:
            self._vault.certify(use.element, members.values())
        wanted = wanting.build(blueprint, sizing.first(blueprint, {}),
                               members, self._vault.versions)
        tasks = [[self._task(wanted, verb, name) for name in names]
                 for verb, names in steps]
        flat = tuple(task for several in tasks for task in several
                     if task.nodes)
        touched = {node for task in flat for node in task.nodes}
        told = Recorder()
        began = time.monotonic()
        self._runner.carry_out(base.Batch(
            models.new_id(), self._bed.cluster_id, 1,
            inputs.hosts(self._bed.nodes, touched, blueprint, self._vault),
            flat, self._vault.private_key), told, lambda: False)
        played = []
        for several in tasks:
            runs = [task.run_id for task in several]
            played.append(told.played(runs, began))
            began += played[-1].seconds
        return played

    def _task(self, wanted: wanting.Wanted, verb: base.Verb, name: str
              ) -> base.Task:
        there = wanted.element(name)
        if there is None:
            raise RunnerError(plugin='trial',
                              reason=f'{name} is not in this trial.')
        return base.Task(
            models.new_id(), verb, there.element,
            {role: tuple(member.name for member in members)
             for role, members in there.members.items()},
            there.variables or {}, inputs.Facts(
                self._cluster, self._volumes, wanted).of_element(name),
            self._vault.values(there.element))

    # -- looking ----------------------------------------------------------

    def look(self, layout: Layout) -> dict[str, Snapshot]:
        """What is on each node now; waits for a boot to be over.

        :raises RunnerError: a node cannot be looked at.
        """
        secrets = {
            f'{use.element.name}.{secret.name}': value
            for use in layout.uses
            for secret, value in zip(
                use.element.secrets, self._vault.values(
                    use.element).values(), strict=True)
            if secret.kind != 'ssh-ca'}
        return {node: snapshot.read(said) for node, said
                in self.everywhere(snapshot.COMMAND,
                                    snapshot.program(secrets)).items()}

    def forget_downloads(self) -> None:
        """Have no package in apt's cache, so that new ones are seen."""
        self.everywhere(f'rm -f {_ARCHIVES}/*.deb')

    def downloads(self) -> tuple[int, int]:
        """Packages that were fetched since then, and their bytes."""
        sizes = [int(line) for said in self.everywhere(
            f"find {_ARCHIVES} -name '*.deb' -printf '%s\\n'").values()
            for line in said.split()]
        return len(sizes), sum(sizes)

    def operating_system(self) -> str:
        """What the nodes run, by its own name."""
        said = self.everywhere('. /etc/os-release; echo "$PRETTY_NAME"')
        return ', '.join(sorted({one.decode().strip()
                                 for one in said.values()}))

    def members(self) -> Mapping[str, str]:
        """Node -> its group."""
        return {node.name: node.group for node in self._bed.nodes}

    def everywhere(self, command: str, text: str = '') -> dict[str, bytes]:
        """What a command prints on each node."""
        hosts = tuple(base.Host(
            node.name, node.group, node.address, node.ssh['host'],
            node.ssh['port'], host_key=node.ssh['host_key'])
            for node in self._bed.nodes)
        kept = folder.of_contact(self._bed.conf, base.Batch(
            'look', self._bed.cluster_id, 1, hosts, (),
            self._vault.private_key))
        question = kept.path / 'question'
        try:
            question.touch(0o600)
            question.write_text(text)
            with contextlib.ExitStack() as stack:
                asked = {host.name: stack.enter_context(_ended(
                    subprocess.Popen(
                        ['ssh', '-F', str(kept.path / 'ssh_config'), host.name,
                         command],
                        stdin=stack.enter_context(question.open('rb')),
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)))
                    for host in hosts}
                return {name: _answer(name, process)
                        for name, process in asked.items()}
        finally:
            kept.remove()


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]
           ) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is no more when the block is left."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def _answer(node: str, process: subprocess.Popen[bytes]) -> bytes:
    """What a command printed that was begun on a node."""
    try:
        said, wrong = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired as exc:
        raise RunnerError(plugin='trial', reason=(
            f'{node} did not answer within {_PATIENCE} s.')) from exc
    if process.returncode:
        raise RunnerError(plugin='trial', reason=(
            f'{node} cannot be looked at: '
            f'{wrong.decode(errors="replace").strip()}'))
    return said
