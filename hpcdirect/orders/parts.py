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

"""What it takes to give an order."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

from oslo_config import cfg

from hpcdirect import signing
from hpcdirect.backends.base import Backend
from hpcdirect.context import Asker
from hpcdirect.db import orders
from hpcdirect.db.session import Database
from hpcdirect.keys import KeyRing
from hpcdirect.planning.pins import Pins
from hpcdirect.planning.state import State
from hpcdirect.policies import Enforcer
from hpcdirect.sources.catalogue import Catalogue
from hpcdirect.states import Operation


@dataclasses.dataclass(frozen=True)
class Parts:
    """Where clusters are kept, what they are made of, and who may."""

    conf: cfg.ConfigOpts
    database: Database
    keys: KeyRing
    policy: Enforcer
    catalogue: Catalogue
    backends: Mapping[str, Backend]

    @property
    def pins(self) -> Pins:
        """Names what of the catalogue something is ordered from."""
        return Pins(self.catalogue.blueprint, self.catalogue.element)

    def order(self, asker: Asker, operation: Operation, desired: State
              ) -> orders.Order:
        """An order in somebody's name, of the catalogue as it is now."""
        return orders.Order(asker, signing.Pen(self.keys), operation,
                              self.pins.pinned(desired))
