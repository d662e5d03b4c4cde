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

"""/v1/backends"""

from __future__ import annotations

from hpcdirect.api import capacity
from hpcdirect.api import catalogued
from hpcdirect.api import request
from hpcdirect.api.capacity import Told
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import common
from hpcdirect.api.services import Services
from hpcdirect.db.paging import Listing
from hpcdirect.jsontypes import Object
from hpcdirect.policies import blueprints as policies

SHOW = common.closed({
    'name': common.text('The backend.'),
    'capacity': {
        'type': 'object',
        'description': 'Node type, and how many the project could have '
                       'now; null when there is no limit.',
        'additionalProperties': {'type': ['integer', 'null']}},
    'reason': common.text('Why the backend cannot tell, or "".'),
})

LIST = common.listed('backends', SHOW, 'Backends that are enabled.')
LIST_QUERY = common.query(SHOW, common.MARKER, ('name',))


def view(told: Told) -> Object:
    """One backend and what a project could have of it."""
    return {'name': told.name, 'capacity': {
        kind.name: kind.free for kind in told.capacity.node_types},
        'reason': told.reason}


class Backends(Resource):
    """What makes machines."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Backend(services))

    @request.schemas(query=LIST_QUERY, response=LIST)
    def get(self, query: Object) -> Object:
        """List the backends that are enabled.

        One that does not answer says why, and the others answer.
        """
        self.authorize(policies.BACKENDS)
        found = catalogued.listing(
            ({'name': name} for name in self.services.backends),
            self.page(query, {}, 'name:asc'))
        told = capacity.each(self.services, str(self.context.project_id),
                             [entry['name'] for entry in found.rows])
        return self.answer('backends', Listing(list(told), found.last),
                           view, query)


class Backend(Resource):
    """One backend."""

    param = 'backend'

    @request.schemas(response=SHOW)
    def get(self, backend: str) -> Object:
        """Show a backend and what the project could have of it."""
        self.authorize(policies.BACKENDS)
        return view(Told(backend, capacity.capacity(
            self.services, backend, str(self.context.project_id))))
