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

"""What a runner tells while it is at work, written a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
import threading
import time
from typing import Any

from hpcdirect.conductor.inputs import BatchOrder
from hpcdirect.conductor.inputs import Line
from hpcdirect.db import models
from hpcdirect.db.ledger import Ledger
from hpcdirect.runners import base

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
