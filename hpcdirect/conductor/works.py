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

"""The batches of one deployment that are under way, each in its own thread."""

from __future__ import annotations

from collections.abc import Callable
import logging
import threading
from typing import Any

from oslo_context import context
from oslo_db import exception as db_exc

from hpcdirect import metrics
from hpcdirect.conductor import failures
from hpcdirect.conductor.batch import BatchWork
from hpcdirect.db.ledger import Ledger
from hpcdirect.db.ledger import Snapshot
from hpcdirect.exception import HPCDirectError
from hpcdirect.exception import LostLease
from hpcdirect.exception import PluginError
from hpcdirect.exception import Refused
from hpcdirect.runners import base as runners
from hpcdirect.signing import Notes
from hpcdirect.states import LayerState

LOG = logging.getLogger(__name__)

#: A runner's process that is killed is started again; so many times.
_DEATHS = 3


class Works:
    """Starts batches, and knows what became of them.

    :param stopped: whether they are to end although they are not done.
    :param over: called when one has ended; it must not wait.
    :ivar failures: what failed beside the runs, as the API shows it: what a
        run failed with stands in its row.
    :ivar unrecorded: the database went away under a batch: as if we had died
        there.
    """

    def __init__(self, stopped: Callable[[], bool],
                 over: Callable[[], None]) -> None:
        self._stopped = stopped
        self._over = over
        self._ending = False
        self._running: dict[BatchWork, threading.Thread] = {}
        self._deaths = 0
        self.failures: list[dict[str, Any]] = []
        self.unrecorded: db_exc.DBError | None = None

    def __bool__(self) -> bool:
        """Whether a batch is under way."""
        return bool(self._running)

    def nodes(self) -> frozenset[str]:
        """Names of the nodes that a batch is at work on."""
        return frozenset(node for work in list(self._running)
                         for node in work.nodes)

    def start(self, work: BatchWork) -> None:
        """Carry a batch out; returns at once."""
        thread = threading.Thread(
            target=self._carry_out, args=(work, context.get_current()),
            name=f'batch-{work.name}', daemon=True)
        self._running[work] = thread
        thread.start()

    def end(self) -> None:
        """Let everything that runs come to its end soon; never waits."""
        self._ending = True

    def join(self, seconds: float) -> None:
        """Wait until nothing runs any more, at most so many seconds each."""
        for thread in list(self._running.values()):
            thread.join(seconds)

    def again(self) -> None:
        """What has failed is dealt with; others may begin."""
        self._ending = False
        self.failures = []

    def _must_end(self) -> bool:
        return self._ending or self._stopped()

    def _carry_out(self, work: BatchWork,
                   whose: context.RequestContext | None) -> None:
        """A batch's own thread; its log lines say whose work it is."""
        if whose is not None:
            whose.update_store()
        # A batch carries out its runs one after the other.
        metrics.RUNS.inc()
        try:
            work.carry_out(self._must_end)
            self._deaths += work.died
            if work.died and self._deaths > _DEATHS:
                self.failures += work.failures
            elif work.died:
                LOG.warning('A run\'s process was killed; it is done again: '
                            '%s', work.failures)
        except LostLease:
            LOG.info('Stopped: another conductor has the cluster.')
        except db_exc.DBError as exc:
            LOG.warning('A batch could not be recorded: %s', exc)
            self.unrecorded = exc
        except HPCDirectError as exc:
            self.failures.append(failures.plain(str(exc)))
        except Exception:
            LOG.exception('A batch ended by a bug.')
            self.failures.append(failures.plain(
                'The runner ended by an error of hpcdirect itself; the '
                'conductor\'s log has it.'))
        finally:
            metrics.RUNS.dec()
            self._running.pop(work, None)
            self._over()


def interrupt(ledger: Ledger, recorded: Snapshot,
              runner_of: Callable[[str], runners.ElementRunner],
              notes: Notes) -> None:
    """End what an earlier owner of the cluster left running.

    :raises NotForUs: who wrote a process down cannot be told here.
    """
    for run in recorded.open_runs:
        if run.process:
            try:
                runner_of(run.runner).stop(runners.Process(
                    **notes.check_process(run.process)))
            except Refused as exc:
                # Nodes let in nobody who is older than the next batch.
                LOG.error('Run %s: %s Nothing is ended.', run.id, exc)
            except PluginError:
                LOG.exception('Run %s could not be ended.', run.id)
                raise
    if recorded.open_runs or any(
            row.state in (LayerState.APPLYING, LayerState.REVERTING)
            for row in recorded.layers):
        ledger.runs.interrupt(run.id for run in recorded.open_runs)
