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

"""A backend whose machines are up at once and live in memory."""

from __future__ import annotations

from collections.abc import Iterable

from hpcdirect.backends import base
from hpcdirect.exception import Finding


class WeatherBackend(base.Backend):
    """Makes machines out of air."""

    name = 'weather'

    def __init__(self, conf: object = None) -> None:
        self._requests: dict[str, base.InfraRequest] = {}

    def validate(self, request: base.InfraRequest) -> list[Finding]:
        """Nothing stands in the way."""
        return []

    def ensure(self, request: base.InfraRequest) -> str:
        """Remember the request."""
        ref = self.reference(request.cluster_id)
        self._requests[ref] = request
        return ref

    def observe(self, ref: str) -> base.Infra:
        """Everything asked for is up."""
        request = self._requests.get(ref)
        if request is None:
            return base.Infra(base.InfraStatus.GONE)
        return base.Infra(base.InfraStatus.READY, machines=tuple(
            base.Machine(slot.name, slot.incarnation,
                         base.MachineStatus.UP, f'{ref}/{slot.name}',
                         '192.0.2.1', base.Ssh('192.0.2.1'))
            for slot in request.slots))

    def delete(self, ref: str) -> None:
        """Forget the request."""
        self._requests.pop(ref, None)

    def capacity(self, project_id: str) -> base.Capacity:
        """Air has no end."""
        return base.Capacity((base.NodeType('air'),))

    def leftovers(self) -> Iterable[base.Leftover]:
        """What is remembered."""
        return [base.Leftover(request.cluster_id, 'machine', ref)
                for ref, request in self._requests.items()]

    def reference(self, cluster_id: str, project_id: str = '') -> str:
        """The cluster's own id, with our name before it."""
        return f'weather-{cluster_id}'
