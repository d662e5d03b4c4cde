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


"""/v1/clusters/{cluster}/metrics"""

from __future__ import annotations

from hpcdirect.api import metrics
from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.jsontypes import Object
from hpcdirect.policies import clusters as policies


class Metrics(Resource):
    """What a cluster's own Prometheus knows of it."""

    @request.schemas(query=metrics.QUERY, response=metrics.SHOW)
    def get(self, cluster: str, query: Object) -> Object:
        """Show what can be charted of a cluster, and the numbers of some.

        They are what its nodes say, and nobody vouches for them.
        """
        found = self.cluster(cluster, policies.METRICS)
        return metrics.show(self.services, found, query)
