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

from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
import sys
import threading
from typing import Any
from typing import TextIO

from hpcdirect import processes
from hpcdirect.runners.ansible import caps
from hpcdirect.runners.ansible import documents
from hpcdirect.runners.ansible import family
from hpcdirect.runners.ansible.fence import Fence

#: Of the callback, which is loaded by Ansible alone.
PIPE = 'HPCDIRECT_EVENTS'
_CALLBACKS = pathlib.Path(__file__).with_name('callback')
#: Seconds to wait for the last lines of an ansible-playbook that has ended.
_LAST_LINES = 5.0
#: Characters of a line that is none of our callback's.
_LONGEST_LINE = 65536


class Worker:
    """Plays the batch whose folder it is given."""

    def __init__(self, folder: str, output: TextIO) -> None:
        self._folder = pathlib.Path(folder)
        self._output = output
        self._plan = json.loads((self._folder / 'plan.json').read_text())
        caps.limit(self._plan['memory'])
        self._fence = Fence.load(self._plan['fence'])
        self._lost: set[str] = set()
        self._lock = threading.Lock()

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
        with self._events() as pipe:
            ended = ansible_runner.run(
                private_data_dir=str(self._folder), ident=f's{number}',
                playbook=f'site-{number}.yaml', inventory=str(inventory),
                event_handler=self._event, quiet=True,
                suppress_env_files=True,
                # In files it would be read anew for each task and node.
                fact_cache_type='memory',
                envvars={'AWX_LIB_DIRECTORY': str(_CALLBACKS), PIPE: pipe},
                settings={'suppress_output_file': True, 'pexpect_timeout': 1})
        self._tell(kind='segment_over', status=ended.status, code=ended.rc)

    @contextlib.contextmanager
    def _events(self) -> Iterator[str]:
        """The pipe that our callback writes to; empty when it is left."""
        path = self._folder / 'events'
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        # Until this one is closed there is somebody who may write.
        writing = os.open(path, os.O_WRONLY)
        os.set_blocking(reading, True)
        thread = threading.Thread(target=self._pass_on, args=(reading,),
                                  daemon=True)
        thread.start()
        try:
            yield str(path)
        finally:
            os.close(writing)
            thread.join(_LAST_LINES)

    def _pass_on(self, reading: int) -> None:
        with os.fdopen(reading, encoding='utf-8', errors='replace') as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except ValueError:
                    # Of one that was killed; it must not fill the pipe.
                    continue
                if record['kind'] == 'stats':
                    self._lost |= set(record['failed'])
                    record['failed'] = sorted(self._lost)
                self._tell(**record)

    def _event(self, event: dict[str, Any]) -> bool:
        """Pass on what ansible-playbook says beside our callback.

        :returns: False: it need not be stored.
        """
        output = str(event.get('stdout') or '').replace('\r\n', '\n')
        if output:
            self._tell(kind='event', event='verbose', play='', task='',
                       path='', output=output[:_LONGEST_LINE])
        return False

    def _tell(self, **record: Any) -> None:
        # Bytes that are no UTF-8 come as lone surrogates, which neither the
        # database nor an answer of the API can hold.
        text = json.dumps(record, ensure_ascii=False)
        with self._lock:
            self._output.write(text.encode(errors='replace').decode() + '\n')
            self._output.flush()


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
