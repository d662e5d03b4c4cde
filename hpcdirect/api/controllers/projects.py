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

"""``/v1/projects``"""

from __future__ import annotations

from hpcdirect.api import projects
from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.services import Services
from hpcdirect.jsontypes import Object
from hpcdirect.policies import projects as policies


class Projects(Resource):
    """Leads to projects; they are listed in Keystone, not here."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Project(services))


class Project(Resource):
    """One project, by id."""

    param = 'project'

    @request.schemas(response=projects.SHOW)
    def get(self, project: str) -> Object:
        """Show whether the service may act in a project.

        Its own user has to have a role there; who has it is told, so that
        it can be given in Keystone.
        """
        projects.check_seen(project, self.reach)
        self.authorize(policies.PROJECT, project)
        return projects.view(project, projects.standing(
            self.services, project), self.services.backends)
