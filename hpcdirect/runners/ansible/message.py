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

"""Makes a sentence of what Ansible says about a task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_LONGEST = 500
_TELLING = ('E: ', 'dpkg: error', 'Err:', 'No package ', 'Error: ', 'Job for ')
_GENERIC = ('non-zero return code', 'MODULE FAILURE', 'Module failed',
            'One or more items failed', 'Task failed: Module failed')
HIDDEN = 'The result is hidden, because it may hold a secret (no_log).'


def sentence(result: dict[str, Any]) -> str:
    """Why a task failed, from its result, at most 500 characters."""
    if 'censored' in result:
        return HIDDEN
    for item in result.get('results') or ():
        if isinstance(item, dict) and (item.get('failed')
                                       or item.get('unreachable')):
            return shorten(f'item {_item(item)}: {sentence(item)}')
    said = str(result.get('msg') or '').strip()
    streams = [str(result.get(name) or '') for name in
               ('stderr', 'module_stderr', 'stdout', 'module_stdout')]
    telling = _telling([said, *streams])
    if telling:
        return shorten('; '.join(telling))
    if said and not said.startswith(_GENERIC):
        return shorten(said)
    for stream in streams:
        lines = stream.strip().splitlines()
        if lines:
            return shorten(f'{_code(result)}{lines[-1]}')
    return shorten(f'{_code(result)}{said}') or 'The task failed.'


def complete(said: str, lines: Iterable[str]) -> str:
    """A sentence with what was behind it, where only the output tells that.

    Since ansible-core 2.19 the cause of "Error executing command." is in no
    field of the result, but on the line that the user sees.

    :param lines: what was written before and with the result.
    """
    if not said.startswith('Error executing command.'):
        return said
    for line in reversed(list(lines)):
        _, found, cause = line.partition('Error executing command: ')
        if found:
            return shorten(f'Error executing command: {cause}')
    return said


def shorten(text: str) -> str:
    """One line of at most 500 characters."""
    line = ' '.join(text.split())
    return line if len(line) <= _LONGEST else f'{line[:_LONGEST - 1]}…'


def problem(lines: Iterable[str], project: str) -> str:
    """The first error in what ansible-playbook wrote before any task.

    :param project: folder whose path is left out of file names.
    """
    said = [line.replace(f'{project}/', '').strip() for line in lines]
    for number, line in enumerate(said):
        for start in ('[ERROR]:', 'ERROR!'):
            if line.startswith(start):
                rest = [line.removeprefix(start).strip()]
                rest += said[number + 1:number + 8]
                return shorten(_error(rest))
    shown = [line for line in said if line]
    return shorten(shown[-1]) if shown else 'Ansible ended without a word.'


def _error(lines: list[str]) -> str:
    """The error and where it is, of the lines that Ansible wrote of it."""
    words: list[str] = []
    for line in lines:
        if line.startswith('Origin:'):
            return f'{line.removeprefix("Origin:").strip()}: ' \
                   f'{" ".join(words)}'
        if not line and len(words) > 1:
            break
        words.append(line)
    return ' '.join(words)


def _telling(texts: list[str]) -> list[str]:
    """The lines by which apt, dpkg and dnf say what went wrong."""
    lines = [line[line.index(start):].strip()
             for text in texts for line in text.splitlines()
             for start in _TELLING
             if line.startswith(start) or f': {start}' in line]
    return list(dict.fromkeys(lines))[:3]


def _item(result: dict[str, Any]) -> str:
    label = result.get('_ansible_item_label', result.get('item', '?'))
    return str(label) if isinstance(label, str | int) else repr(label)[:80]


def _code(result: dict[str, Any]) -> str:
    code = result.get('rc')
    return f'exit code {code}: ' if code else ''
