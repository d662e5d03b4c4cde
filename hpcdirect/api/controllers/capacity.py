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

"""``/v1/capacity``"""

from __future__ import annotations

from hpcdirect.api import capacity
from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.policies import projects as policies


class Capacity(Resource):
    """What a project could have."""

    @request.schemas(query=capacity.QUERY, response=capacity.SHOW)
    def get(self, query: Object) -> Object:
        """Show what a project could have now, of every backend.

        A backend that does not answer says why, and the others answer.
        """
        project = capacity.asked(text(query.get('project_id')), self.project)
        self.authorize(policies.CAPACITY, project)
        return capacity.view(capacity.each(self.services, project))
