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


"""/v1/clusters/{cluster}/elements"""

from __future__ import annotations

from typing import Any

from hpcdirect.api import request
from hpcdirect.api.controllers.candidates import Candidates
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import cluster_elements as schema
from hpcdirect.api.services import Services
from hpcdirect.orders import change
from hpcdirect.planning import composition
from hpcdirect.policies import clusters as policies


class ClusterElements(Resource):
    """What is on a cluster, or could be given back to it."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._candidates = Candidates(services)

    @request.schemas(query=schema.QUERY, response=schema.LIST)
    def get(self, cluster: str, query: dict[str, Any]) -> dict[str, Any]:
        """List the elements of a cluster, in the order they are put on."""
        found = self.cluster(cluster, policies.SHOW)
        listed = composition.listing(
            change.blueprint_of(self.services, found), found.desired,
            self.services.catalogue.element)
        answer = {'elements': [
            schema.view(
                one, found.desired.choice(one.use.element.name).parameters,
                found.desired.parameters) for one in listed]}
        if query.get('fitting'):
            answer['fitting'] = self._candidates.told(found, True)
        return answer
