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

"""A batch of steps carried out by a runner, told to the ledger as it goes."""

from __future__ import annotations

import collections
from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import threading
import time
from typing import Any

from hpcdirect.conductor import failures
from hpcdirect.conductor.inputs import BatchOrder
from hpcdirect.conductor.inputs import Line
from hpcdirect.db import models
from hpcdirect.db.held_layers import Closing
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.run_writer import RunEnd
from hpcdirect.failpoints import failpoint
from hpcdirect.planning.wanted import LayerKey
from hpcdirect.runners import base
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus

#: Results of a task that did not do what it was to do.
BAD = (base.Result.FAILED, base.Result.UNREACHABLE)
_FLUSH_SECONDS, _FLUSH_EVENTS = 0.25, 200
#: So many characters are written at a time; a database takes no statement of
#: any length.
_FLUSH_TEXT = 1 << 20


class Journal:
    """Collects events and log text, and writes them in batches."""

    def __init__(self, ledger: Ledger, order: BatchOrder,
                 lines: Mapping[str, Line]) -> None:
        self._ledger = ledger
        self._order = order
        self._lines = lines
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []
        self._logs: dict[str, str] = {}
        self._summaries: dict[str, dict[str, dict[str, int]]] = {}
        self._last = 0.0
        self._size = 0

    def add(self, progress: base.TaskEvent) -> None:
        """Keep one thing for the next write."""
        with self._lock:
            if progress.output:
                self._logs[progress.run_id] = self._logs.get(
                    progress.run_id, '') + progress.output
            if progress.result is not None:
                self._events.append(self._event(progress))
                counts = self._summaries.setdefault(
                    progress.run_id, {}).setdefault(progress.node, {})
                counts[progress.result] = counts.get(progress.result, 0) + 1
                self._size += len(progress.message)
            self._size += len(progress.output)
            full = (len(self._events) >= _FLUSH_EVENTS
                    or self._size >= _FLUSH_TEXT)
        self.flush(due_only=not full)

    def flush(self, due_only: bool = False) -> None:
        """Write what is there; with *due_only* not more often than needed."""
        with self._lock:
            now = time.monotonic()
            if not (self._events or self._logs) or (
                    due_only and now - self._last < _FLUSH_SECONDS):
                return
            events, logs = self._events, self._logs
            touched = {*logs, *(event['run_id'] for event in events)}
            self._events, self._logs, self._last = [], {}, now
            self._size = 0
            self._ledger.journal(events, logs, {
                run: summary for run, summary in self._summaries.items()
                if run in touched})

    def _event(self, progress: base.TaskEvent) -> dict[str, Any]:
        line = self._lines[progress.run_id]
        bad = progress.result in BAD
        return {
            'deployment_id': self._order.deployment_id,
            'step_id': line.step_id, 'run_id': progress.run_id,
            'at': models.now(), 'kind': 'task', 'node': progress.node,
            'element': line.element.name, 'verb': line.verb,
            'task': progress.task, 'result': progress.result,
            'seconds': progress.seconds, 'message': progress.message,
            'level': 'error' if bad and not progress.ignored else 'info'}


_DURING = {StepKind.APPLY: LayerState.APPLYING,
           StepKind.REVERT: LayerState.REVERTING}
#: So many lines of the log are kept with a failure, each so long at most.
_LOG_LINES, _LOG_WIDTH = 5, 300


class BatchWork(base.Listener):
    """Carries out one order and writes down how it goes.

    What went wrong is kept with each run. Two ends are no failures of a run:
    ``died`` tells afterwards that the runner's process was killed, and
    ``failures`` what that looked like; and a run that was stopped, since
    something newer is wanted or the conductor leaves, is just not done.
    """

    def __init__(self, ledger: Ledger, runner: base.ElementRunner,
                 order: BatchOrder) -> None:
        self._ledger = ledger
        self._runner = runner
        self._order = order
        self._lines = {line.run_id: line for line in order.lines}
        self._journal = Journal(ledger, order, self._lines)
        self.name = order.lines[0].run_id[:8]
        self.nodes = frozenset(host.name for host in order.hosts)
        self.failures: list[dict[str, Any]] = []
        self.died = False
        self._stopped = False
        # Nodes whose first failure was told: what follows from it is not.
        self._told: set[str] = set()
        self._over: set[str] = set()
        self._tails: dict[str, collections.deque[str]] = {}
        # Of a run and a node: the log's lines up to the last failure there.
        self._around: dict[tuple[str, str, str], list[str]] = {}

    def carry_out(self, stopped: Callable[[], bool]) -> None:
        """Do it all; returns when the runner is done."""
        self._ledger.runs.start(
            [self._row(line) for line in self._order.lines],
            [values for line in self._order.lines
             for values in self._marks(line)])

        def asked() -> bool:
            self._journal.flush(due_only=True)
            self._stopped = self._stopped or stopped()
            return self._stopped

        order = self._order
        try:
            self._runner.carry_out(base.Batch(
                key=order.lines[0].run_id, cluster_id=self._ledger.cluster_id,
                epoch=self._ledger.epoch, hosts=order.hosts,
                tasks=tuple(line.task() for line in order.lines),
                private_key=order.private_key, wish=order.wish), self, asked)
            self._close()
        finally:
            self._journal.flush()

    def _close(self) -> None:
        """End the runs that the runner has forgotten to tell the end of."""
        for line in self._order.lines:
            if line.run_id not in self._over:
                self.ended(base.TaskOutcome(line.run_id, (), {
                    node: base.Cause(node, '', (
                        f'The runner {self._runner.name} ended without a '
                        'word about this run.'))
                    for node in line.task().nodes}))

    # -- what the runner tells --------------------------------------------

    def starting(self, process: base.Process) -> None:
        """Record the process before it does anything."""
        self._ledger.runs.process(self._lines, self._order.notes.process(
            dataclasses.asdict(process)))

    def begun(self, run_id: str) -> None:
        """A run begins."""
        if run_id in self._over:
            return
        self._journal.flush()
        self._ledger.runs.begun(run_id)

    def progress(self, progress: base.TaskEvent) -> None:
        """Something happened in a run."""
        failpoint('in-batch')
        self._journal.add(progress)
        tail = self._tails.setdefault(
            progress.run_id, collections.deque(maxlen=_LOG_LINES))
        tail.extend(line[:_LOG_WIDTH] for line
                    in progress.output.splitlines() if line.strip())
        if progress.result in BAD:
            self._around[progress.run_id, progress.node,
                         progress.task] = list(tail)

    def ended(self, outcome: base.TaskOutcome) -> None:
        """A run is over: what it did to layers and nodes is recorded."""
        self._journal.flush()
        self._over.add(outcome.run_id)
        line = self._lines[outcome.run_id]
        cause = outcome.cause
        found = self._reported(line, outcome)
        self.died |= outcome.died
        unfinished = outcome.died or (self._stopped and bool(outcome.failed))
        if outcome.died:
            self.failures += found
        if outcome.failed and not unfinished:
            status = WorkStatus.FAILED
        elif unfinished or (outcome.untouched and not outcome.succeeded):
            status = WorkStatus.INTERRUPTED
        else:
            status = WorkStatus.SUCCEEDED
        self._ledger.runs.ended(RunEnd(
            outcome.run_id, status,
            cause.shown() if cause else None,
            found if status == WorkStatus.FAILED else [],
            [self._after(line, key, outcome) for key in line.portion.layers],
            self._drained(line, outcome),
            whole=line.portion.layers == line.portion.step.layers,
            closing=self._closing(line)))

    def _reported(self, line: Line, outcome: base.TaskOutcome
                  ) -> list[dict[str, Any]]:
        """The failures of a run as the API shows them.

        The log's lines and the nodes that are fine come with the first: one
        such list for each of hundreds of nodes would tell nothing more.
        """
        found: list[dict[str, Any]] = []
        for node, why in outcome.failed.items():
            if node in self._told:
                continue
            self._told.add(node)
            found.append(failures.of_task(why, {
                'step': line.portion.step.title, 'node': node,
                'element': line.element.name, 'run_id': outcome.run_id}))
        if found:
            first = found[0]
            first['log'] = self._around.get(
                (outcome.run_id, first['node'], first['task']), [])
            first['fine'] = list(outcome.succeeded)
        return found

    # -- layers -----------------------------------------------------------

    def _row(self, line: Line) -> models.Run:
        return models.Run(
            id=line.run_id, cluster_id=self._ledger.cluster_id,
            project_id=self._order.project_id,
            deployment_id=self._order.deployment_id, step_id=line.step_id,
            verb=line.verb, element=line.element.name,
            nodes=list(line.portion.nodes), status=WorkStatus.WAITING,
            runner=self._runner.name)

    def _marks(self, line: Line) -> list[dict[str, Any]]:
        """What is written of layers before anything touches them."""
        state = _DURING.get(line.portion.step.kind)
        if state is None:
            return []
        marks = []
        for key in line.portion.layers:
            values: dict[str, Any] = {
                'node': key[0], 'element': key[1], 'role': key[2],
                'state': state, 'verified': False, 'run_id': line.run_id}
            layer = self._order.wanted.get(key)
            if layer is not None and state == LayerState.APPLYING:
                values |= {
                    'incarnation': layer.incarnation,
                    'position': layer.position, 'version': layer.version,
                    'inputs': {'variables': dict(line.variables),
                               'base': layer.base,
                               'requires': list(line.element.requires),
                               'rolling': line.element.rolling}}
                values['inputs'] = self._order.notes.layer(
                    key[0], layer.incarnation, values)
            marks.append(values)
        return marks

    def _after(self, line: Line, key: LayerKey, outcome: base.TaskOutcome
               ) -> dict[str, Any]:
        """What is written of a layer when its run is over."""
        values: dict[str, Any] = {'node': key[0], 'element': key[1],
                                  'role': key[2]}
        kind = line.portion.step.kind
        if key[0] in outcome.succeeded:
            if kind == StepKind.APPLY:
                values |= {'state': LayerState.APPLIED,
                           'digest': self._order.wanted[key].digest}
            elif kind == StepKind.REVERT:
                values['state'] = LayerState.REVERTED
            elif kind == StepKind.VERIFY:
                values |= {'verified': True,
                           'note': outcome.notes.get(key[0], '')}
        elif kind == StepKind.VERIFY:
            if key[0] in outcome.failed and not (outcome.died
                                                 or self._stopped):
                values['state'] = LayerState.DIRTY
        elif kind in _DURING:
            values |= self._back(key, touched=key[0] in outcome.failed)
        return values

    def _back(self, key: LayerKey, touched: bool) -> dict[str, Any]:
        """A layer whose run did not succeed: dirty, or as it was."""
        before = self._order.seen.get(key)
        if touched:
            return {'state': LayerState.DIRTY}
        if before is None:
            return {'state': LayerState.REVERTED}
        # What it was applied with is what takes it off again.
        row = self._order.rows[key]
        return {'state': before.state, 'digest': before.digest,
                'incarnation': before.incarnation,
                'verified': before.verified, 'position': row.position,
                'version': row.version, 'inputs': row.inputs,
                'run_id': row.run_id}

    def _closing(self, line: Line) -> Closing:
        """Nodes that are drained only to be changed."""
        order = self._order
        return Closing({
            key[0] for key in line.portion.layers
            if line.verb == base.Verb.DRAIN and key in order.wanted and
            order.wanted[key].incarnation == order.seen[key].incarnation},
            lambda *layers: order.notes.before(order.wish, *layers))

    def _drained(self, line: Line, outcome: base.TaskOutcome
                 ) -> dict[str, NodeStatus]:
        after = {StepKind.DRAIN: NodeStatus.DRAINED,
                 StepKind.RESUME: NodeStatus.UP}.get(line.portion.step.kind)
        # A node that takes part as an assistant stays as it is.
        return {} if after is None or outcome.failed else {
            key[0]: after for key in line.portion.layers
            if key[0] in outcome.succeeded}
