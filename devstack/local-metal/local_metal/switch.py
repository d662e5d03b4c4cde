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

"""Neutron's side: the switch that the machines' cables end in.

The bridges are made when a machine is switched on, so a port is bound and
active as soon as it is known which machine it is for.
"""

from __future__ import annotations

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class Switch(api.MechanismDriver):
    """Binds whatever is asked for to the first segment of its network."""

    def initialize(self) -> None:
        """Nothing has to be prepared."""

    @property
    def connectivity(self) -> str:
        """A machine gets frames of its network, nothing is routed."""
        return str(portbindings.CONNECTIVITY_L2)

    def bind_port(self, context: api.PortContext) -> None:
        """Say at once that the port is connected."""
        for segment in context.segments_to_bind[:1]:
            context.set_binding(
                segment[api.ID], portbindings.VIF_TYPE_OTHER, {},
                status=constants.PORT_STATUS_ACTIVE)
