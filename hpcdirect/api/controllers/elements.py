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

"""/v1/elements"""

from __future__ import annotations

from hpcdirect.api import catalogued
from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import elements as schema
from hpcdirect.api.services import Services
from hpcdirect.jsontypes import Object
from hpcdirect.policies import blueprints as policies


class Elements(Resource):
    """What can be put on clusters."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Element(services))

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, query: Object) -> Object:
        """List elements, the highest version of each."""
        self.authorize(policies.ELEMENTS)
        found = catalogued.listing(
            map(schema.entry, self.services.catalogue.elements()),
            self.page(query, {}, 'name:asc'))
        return self.answer('elements', found, dict, query)


class Element(Resource):
    """One element, by name or name@version."""

    param = 'element'

    @request.schemas(response=schema.SHOW)
    def get(self, element: str) -> Object:
        """Show an element with its parameters."""
        self.authorize(policies.ELEMENTS)
        return schema.view(self.services.catalogue.element(element))
