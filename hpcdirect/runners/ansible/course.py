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

"""Follows a batch from what its worker tells to what the listener hears.

Whether a failure counts is known late: a block may rescue it. A task's end
is told at once when nothing failed in it, and otherwise as soon as each of
its failures is either outlived (the node takes part in a later task) or
counted in Ansible's final statistics.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable
import dataclasses
import re
from typing import Any

from hpcdirect.runners.ansible import fence
from hpcdirect.runners.ansible import folder
from hpcdirect.runners.ansible import message
from hpcdirect.runners.ansible.redaction import Redaction
from hpcdirect.runners.base import Batch
from hpcdirect.runners.base import Cause
from hpcdirect.runners.base import Listener
from hpcdirect.runners.base import Result
from hpcdirect.runners.base import Task
from hpcdirect.runners.base import TaskEvent
from hpcdirect.runners.base import TaskOutcome

_RESULTS = {'runner_on_failed': Result.FAILED,
            'runner_on_skipped': Result.SKIPPED,
            'runner_on_unreachable': Result.UNREACHABLE}
_INDEX = re.compile(r'/project/(\d+)-[^/]+/')
# What ansible-playbook says before it gives up because one of the processes
# that it forks was killed (ansible/plugins/strategy/__init__.py).
_DEAD = 'A worker was found in a dead state'
#: Lines of output that are remembered to find a reason in.
_SAID = 1000


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a course has to know of how the batch is played.

    :param project: folder whose path is left out of what is told.
    :param connect_timeout: seconds that a connection may take.
    :param output: characters of output that are told of each task.
    """

    project: str
    connect_timeout: int
    output: int


@dataclasses.dataclass
class _Leg:
    """What is known of one task of the batch.

    :param doubted: node -> why it failed, unless that was rescued.
    :param failed: node -> why it failed, for certain.
    :param seen: nodes of which anything was heard in this task.
    :param over: nothing more will be heard of it.
    :param output: characters told of it so far.
    :param notes: node -> what its owner is to know.
    """

    task: Task
    begun: bool = False
    over: bool = False
    told: bool = False
    changed: int = 0
    output: int = 0
    seen: set[str] = dataclasses.field(default_factory=set)
    doubted: dict[str, Cause] = dataclasses.field(default_factory=dict)
    failed: dict[str, Cause] = dataclasses.field(default_factory=dict)
    untouched: set[str] = dataclasses.field(default_factory=set)
    notes: dict[str, str] = dataclasses.field(default_factory=dict)


class Course:
    """Takes the worker's records one by one.

    ``started``: the worker was let go. ``over``: it said that all was done.
    ``unclosed``: nodes that could not be told that the batch is over.
    """

    def __init__(self, batch: Batch, listener: Listener, redact: Redaction,
                 setting: Setting) -> None:
        self._legs = [_Leg(task) for task in batch.tasks]
        self._segments = folder.segments(batch.tasks)
        self._listener = listener
        self._redact = redact
        self._setting = setting
        self._project = setting.project
        self._segment: list[int] = []
        self._current = 0
        self._complete = False
        self._failed_nodes: set[str] = set()
        self._said: collections.deque[str] = collections.deque(maxlen=_SAID)
        self._died = False
        self.unclosed: list[str] = []
        self.started = False
        self.over = False

    def take(self, record: dict[str, Any]) -> None:
        """One record of the worker's."""
        getattr(self, f'_take_{record["kind"]}')(record)

    def finish(self, reason: str = '', died: bool = False) -> None:
        """Tell the end of every task of which it was not told.

        :param reason: why the batch was cut short; '' when it was not.
        :param died: it was because the process that plays it was killed.
        """
        self._died |= died
        if reason and not any(leg.begun for leg in self._legs):
            self._begin(0)
        for leg in self._legs:
            if leg.told:
                continue
            leg.failed |= leg.doubted
            leg.doubted = {}
            rest = [node for node in leg.task.nodes
                    if node not in leg.failed]
            if not leg.begun:
                leg.untouched |= set(rest)
            elif reason and not leg.over:
                self._fail(leg, rest, reason)
            leg.over = True
        self._tell_ends()

    def _take_refused(self, record: dict[str, Any]) -> None:
        node, text = record['node'], self._redact(record['message'])
        first = True
        for leg in self._legs:
            if node not in leg.task.nodes:
                continue
            leg.failed[node] = Cause(node, 'reach the node', text, True,
                                     fence.is_replay(text))
            if first:
                self._listener.progress(TaskEvent(
                    leg.task.run_id, node, 'reach the node',
                    Result.UNREACHABLE, 0.0, text, f'{text}\n'))
            first = False

    def _take_admitted(self, record: dict[str, Any]) -> None:
        lost = {node for leg in self._legs for node in leg.failed}
        if all(lost.issuperset(leg.task.nodes) for leg in self._legs):
            for number, leg in enumerate(self._legs):
                self._begin(number)
                leg.over = True
            self._tell_ends()

    def _take_segment(self, record: dict[str, Any]) -> None:
        self._segment = self._segments[record['number']]
        self._complete = False
        self._failed_nodes = set()
        self._said.clear()
        self._reach(self._segment[0])

    def _take_event(self, record: dict[str, Any]) -> None:
        if record['play'] == folder.LAST_PLAY:
            self._complete = True
            return
        found = _INDEX.search(record.get('path', ''))
        if found:
            self._reach(int(found[1]))
        output = self._redact(record['output']).replace(
            f'{self._project}/', '')
        self._said += output.splitlines()[:50]
        output = self._cut_output(output)
        if 'node' in record:
            self._result(record, output)
        elif output:
            self._listener.progress(TaskEvent(
                self._legs[self._current].task.run_id,
                output=f'{output}\n'))

    def _cut_output(self, output: str) -> str:
        """An output as far as the task may still tell some."""
        leg = self._legs[self._current]
        left = self._setting.output - leg.output
        leg.output += len(output)
        if len(output) <= left:
            return output
        return '' if left < 0 else (
            f'{output[:left]}\n[... more than {self._setting.output} '
            'characters; the rest of the output is left out]')

    def _result(self, record: dict[str, Any], output: str) -> None:
        leg, node = self._legs[self._current], record['node']
        changed = Result.CHANGED if record['changed'] else Result.OK
        result = _RESULTS.get(record['event'], changed)
        said = message.complete(record.get('said', ''), self._said)
        if result is Result.UNREACHABLE:
            said, _passes = fence.explain(
                node, said, self._setting.connect_timeout)
        said = self._redact(said)
        self._outlive(node)
        leg.seen.add(node)
        leg.changed += result is Result.CHANGED
        if record.get('note'):
            leg.notes[node] = self._redact(record['note'])
            said = said or leg.notes[node]
        task = self._redact(str(record['task']))
        if result in (Result.FAILED, Result.UNREACHABLE
                      ) and not record['ignored']:
            # A rescued failure keeps no place in the order.
            leg.doubted.pop(node, None)
            leg.doubted[node] = Cause(
                node, task, said, result is Result.UNREACHABLE)
        self._listener.progress(TaskEvent(
            leg.task.run_id, node, task, result, float(record['seconds']),
            said, f'{output}\n' if output else '', record['ignored']))

    def _outlive(self, node: str) -> None:
        """A node at work in a task has not failed in an earlier one."""
        for leg in self._legs[:self._current]:
            leg.doubted.pop(node, None)
        self._tell_ends()

    def _take_stats(self, record: dict[str, Any]) -> None:
        self._failed_nodes = set(record['failed'])

    def _take_segment_over(self, record: dict[str, Any]) -> None:
        legs = [self._legs[number] for number in self._segment]
        if not self._complete and (record['code'] is None or any(
                _DEAD in line for line in self._said)):
            # ansible-playbook was killed and so has no code (pexpect tells
            # the signal elsewhere), or one of its forks was.
            self._died = True
        if not any(leg.seen for leg in legs) and record['code'] != 0:
            text = message.problem(self._said, self._project)
            for number, leg in zip(self._segment, legs, strict=True):
                self._begin(number)
                self._fail(leg, leg.task.nodes, text)
        # In the order in which they failed: the first is told as the cause.
        doubted = dict.fromkeys(node for leg in legs for node in leg.doubted)
        for node in [*(node for node in doubted if node in
                       self._failed_nodes),
                     *sorted(self._failed_nodes - doubted.keys())]:
            self._settle(node, legs)
        for leg in legs:
            leg.doubted = {}
        self._leave_out(legs)
        self._tell_ends()

    def _settle(self, node: str, legs: list[_Leg]) -> None:
        """A node failed in this segment: for the last reason heard."""
        if any(node in leg.failed for leg in self._legs):
            return
        for leg in reversed(legs):
            if node in leg.doubted:
                leg.failed[node] = leg.doubted[node]
                return
        self._fail(self._legs[self._current], [node],
                   'Ansible counted it as failed without a reason.')

    def _leave_out(self, legs: list[_Leg]) -> None:
        """Close a segment's tasks; see who was not reached in them."""
        lost: dict[str, Cause] = {}
        for number, leg in zip(self._segment, legs, strict=True):
            leg.untouched |= {node for node in leg.task.nodes
                              if node in lost and node not in leg.failed}
            lost |= leg.failed
            if not self._complete and number >= self._current:
                self._cut(leg, lost)
            elif not leg.begun:
                self._begin(number)
            leg.over = True

    def _cut(self, leg: _Leg, lost: dict[str, Cause]) -> None:
        """Ansible went no further: all nodes of one play had failed."""
        first = next(iter(lost.values()), None)
        why = f'{first.node}: {first.message}' if first else 'it ended early'
        rest = [node for node in leg.task.nodes
                if node not in leg.failed and node not in leg.untouched]
        self._fail(leg, [node for node in rest if node in leg.seen],
                   f'Not finished here, because of {why}')
        leg.untouched |= {node for node in rest if node not in leg.seen}

    def _take_over(self, record: dict[str, Any]) -> None:
        self.unclosed = record['unclosed']
        self.over = True

    def _reach(self, number: int) -> None:
        if number > self._current:
            for leg in self._legs[self._current:number]:
                leg.over = True
            self._current = number
        for each in range(number + 1):
            self._begin(each)

    def _begin(self, number: int) -> None:
        leg = self._legs[number]
        if not leg.begun:
            self._tell_ends()
            leg.begun = True
            self._listener.begun(leg.task.run_id)

    def _fail(self, leg: _Leg, nodes: Iterable[str], text: str) -> None:
        for node in nodes:
            leg.failed.setdefault(node, Cause(node, '', text))

    def _tell_ends(self) -> None:
        """Tell the ends that are certain, in the order of the tasks."""
        lost: set[str] = set()
        for leg in self._legs:
            if leg.told:
                lost |= set(leg.failed)
                continue
            if not leg.over or leg.doubted:
                return
            leg.told = True
            untouched = [node for node in leg.task.nodes
                         if node not in leg.failed
                         and (node in leg.untouched or node in lost)]
            lost |= set(leg.failed)
            self._listener.ended(TaskOutcome(
                leg.task.run_id,
                tuple(node for node in leg.task.nodes
                      if node not in leg.failed and node not in untouched),
                dict(leg.failed), tuple(untouched), leg.changed,
                died=self._died, notes=dict(leg.notes)))
