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

"""What the API is built from; handed in, never looked up."""

from __future__ import annotations

import dataclasses
from typing import Protocol

from hpcdirect.api.charting import Charts
from hpcdirect.api.charting import NoCharts
from hpcdirect.keystone import Keystone
from hpcdirect.orders.parts import Parts


class Nudge(Protocol):
    """What the API holds of the conductor."""

    def advance(self, cluster_id: str) -> None:
        """Say that there is work; never fails."""


class NullConductor:
    """A conductor that is told and does nothing, for tests."""

    def advance(self, cluster_id: str) -> None:
        """Nothing."""


@dataclasses.dataclass(frozen=True)
class Services(Parts):
    """The parts of one API process.

    :param keystone: as whom the service acts in projects; None when it asks
        nobody's leave, since people are not known by Keystone.
    :param charts: asks clusters for numbers.
    """

    conductor: Nudge
    keystone: Keystone | None = None
    charts: Charts = dataclasses.field(default_factory=NoCharts)
