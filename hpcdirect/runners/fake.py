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

"""A runner that runs nothing: it tells what a real one would tell.

A task's parameters say how it goes: ``fake_delay`` seconds of work,
``fake_fail`` a list of nodes on which it fails, or of ``VERB NODE``,
``fake_say`` what is told of each node, and ``fake_events`` that apply tells
``count`` results for its nodes by turns, ``rate`` in a second, or fewer when
the file ``until`` is there before.
"""

from __future__ import annotations

from collections.abc import Callable
import os
import time

from oslo_config import cfg

from hpcdirect.runners import base

_POLL = 0.1
_STOPPED = 'The run was stopped.'


class FakeRunner(base.ElementRunner):
    """Carries elements out in imagination."""

    name = 'fake'

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def carry_out(self, batch: base.Batch, listener: base.Listener,
                  stopped: Callable[[], bool]) -> None:
        """Tell of the batch as if it were done."""
        listener.starting(base.Process(os.getpid(), 0, 'fake'))
        lost: set[str] = set()
        over = False
        for task in batch.tasks:
            if over:
                listener.ended(base.TaskOutcome(
                    task.run_id, (), {}, task.nodes))
                continue
            listener.begun(task.run_id)
            over = not _waited(
                float(task.variables.get('fake_delay', 0)), stopped)
            over = over or not _told(task, listener, lost, stopped)
            outcome = self._outcome(task, listener, lost, over)
            lost |= set(outcome.failed)
            listener.ended(outcome)

    def stop(self, process: base.Process) -> None:
        """Nothing was left running."""

    def _outcome(self, task: base.Task, listener: base.Listener,
                 lost: set[str], over: bool) -> base.TaskOutcome:
        told = f'{task.verb} {task.element.name}'
        said = str(task.variables.get('fake_say', ''))
        failing = set(task.variables.get('fake_fail', ()))
        failed: dict[str, base.Cause] = {}
        for node in task.nodes:
            if node in lost:
                continue
            if over or failing & {node, f'{task.verb} {node}'}:
                reason = _STOPPED if over else said or 'It was told to fail.'
                failed[node] = base.Cause(node, told, reason)
            listener.progress(_progress(task, node, told, failed.get(node),
                                        said))
        succeeded = tuple(node for node in task.nodes
                          if node not in lost and node not in failed)
        return base.TaskOutcome(
            task.run_id, succeeded, failed,
            tuple(node for node in task.nodes if node in lost),
            changed=len(succeeded))


def _progress(task: base.Task, node: str, told: str,
              cause: base.Cause | None, said: str = '') -> base.TaskEvent:
    result = base.Result.FAILED if cause else base.Result.CHANGED
    said = cause.message if cause else said
    return base.TaskEvent(task.run_id, node, told, result, 0.0, said,
                          f'{result}: [{node}] {said}'.rstrip() + '\n')


def _told(task: base.Task, listener: base.Listener, lost: set[str],
          stopped: Callable[[], bool]) -> bool:
    """Whether all the events asked for were told, without a wish to stop.

    The clock is kept from the first one on: what is late is told at once, so
    the rate holds on the whole. Each tells its number on its node.
    """
    asked = task.variables.get('fake_events') or {}
    nodes = [node for node in task.nodes if node not in lost]
    if task.verb is not base.Verb.APPLY or not asked or not nodes:
        return True
    begun = time.monotonic()
    for number in range(int(asked['count'])):
        if os.path.exists(asked.get('until', '')):
            break
        ahead = number / float(asked['rate']) - (time.monotonic() - begun)
        if ahead > 0 and not _waited(ahead, stopped):
            return False
        listener.progress(_progress(
            task, nodes[number % len(nodes)],
            f'event {number // len(nodes)}', None))
    return True


def _waited(seconds: float, stopped: Callable[[], bool]) -> bool:
    """Whether the time went by without a wish to stop."""
    limit = time.monotonic() + seconds
    while not stopped():
        left = limit - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(_POLL, left))
    return False
