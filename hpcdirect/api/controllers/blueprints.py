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

"""/v1/blueprints"""

from __future__ import annotations

from typing import Any

from hpcdirect.api import catalogued
from hpcdirect.api import request
from hpcdirect.api.experience import Experience
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import blueprints as schema
from hpcdirect.api.services import Services
from hpcdirect.api.surroundings import Allowed
from hpcdirect.blueprints import model
from hpcdirect.orders import creation
from hpcdirect.policies import blueprints as policies


class Blueprints(Resource):
    """What clusters are made from."""

    def __init__(self, services: Services) -> None:
        self._experience = Experience(services)
        super().__init__(services, item=Blueprint(services, self._experience))

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List blueprints, the highest version of each."""
        self.authorize(policies.BLUEPRINTS)
        catalogue = self.services.catalogue
        told = self._experience.of(self.project)
        found = catalogued.listing(
            (schema.entry(one, catalogue.versions(one.name), told(one.name))
             for one in catalogue.blueprints() if _asked_for(one, query)),
            self.page(query, {}, 'name:asc'))
        return {**self.answer('blueprints', found, dict, query),
                'allowed': _allowed(self)}


def _allowed(asked: Resource) -> dict[str, str]:
    may = Allowed(asked)
    return {'create': may.create(asked.project)}


def _asked_for(one: model.Blueprint, query: dict[str, Any]) -> bool:
    """Whether a blueprint is of those that a query is about."""
    return query.get('q', '').casefold() in '\n'.join(
        (one.name, one.label, one.description, *one.fields)).casefold() \
        and query.get('field') in (None, *one.fields)


class Blueprint(Resource):
    """One blueprint, by name or name@version."""

    param = 'blueprint'

    def __init__(self, services: Services, told: Experience) -> None:
        self._experience = told
        super().__init__(services, {'template': Template(services)})

    @request.schemas(response=schema.SHOW)
    def get(self, blueprint: str) -> dict[str, Any]:
        """Show a blueprint with its parameters."""
        self.authorize(policies.BLUEPRINTS)
        found = self.services.catalogue.blueprint(blueprint)
        return {**schema.view(found,
                              self.services.catalogue.versions(found.name),
                              self._experience.of(self.project)(found.name)),
                'allowed': _allowed(self)}


class Template(Resource):
    """What a cloud would be asked for."""

    @request.schemas(query=schema.TEMPLATE_QUERY, response=schema.TEMPLATE)
    def get(self, blueprint: str, query: dict[str, Any]) -> dict[str, Any]:
        """Show what a backend makes of a blueprint's template."""
        self.authorize(policies.BLUEPRINTS)
        backend, text = creation.rendered(
            self.services, self.context, blueprint, query.get('backend'),
            request.mapping(query.get('parameters', '{}'), '$.parameters'))
        return {'backend': backend, 'template': text}
