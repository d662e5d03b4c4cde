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

"""What a runner tells of a trial's steps, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
import time

from hpcdirect.runners import base


@dataclasses.dataclass(frozen=True)
class Played:
    """How a verb went.

    :param changed: ``node: task`` of everything that changed something.
    :param failures: the first cause on each node where it failed.
    :param whole: it was played on every node; not where an earlier step
        had failed.
    """

    seconds: float
    changed: tuple[str, ...] = ()
    failures: tuple[base.Cause, ...] = ()
    whole: bool = True


class Recorder(base.Listener):
    """Keeps what a runner tells."""

    def __init__(self) -> None:
        self._changed: list[tuple[str, str]] = []
        self._over: dict[str, tuple[float, base.TaskOutcome]] = {}

    def starting(self, process: base.Process) -> None:
        """Nobody would have to end it later."""

    def begun(self, run_id: str) -> None:
        """Nothing follows from that."""

    def progress(self, progress: base.TaskEvent) -> None:
        """What changed something is kept."""
        if progress.result is base.Result.CHANGED:
            self._changed.append((progress.run_id,
                                  f'{progress.node}: {progress.task}'))

    def ended(self, outcome: base.TaskOutcome) -> None:
        """When a run was over, and how."""
        self._over[outcome.run_id] = time.monotonic(), outcome

    def played(self, runs: Iterable[str], began: float) -> Played:
        """How some runs went, taken together.

        :param began: when the first of them did.
        """
        over = {run: self._over[run] for run in runs if run in self._over}
        failures: dict[str, base.Cause] = {}
        for _, outcome in over.values():
            for node, cause in outcome.failed.items():
                failures.setdefault(node, cause)
        return Played(
            max((at for at, _ in over.values()), default=began) - began,
            tuple(line for run, line in self._changed if run in over),
            tuple(failures.values()),
            all(not outcome.untouched for _, outcome in over.values()))
