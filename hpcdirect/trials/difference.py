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

"""What differs between two snapshots of a node: pure, without a node."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import posixpath
import re
from typing import Any

from hpcdirect.trials.snapshot import Snapshot

#: What may stay of any element: what installing and running software at all
#: leaves on a Debian machine, and nobody can be told apart by. A path that
#: is listed, and all below it.
FIXED = (
    '/var/log',
    # apt's caches and lists
    '/var/cache/apt', '/var/lib/apt/lists', '/var/lib/apt/periodic',
    # what dpkg, debconf and ucf keep of their files as they were before
    '/var/lib/dpkg/*-old', '/var/cache/debconf/*-old',
    '/var/lib/ucf/hashfile.[0-9]', '/var/lib/ucf/registry.[0-9]',
    # where the dynamic linker finds libraries
    '/etc/ld.so.cache', '/var/cache/ldconfig/aux-cache')

#: What is not the element's: the runner's own folders, what any machine
#: writes while it runs, and databases of which the snapshot says itself
#: what is in them.
NOT_OF_IT = (
    '/root/.ansible', '/var/lib/hpcdirect/fence',
    '/var/lib/systemd/timers', '/var/lib/systemd/random-seed',
    '/var/lib/dpkg/status', '/var/lib/apt/extended_states',
    '/var/lib/dpkg/lock*',
    '/var/lib/dpkg/triggers/Lock')

#: How a change is told, by whether there was and is something.
_HOW = {(False, True): 'stays', (True, False): 'is gone',
        (True, True): 'differs'}


@dataclasses.dataclass(frozen=True, order=True)
class Trace:
    """One thing that is not as it was.

    :param kind: path, package, user, group, unit, mount, ...
    :param how: stays, is gone, differs.
    :param detail: what it was and is, or how much is below it.
    """

    kind: str
    name: str
    how: str
    detail: str = ''

    def __str__(self) -> str:
        kind = '' if self.kind == 'path' else f'{self.kind} '
        detail = f' ({self.detail})' if self.detail else ''
        return f'{kind}{self.name} {self.how}{detail}'


@dataclasses.dataclass(frozen=True)
class Remains:
    """What a revert left.

    :param left: what counts.
    :param data: paths that were to stay: ``data:`` of the element.
    """

    left: tuple[Trace, ...]
    data: tuple[str, ...] = ()


def between(before: Snapshot, after: Snapshot, data: Iterable[str] = (),
            allowed: Iterable[str] = (*FIXED, *NOT_OF_IT)) -> Remains:
    """What is there after that was not before, and the other way round.

    :param data: paths that survive a revert.
    :param allowed: patterns of paths that do not count.
    """
    passed, kept = below(allowed), below(data)
    # A folder on the way to what may stay: what else is in it counts.
    way = {parent for path in after.get('path', {}) if passed(path)
           or kept(path) for parent in _parents(path)}
    left: list[Trace] = []
    data_paths: list[Trace] = []
    for kind in sorted({*before, *after}):
        for change in _changes(kind, before.get(kind, {}),
                               after.get(kind, {})):
            if kind != 'path':
                left.append(change)
            elif kept(change.name):
                data_paths.append(change)
            elif not passed(change.name) and not (
                    change.how == 'stays' and change.name in way):
                left.append(change)
    return Remains(tuple(folded(left)), tuple(
        change.name for change in folded(data_paths)))


def below(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path is one of these, or is below one of them.

    :param patterns: paths; ``*`` in one stands for anything but a slash,
        ``[0-9]`` for a digit.
    """
    either = '|'.join(re.escape(pattern.rstrip('/')).replace(
        r'\*', '[^/]*').replace(r'\[0\-9\]', '[0-9]')
        for pattern in patterns)
    found = re.compile(f'(?:{either})(?:/.*)?', re.DOTALL)
    return lambda path: bool(either and found.fullmatch(path))


def _parents(path: str) -> Iterator[str]:
    while path not in ('/', ''):
        path = posixpath.dirname(path)
        yield path


def folded(changes: Iterable[Trace]) -> Iterator[Trace]:
    """The changes in order; a new folder stands for what is in it."""
    ordered = sorted(changes)
    tops = {(change.how, change.name) for change in ordered
            if change.kind == 'path' and change.how != 'differs'}
    count: dict[tuple[str, str], int] = {}
    shown = []
    for change in ordered:
        top = _top(change, tops)
        if top == change.name:
            shown.append(change)
        else:
            count[change.how, top] = count.get((change.how, top), 0) + 1
    for change in shown:
        number = count.get((change.how, change.name), 0)
        yield dataclasses.replace(change, detail=(
            f'with {number} more below')) if number else change


def _top(change: Trace, tops: set[tuple[str, str]]) -> str:
    """The highest folder that came or went along with a path."""
    top = change.name
    if change.kind != 'path' or change.how == 'differs':
        return top
    while (change.how, posixpath.dirname(top)) in tops:
        top = posixpath.dirname(top)
    return top


def _changes(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]
             ) -> Iterator[Trace]:
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if was == now or (was == ['entry'] and now is None):
            continue  # a backup that forgets an account is as it should be
        how = _HOW[was is not None, now is not None]
        detail = ''
        if how == 'differs':
            detail = (_of_path(was, now) if kind == 'path'
                      else f'{_short(was)}, now {_short(now)}')
        yield Trace(kind, name, how, detail)


def _of_path(was: Any, now: Any) -> str:
    """In what two descriptions of a path differ."""
    if was[0] != now[0]:
        return f'{was[0]}, now {now[0]}'
    parts = []
    for name, old, new in zip(('', 'mode', 'owner', 'group', 'content'),
                              was, now, strict=True):
        if old != new:
            said = f' {old:04o}, now {new:04o}' if name == 'mode' else (
                '' if name == 'content' and was[0] == 'file'
                else f' {old}, now {new}')
            parts.append(f'{name}{said}')
    return '; '.join(parts)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else f'{text[:57]}...'
