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

"""Lets one batch at a time work on a node, and never an older one.

Before Ansible begins, every node is asked to let the batch in (fence.sh
tells how). The connections stay open and Ansible uses them.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent import futures
import dataclasses
import pathlib
import random
import re
import shlex
import time
from typing import Any

from hpcdirect.runners.ansible import ssh

_SCRIPT = pathlib.Path(__file__).with_name('fence.sh')
_WIDTH = 32
#: What the script needs at most besides the wait for running commands: the
#: lock of the gate (20 s) and two waits for commands being ended (5 s each).
_SCRIPT_SECONDS = 35
#: Seconds before a connection that was closed is tried again; grows.
_PAUSE = 0.2
_CHANCE = random.SystemRandom()


@dataclasses.dataclass(frozen=True)
class Fence:
    """What is needed to ask nodes for a batch.

    :param config: path of the ssh client's configuration.
    :param path: folder on the nodes; ``{node}`` is the node's name.
    :param over: keys of earlier batches that are known to be over.
    :param wait: seconds to wait for an earlier batch's commands.
    :param connect: seconds within which a node has to answer.
    :param users: node -> user to log in as; others than root use sudo.
    :param wish: whose batch it is, ``str()`` of a Wish; nodes keep it.
    """

    config: str
    path: str
    epoch: int
    key: str
    over: tuple[str, ...]
    wait: int
    connect: int
    users: dict[str, str]
    wish: str = ''

    @classmethod
    def load(cls, values: dict[str, Any]) -> Fence:
        """What dataclasses.asdict() and JSON made of one."""
        return cls(**{**values, 'over': tuple(values['over'])})

    def shell(self, node: str) -> str:
        """The program by which this batch runs commands on a node."""
        return f'{self._folder(node)}/{self.epoch}-{self.key}/sh'

    def begin(self, nodes: Iterable[str]) -> dict[str, str]:
        """Ask nodes to let the batch in; node -> why not."""
        return self._each(nodes, 'begin', str(self.wait), self.wish,
                          *self.over)

    def end(self, nodes: Iterable[str]) -> dict[str, str]:
        """Tell nodes that the batch is over; node -> why it failed."""
        return self._each(nodes, 'end')

    def _folder(self, node: str) -> str:
        return self.path.replace('{node}', node)

    def _each(self, nodes: Iterable[str], action: str, *arguments: str
              ) -> dict[str, str]:
        script = _SCRIPT.read_bytes()
        names = list(nodes)
        if not names:
            return {}

        def ask(node: str) -> str:
            command = shlex.join([
                'sh', '-s', '--', action, self._folder(node),
                str(self.epoch), self.key, *arguments])
            if self.users[node] != 'root':
                command = f'sudo -n {command}'
            return self._ssh(node, command, script)

        with futures.ThreadPoolExecutor(min(_WIDTH, len(names))) as pool:
            answers = dict(zip(names, pool.map(ask, names), strict=True))
        return {node: answer for node, answer in answers.items() if answer}

    def _ssh(self, node: str, command: str, script: bytes) -> str:
        limit = 2 * self.connect + self.wait + _SCRIPT_SECONDS
        until, pause = time.monotonic() + self.connect, _PAUSE
        while True:
            try:
                code, said = ssh.ask(
                    ['-F', self.config, '-T', node, command],
                    ssh.Patience(limit), script)
            except TimeoutError:
                return f'{node} did not let the run in within {limit} s.'
            if code != 255:
                last = said.splitlines()[-1] if said else f'exit {code}'
                return f'{node}: {last}' if code else ''
            sentence, passes = explain(node, said, self.connect)
            # The script may have been at work: to be asked twice by the
            # same batch changes nothing.
            if not passes or time.monotonic() + pause > until:
                return sentence
            time.sleep(pause * _CHANCE.uniform(0.75, 1.25))
            pause *= 1.5


#: How the script begins to say that it has seen a newer wish.
_REPLAYED = re.compile(r'[^ ]+: replayed: ')

#: What ssh says -> what we say, and whether it may pass within moments: sshd
#: takes new settings (an element may have just brought them, on the node or
#: on the jump host), or has more callers at once than its MaxStartups.
#: The first that fits.
_SAYINGS = (
    ('Host key verification failed',
     '{node} does not show the host key that it was given (host key '
     'mismatch); somebody may be in between, or it was installed anew.',
     False),
    ('Permission denied', "{node} does not accept the cluster's ssh key.",
     False),
    ('Connection refused',
     '{node} refused the ssh connection: sshd does not run there.', True),
    ('No route to host', '{node} cannot be reached: no route to it.', False),
    ('Could not resolve', "{node}'s ssh address cannot be resolved.", False),
    ('timed out', '{node} did not answer ssh within {seconds} s.', False),
    ('Timeout, server', '{node} stopped answering ssh.', False),
    ('read from master failed', 'The ssh connection to {node} broke.', True),
    ('Broken pipe', 'The ssh connection to {node} broke.', True),
    ('closed by', '{node} closed the ssh connection.', True),
    ('Connection reset', '{node} closed the ssh connection.', True),
)


def is_replay(said: str) -> bool:
    """Whether a node has let a batch not in since it saw a newer wish."""
    return bool(_REPLAYED.match(said))


def explain(node: str, said: str, seconds: int) -> tuple[str, bool]:
    """A sentence for what ssh wrote when it failed.

    :param seconds: what the connection was allowed to take.
    :returns: the sentence, and whether the cause may pass within moments.
    """
    for words, sentence, passes in _SAYINGS:
        if words in said:
            return sentence.format(node=node, seconds=seconds), passes
    last = said.strip().splitlines()[-1:]
    if not last:
        # A reset while ssh sends its own banner is told at debug level only
        # (OpenSSH, kex.c, kex_exchange_identification).
        return f'{node} dropped the ssh connection; ssh says no more.', True
    return f'{node} cannot be reached by ssh: {last[0]}', False
