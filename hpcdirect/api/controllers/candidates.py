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

"""/v1/clusters/{cluster}/candidates"""

from __future__ import annotations

from hpcdirect.api import request
from hpcdirect.api.experience import Experience
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import candidates as schema
from hpcdirect.api.services import Services
from hpcdirect.db import experience
from hpcdirect.db.models import Cluster
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.orders import change
from hpcdirect.policies import clusters as policies


class Candidates(Resource):
    """Elements that a cluster could have."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._experience = Experience(services, experience.applied)

    @request.schemas(query=schema.QUERY, response=schema.LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List which elements could be put on a cluster, and why not others.

        A plan of the change tells what it would do, in steps and seconds.
        """
        return {'candidates': self.told(
            self.cluster(cluster, policies.SHOW), query.get('fits'))}

    def told(self, cluster: Cluster, fits: JSON
             ) -> list[Object]:
        """The lines of the answer.

        :param fits: only those that do, or do not; None for all.
        """
        typical = self._experience.typical()
        return [schema.view(one, typical.get(one.element.name))
                for one in change.candidates_for(self.services, cluster)
                if fits in (None, one.fits)]
