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

"""/v1/clusters/{cluster}/topology"""

from __future__ import annotations

from hpcdirect.api import request
from hpcdirect.api import topology
from hpcdirect.api.resource import Resource
from hpcdirect.jsontypes import Object
from hpcdirect.policies import clusters as policies


class Topology(Resource):
    """What a cluster consists of, and what stands on what."""

    @request.schemas(response=topology.SHOW)
    def get(self, cluster: str) -> Object:
        """Show all nodes of a cluster with their layers, in few bytes."""
        found = self.cluster(cluster, policies.SHOW)
        with self.services.database.read() as session:
            return topology.show(session, self.services, found)
