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

from collections.abc import Iterable

from hpcdirect.api import catalogued
from hpcdirect.api import request
from hpcdirect.api.experience import Experience
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import common
from hpcdirect.api.services import Services
from hpcdirect.api.surroundings import Allowed
from hpcdirect.blueprints import model
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.blueprints.model import NodeGroup
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.orders import creation
from hpcdirect.policies import blueprints as policies

_BRIEF = {
    'name': common.text('The name, unique.'),
    'version': common.text('The version.'),
    'label': common.text('The name for people.'),
    'description': common.text('What it is, one sentence.'),
    'fields': common.words('What it is for, such as genomics.'),
    'icon': common.text('SVG that can do nothing but draw, or "".'),
    'versions': common.words('Versions there are, the highest first.'),
    'backends': common.words('Backends it can be built on.'),
    'typical': common.typical(
        'How the latest creations from it went',
        'Seconds from the order until a cluster was there', 'Creations'),
    'in_use': common.maybe(common.number(
        'Clusters of it that the project has; null when the database does '
        'not answer.')),
}

_ENTRY = common.closed({
    **_BRIEF,
    'elements': common.words('Names of its elements, in order.'),
    'node_groups': common.words('Names of its node groups.'),
})

LIST = common.listed('blueprints', _ENTRY, 'The highest version of each.',
                     allowed=common.ALLOWED)
LIST_QUERY = common.query(_ENTRY, {
    **common.MARKER, 'q': common.text(
        'Part of the name, the label, the description or a field, in any '
        'case.',
        minLength=1, maxLength=255),
    'field': common.text('One of its fields.', minLength=1, maxLength=40)},
                          ('name', 'version', 'label'))

SHOW = common.closed({
    **_BRIEF,
    'elements': common.items(common.closed({
        'name': common.text('The element.'),
        'version': common.text('Its version.'),
        'grade': common.text('What its revert leaves: A nothing, C some '
                             'things, D it fails; "" when nobody tried.'),
        'roles': common.anything('Role, and the node groups that play it.'),
        'when': common.text('Boolean parameter that switches it on, or "".'),
    }), 'What is put on the machines, in order.'),
    'node_groups': common.items(common.closed({
        'name': common.text('The node group.'),
        'label': common.text('Its name for people.'),
        'count': common.maybe(common.number(
            'How many nodes; null when a parameter says it.')),
        'count_parameter': common.maybe(common.text(
            'The parameter that says how many, or null.')),
        'min_count': common.number('Fewest nodes.'),
        'max_count': common.number('Most nodes.'),
        'max_unavailable': common.text(
            'How many may be out of service at once while they are changed: '
            'a number, or a share like 25%.'),
    }), 'Machines that are alike.'),
    'parameters': common.anything('JSON Schema (2020-12) of parameters.'),
    'outputs': common.items(common.closed(common.OUTPUT), 'What a cluster '
                            'tells people as titled_outputs.'),
    'readme': common.text('What the author says, reStructuredText.'),
    'login': common.text('Node group whose first node people log in to.'),
    'digest': common.text('sha256 of all that it is made of, hexadecimal.'),
    'allowed': common.ALLOWED,
})


TEMPLATE = common.closed({
    'backend': common.text('Whose template it is.'),
    'template': common.text('In the language of its cloud; may be empty.'),
})
TEMPLATE_QUERY = common.closed({
    'backend': common.text('The backend; the first enabled one that the '
                           'blueprint supports when not given.'),
    'parameters': common.text('A JSON object of the blueprint\'s '
                              'parameters; defaults when not given.'),
}, ())


def _brief(blueprint: model.Blueprint, versions: Iterable[str],
           told: Object) -> Object:
    return {'name': blueprint.name, 'version': blueprint.version,
            'label': blueprint.label, 'description': blueprint.description,
            'fields': list(blueprint.fields), 'icon': blueprint.icon,
            'versions': list(versions),
            'backends': sorted(blueprint.infrastructure), **told}


def entry(blueprint: model.Blueprint, versions: Iterable[str],
          told: Object) -> Object:
    """One line of the list.

    :param told: what came of it before, and what the project has of it.
    """
    return {**_brief(blueprint, versions, told),
            'elements': [use.element.name for use in blueprint.elements],
            'node_groups': [group.name for group in blueprint.node_groups]}


def view(blueprint: model.Blueprint, versions: Iterable[str],
         told: Object) -> Object:
    """All of a blueprint; *told* as for an entry."""
    return {**_brief(blueprint, versions, told),
            'elements': [_use(use) for use in blueprint.elements],
            'node_groups': [_group(group)
                            for group in blueprint.node_groups],
            'parameters': dict(blueprint.parameters),
            'outputs': [{name: getattr(one, name) for name in common.OUTPUT}
                        for one in blueprint.outputs],
            'readme': blueprint.readme, 'login': blueprint.login,
            'digest': blueprint.digest}


def _use(use: ElementUse) -> Object:
    grade = use.element.grade
    return {'name': use.element.name, 'version': use.element.version,
            'grade': grade.grade if grade else '',
            'roles': {role: list(groups)
                      for role, groups in use.roles.items()},
            'when': use.when}


def _group(group: NodeGroup) -> Object:
    by_parameter = isinstance(group.count, str)
    return {'name': group.name, 'label': group.label,
            'count': None if by_parameter else group.count,
            'count_parameter': group.count if by_parameter else None,
            'min_count': group.min_count, 'max_count': group.max_count,
            'max_unavailable': str(group.max_unavailable)}


class Blueprints(Resource):
    """What clusters are made from."""

    def __init__(self, services: Services) -> None:
        self._experience = Experience(services)
        super().__init__(services, item=Blueprint(services, self._experience))

    @request.schemas(query=LIST_QUERY, response=LIST)
    def get(self, query: Object) -> Object:
        """List blueprints, the highest version of each."""
        self.authorize(policies.BLUEPRINTS)
        catalogue = self.services.catalogue
        told = self._experience.of(self.project)
        found = catalogued.listing(
            (entry(one, catalogue.versions(one.name), told(one.name))
             for one in catalogue.blueprints() if _asked_for(one, query)),
            self.page(query, {}, 'name:asc'))
        return {**self.answer('blueprints', found, dict, query),
                'allowed': _allowed(self)}


def _allowed(asked: Resource) -> dict[str, str]:
    may = Allowed(asked)
    return {'create': may.create(asked.project)}


def _asked_for(one: model.Blueprint, query: Object) -> bool:
    """Whether a blueprint is of those that a query is about."""
    return text(query.get('q')).casefold() in '\n'.join(
        (one.name, one.label, one.description, *one.fields)).casefold() \
        and query.get('field') in (None, *one.fields)


class Blueprint(Resource):
    """One blueprint, by name or name@version."""

    param = 'blueprint'

    def __init__(self, services: Services, told: Experience) -> None:
        self._experience = told
        super().__init__(services, {'template': Template(services)})

    @request.schemas(response=SHOW)
    def get(self, blueprint: str) -> Object:
        """Show a blueprint with its parameters."""
        self.authorize(policies.BLUEPRINTS)
        found = self.services.catalogue.blueprint(blueprint)
        return {**view(found,
                              self.services.catalogue.versions(found.name),
                              self._experience.of(self.project)(found.name)),
                'allowed': _allowed(self)}


class Template(Resource):
    """What a cloud would be asked for."""

    @request.schemas(query=TEMPLATE_QUERY, response=TEMPLATE)
    def get(self, blueprint: str, query: Object) -> Object:
        """Show what a backend makes of a blueprint's template."""
        self.authorize(policies.BLUEPRINTS)
        backend, template = creation.rendered(
            self.services, self.context, blueprint,
            text(query.get('backend')) or None, request.mapping(
                text(query.get('parameters'), '{}'), '$.parameters'))
        return {'backend': backend, 'template': template}
