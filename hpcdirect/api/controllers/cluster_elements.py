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


"""/v1/clusters/{cluster}/elements"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpcdirect.api import request
from hpcdirect.api.controllers.candidates import Candidates
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import candidates
from hpcdirect.api.schemas import common
from hpcdirect.api.services import Services
from hpcdirect.blueprints import parameters
from hpcdirect.jsontypes import Object
from hpcdirect.orders import change
from hpcdirect.planning import elements
from hpcdirect.planning.elements import Listed
from hpcdirect.policies import clusters as policies

_STATUSES = ('on', 'off', 'waits')

_ENTRY = common.closed({
    'name': common.text('The element.'),
    'version': common.text('Its version.'),
    'label': common.text('The name for people.'),
    'status': common.text(
        'on, off, or waits: it is wanted, and what it needs is not there.',
        enum=list(_STATUSES)),
    'missing': common.words('What it needs and is not there.'),
    'requires': common.words('What it stands on.'),
    'added': {'type': 'boolean',
              'description': 'It is not of the blueprint.'},
    'roles': common.anything('Role, and the node groups that play it.'),
    'own_parameters': common.anything(
        'Parameters that were set for it on this cluster.'),
    'parameters': common.anything(
        'All its parameters, but those that come from other elements.'),
})

LIST = common.closed({
    'elements': common.items(_ENTRY, 'In the order they are put on.'),
    'fitting': {**common.properties(candidates.LIST)['candidates'],
                'description': 'Elements that could be put on as well.'},
}, ('elements',))
QUERY = common.closed({'fitting': {
    'type': 'boolean', 'description': 'With the candidates that fit.'}}, ())


def view(one: Listed, own: Mapping[str, Any], given: Mapping[str, Any]
         ) -> Object:
    """One line.

    :param own: parameters set for it on this cluster.
    :param given: the cluster's parameters.
    """
    element = one.use.element
    return {
        'name': element.name, 'version': element.version,
        'label': element.label,
        'status': 'on' if one.on else 'off' if one.off else 'waits',
        'missing': list(one.missing), 'requires': list(element.requires),
        'added': one.added,
        'roles': {role: list(groups)
                  for role, groups in one.use.roles.items()},
        'own_parameters': parameters.hidden(element.parameters, dict(own)),
        'parameters': parameters.hidden(element.parameters, parameters.fill(
            element.parameters, parameters.resolve(
                one.use.variables, given, {}))),
    }


class ClusterElements(Resource):
    """What is on a cluster, or could be given back to it."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._candidates = Candidates(services)

    @request.schemas(query=QUERY, response=LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List the elements of a cluster, in the order they are put on."""
        found = self.cluster(cluster, policies.SHOW)
        listed = elements.listing(
            change.blueprint_of(self.services, found), found.desired,
            self.services.catalogue.element)
        answer = {'elements': [
            view(
                one, found.desired.choice(one.use.element.name).parameters,
                found.desired.parameters) for one in listed]}
        if query.get('fitting'):
            answer['fitting'] = self._candidates.told(found, True)
        return answer
