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

"""What ansible-playbook tells the worker: a short line for each event.

ansible-runner loads the callback of this name and brings one itself, which
passes on every result whole, encoded twice. For most of them nothing but
"ok" is of interest, so this one takes its place (``AWX_LIB_DIRECTORY``).
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import default

from hpcdirect.runners.ansible.message import sentence
from hpcdirect.runners.ansible.message import shorten

DOCUMENTATION = """
name: awx_display
type: stdout
short_description: Tells the worker of hpcdirect what happens
description: [Each event is a line of JSON in a pipe.]
extends_documentation_fragment: [default_callback, result_format_callback]
"""

#: Environment variable with the path of the pipe.
PIPE = 'HPCDIRECT_EVENTS'
#: A line of a task's output that begins so is for the cluster's owner.
_NOTE = 'hpcdirect-note:'
#: Characters of output that are told of one event.
_LONGEST_OUTPUT = 65536


def _note(result: dict[str, Any]) -> dict[str, str]:
    """What a task prints for the cluster's owner; nothing of most."""
    said = [line.removeprefix(_NOTE).strip() for line
            in str(result.get('stdout') or '').splitlines()
            if line.startswith(_NOTE)]
    return {'note': shorten('; '.join(said))} if said else {}


class _Screen:
    """Keeps what Ansible would show, for the next line."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._said: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def display(self, msg: Any, *_args: Any, **options: Any) -> None:
        """As Ansible's; what is for its log only is left out."""
        if not options.get('log_only'):
            self._said.append(str(msg))

    def banner(self, msg: Any, *_args: Any, **_options: Any) -> None:
        """As Ansible's."""
        text = str(msg).strip()
        self._said.append(f'\n{text} {"*" * max(3, 79 - len(text))}')

    def taken(self) -> str:
        """What was said since the last time."""
        text, self._said = '\n'.join(self._said), []
        if len(text) <= _LONGEST_OUTPUT:
            return text
        return f'{text[:_LONGEST_OUTPUT]}\n[... {len(text)} characters]'


class CallbackModule(default.CallbackModule):
    """Says what the default one says, and what the worker has to know."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'stdout'
    CALLBACK_NAME = 'awx_display'

    def __init__(self) -> None:
        super().__init__()
        self._screen = _Screen(getattr(self, '_display'))  # noqa: B009
        self._display = self._screen
        self._began: dict[tuple[str, str], float] = {}
        self._name = ''
        self._lines = os.fdopen(os.open(
            os.environ[PIPE], os.O_WRONLY), 'w', encoding='utf-8')

    def _tell(self, **record: Any) -> None:
        json.dump(record, self._lines)
        self._lines.write('\n')
        self._lines.flush()

    def _happened(self, event: str, **facts: Any) -> None:
        """Tell of an event, if there is something to tell."""
        output = self._screen.taken().strip('\n')
        if output or facts:
            self._tell(**{'kind': 'event', 'event': event, 'play': self._name,
                          'task': '', 'path': '', 'output': output, **facts})

    def _ended(self, event: str, result: Any, **facts: Any) -> None:
        """Tell how a task went on a node."""
        task, node = result._task, result._host.get_name()
        began = self._began.pop((node, task._uuid), None)
        self._happened(
            event, task=task.name or task.action, path=task.get_path(),
            node=node, seconds=time.monotonic() - began if began else 0.0,
            **{'changed': bool(result._result.get('changed')),
               'ignored': False, **facts})

    # -- what Ansible calls -----------------------------------------------

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A play begins."""
        self._name = play.get_name().strip()
        super().v2_playbook_on_play_start(play)
        self._happened('playbook_on_play_start', path='')

    def v2_playbook_on_task_start(self, task: Any, is_conditional: Any
                                  ) -> None:
        """A task begins, on all nodes."""
        super().v2_playbook_on_task_start(task, is_conditional)
        self._happened('playbook_on_task_start', path=task.get_path())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler begins, on all nodes."""
        super().v2_playbook_on_handler_task_start(task)
        self._happened('playbook_on_task_start', path=task.get_path())

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """A task begins on a node."""
        self._began[host.get_name(), task._uuid] = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task went well on a node."""
        # As above.
        note = _note(result._result)
        super().v2_runner_on_ok(result)
        self._ended('runner_on_ok', result, **note)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False
                            ) -> None:
        """A task failed on a node."""
        # What is above takes the turns of a loop out of the result.
        said = sentence(result._result)
        super().v2_runner_on_failed(result, ignore_errors)
        self._ended('runner_on_failed', result, said=said,
                    ignored=bool(ignore_errors))

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task was not for a node."""
        super().v2_runner_on_skipped(result)
        self._ended('runner_on_skipped', result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A node did not answer."""
        super().v2_runner_on_unreachable(result)
        self._ended('runner_on_unreachable', result,
                    said=str(result._result.get('msg') or ''))

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """One turn of a loop went well."""
        super().v2_runner_item_on_ok(result)
        self._happened('runner_item_on_ok')

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """One turn of a loop failed."""
        super().v2_runner_item_on_failed(result)
        self._happened('runner_item_on_failed')

    def v2_runner_retry(self, result: Any) -> None:
        """A task is tried again."""
        super().v2_runner_retry(result)
        self._happened('runner_retry')

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """All is over."""
        failed = {node for kind in (stats.failures, stats.dark)
                  for node, times in kind.items() if times}
        self._screen.taken()
        self._tell(kind='stats', failed=sorted(failed))
