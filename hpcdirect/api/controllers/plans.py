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


"""/v1/plans"""

from __future__ import annotations

from typing import Any

from hpcdirect.api import request
from hpcdirect.api.request import Body
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import plans as schema
from hpcdirect.api.services import Services
from hpcdirect.db import plans as stored
from hpcdirect.orders import plans
from hpcdirect.policies import plans as policies


class Plans(Resource):
    """What would be done."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Plan(services))

    @request.schemas(body=schema.CREATE, response=schema.SHOW)
    def post(self, body: Body) -> dict[str, Any]:
        """Show what a wish would do; nothing is done.

        A plan of a change is kept, and can be asked for by its id: PATCH
        the cluster with it.
        """
        # Only it says whose leave is needed.
        asked, wrong = body.looked_at()
        created = plans.creation_of(asked, wrong)
        if created is not None:
            self.authorize(policies.CREATE)
            return schema.passing(plans.of_creation(
                self.services, self.context, *created))
        found = self.cluster(asked['cluster'], policies.CREATE)
        if 'delete' in asked:
            return schema.passing(plans.of_deletion(self.services, found))
        return schema.view(plans.of_change(
            self.services, self.context, found, asked['change']), '')


class Plan(Resource):
    """One plan."""

    param = 'plan'

    @request.schemas(response=schema.SHOW)
    def get(self, plan: str) -> dict[str, Any]:
        """Show a plan again, and whether it still holds."""
        self.authorize(policies.SHOW)
        with self.services.database.read() as session:
            row = stored.get(session, self.reach, plan)
            return schema.view(row, plans.what_moved(
                self.services, session, row))
