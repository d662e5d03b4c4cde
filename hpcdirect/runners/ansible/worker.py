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

"""The process in which a batch is played: ``python -m ... FOLDER``.

It waits for ``go`` on standard input, writes what happens to standard
output, a JSON object a line, and ends itself and all it started when
standard input ends: whoever listens has died then.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import threading
from typing import Any
from typing import TextIO

from hpcdirect import processes
from hpcdirect.runners.ansible import documents
from hpcdirect.runners.ansible import family
from hpcdirect.runners.ansible.fence import Fence
from hpcdirect.runners.ansible.message import sentence

_LONGEST_OUTPUT = 65536
_TOLD = {
    'runner_on_ok', 'runner_on_failed', 'runner_on_skipped',
    'runner_on_unreachable', 'playbook_on_play_start', 'playbook_on_stats'}
_SILENT = {'runner_on_start', 'playbook_on_stats', 'EOF'}


class Worker:
    """Plays the batch whose folder it is given."""

    def __init__(self, folder: str, output: TextIO) -> None:
        self._folder = pathlib.Path(folder)
        self._output = output
        self._plan = json.loads((self._folder / 'plan.json').read_text())
        self._fence = Fence.load(self._plan['fence'])
        self._lost: set[str] = set()

    def play(self, library: threading.Thread) -> None:
        """Let the batch in on the nodes, play it, tell the nodes.

        :param library: the thread that imports ansible_runner.
        """
        nodes = list(self._plan['hosts'])
        refused = self._fence.begin(nodes)
        for node, reason in refused.items():
            self._tell(kind='refused', node=node, message=reason)
        self._lost |= set(refused)
        self._tell(kind='admitted')
        library.join()
        for number, groups in enumerate(self._plan['segments']):
            if self._lost >= set(nodes):
                break
            self._run(number, groups)
        open_nodes = [node for node in nodes if node not in refused]
        left = self._fence.end(open_nodes)
        self._tell(kind='over', unclosed=sorted(left))

    def _run(self, number: int, groups: dict[str, list[str]]) -> None:
        import ansible_runner
        (self._folder / 'inventory').mkdir(mode=0o700, exist_ok=True)
        inventory = self._folder / f'inventory/{number}.yaml'
        inventory.write_text(documents.inventory(
            self._plan['hosts'], groups, self._lost), encoding='utf-8')
        self._tell(kind='segment', number=number)
        ended = ansible_runner.run(
            private_data_dir=str(self._folder), ident=f's{number}',
            playbook=f'site-{number}.yaml', inventory=str(inventory),
            event_handler=self._event, quiet=True, suppress_env_files=True,
            settings={'suppress_output_file': True, 'pexpect_timeout': 1})
        self._tell(kind='segment_over', status=ended.status, code=ended.rc)

    def _event(self, event: dict[str, Any]) -> bool:
        """Pass an event on, in short; False: it need not be stored."""
        name = event.get('event', '')
        output = event.get('stdout') or ''
        facts = event.get('event_data') or {}
        if name == 'playbook_on_stats':
            failed = {**(facts.get('failures') or {}),
                      **(facts.get('dark') or {})}
            self._lost |= {node for node, times in failed.items() if times}
            self._tell(kind='stats', failed=sorted(self._lost))
        if name in _SILENT or (not output and name not in _TOLD):
            return False
        self._tell(kind='event', event=name, output=_cut(output),
                   **_facts(name, facts))
        return False

    def _tell(self, **record: Any) -> None:
        self._output.write(json.dumps(record) + '\n')
        self._output.flush()


def _facts(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    result = facts.get('res') or {}
    told: dict[str, Any] = {
        'play': facts.get('play') or facts.get('name') or '',
        'task': facts.get('task') or '', 'path': facts.get('task_path') or ''}
    if not name.startswith('runner_'):
        return told
    told |= {'node': facts.get('host') or '',
             'seconds': facts.get('duration') or 0.0,
             'changed': bool(result.get('changed')),
             'ignored': bool(facts.get('ignore_errors'))}
    if name == 'runner_on_unreachable':
        told['said'] = str(result.get('msg') or '')
    elif name == 'runner_on_failed':
        told['said'] = sentence(result)
    return told


def _cut(output: str) -> str:
    text = output.replace('\r\n', '\n')
    if len(text) <= _LONGEST_OUTPUT:
        return text
    return f'{text[:_LONGEST_OUTPUT]}\n[... {len(text)} characters]'


def _import_library() -> None:
    import ansible_runner  # noqa: F401


def _watch() -> None:
    """End everything once the one who listens is gone."""
    while os.read(0, 1):
        pass
    family.end(os.getpid(), processes.started(os.getpid()), grace=1.0)
    os.killpg(os.getpgid(0), 9)


def main() -> None:
    """Run the batch of the folder that the command line names."""
    output = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    os.environ[family.MARK] = family.mark(
        os.getpid(), processes.started(os.getpid()))
    library = threading.Thread(target=_import_library, daemon=True)
    library.start()
    worker = Worker(sys.argv[1], output)
    if os.read(0, 3) != b'go\n':
        return
    threading.Thread(target=_watch, daemon=True).start()
    worker.play(library)
    output.flush()
    os._exit(0)


if __name__ == '__main__':
    main()
