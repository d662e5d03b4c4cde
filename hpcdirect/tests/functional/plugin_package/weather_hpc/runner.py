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

"""A runner for which everything goes well."""

from __future__ import annotations

from collections.abc import Callable

from hpcdirect.runners import base


class WeatherRunner(base.ElementRunner):
    """Does nothing and says that it is done."""

    name = 'weather'

    def __init__(self, conf: object = None) -> None:
        """Needs nothing of the configuration."""

    def carry_out(self, batch: base.Batch, listener: base.Listener,
                  stopped: Callable[[], bool]) -> None:
        """Tell of every task that it went well."""
        for task in batch.tasks:
            listener.begun(task.run_id)
            listener.ended(base.TaskOutcome(task.run_id, task.nodes))

    def stop(self, process: base.Process) -> None:
        """Nothing was left running."""
