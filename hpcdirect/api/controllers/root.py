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

"""The tree of paths, and what is answered to anybody."""

from __future__ import annotations

import functools

import pecan

from hpcdirect.api import openapi
from hpcdirect.api import request
from hpcdirect.api.controllers import backends
from hpcdirect.api.controllers import blueprints
from hpcdirect.api.controllers import capacity
from hpcdirect.api.controllers import clusters
from hpcdirect.api.controllers import deployments
from hpcdirect.api.controllers import elements
from hpcdirect.api.controllers import events
from hpcdirect.api.controllers import leftovers
from hpcdirect.api.controllers import plans
from hpcdirect.api.controllers import projects
from hpcdirect.api.controllers import runs
from hpcdirect.api.controllers import services as processes
from hpcdirect.api.controllers import stalls
from hpcdirect.api.controllers import summary
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import common
from hpcdirect.api.services import Services
from hpcdirect.api.waiting import Waiting
from hpcdirect.jsontypes import Object

_VERSION = common.closed({
    'id': common.text('The version, with the major number.'),
    'status': common.text('CURRENT, SUPPORTED, DEPRECATED.'),
    'version': common.text('Highest version that is spoken.'),
    'min_version': common.text('Lowest version that is spoken.'),
    'links': common.LINKS,
})

ALL = common.closed({'versions': common.items(_VERSION, 'What is served.')})
ONE = common.closed({
    'version': {**_VERSION, 'description': 'What is served.'}})
HEALTH = common.closed({'status': common.text('ok.')})
DOCUMENT = common.anything('An OpenAPI 3.1 document.')


def view(base: str) -> Object:
    """The one version there is.

    :param base: URL of the service.
    """
    return {'id': 'v1.0', 'status': 'CURRENT',
            'version': request.VERSIONS[-1],
            'min_version': request.VERSIONS[0],
            'links': [{'rel': 'self', 'href': f'{base}/v1'}]}


class Root(Resource):
    """The service itself."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, {
            'v1': V1(services, self), 'healthcheck': Healthcheck(services)})

    @request.schemas(response=ALL, public=True)
    def get(self) -> Object:
        """Which versions of the API there are."""
        return {'versions': [view(pecan.request.application_url)]}


class V1(Resource):
    """Version 1."""

    def __init__(self, services: Services, root: Root) -> None:
        waiting = Waiting(services)
        super().__init__(services, {
            'backends': backends.Backends(services),
            'blueprints': blueprints.Blueprints(services),
            'capacity': capacity.Capacity(services),
            'clusters': clusters.Clusters(services, waiting),
            'deployments': deployments.Deployments(services),
            'elements': elements.Elements(services),
            'events': events.Events(services, waiting),
            'leftovers': leftovers.Leftovers(services),
            'openapi.json': Document(services, root),
            'plans': plans.Plans(services),
            'projects': projects.Projects(services),
            'runs': runs.Runs(services),
            'services': processes.Processes(services),
            'stalls': stalls.Stalls(services),
            'summary': summary.Summary(services)})

    @request.schemas(response=ONE, public=True)
    def get(self) -> Object:
        """Which versions of this major version are spoken."""
        return {'version': view(pecan.request.application_url)}


class Document(Resource):
    """The API, described."""

    def __init__(self, services: Services, root: Root) -> None:
        super().__init__(services)
        self._root = root

    @functools.cached_property
    def _document(self) -> Object:
        return openapi.document(self._root.walk(),
                                self.services.conf.api.service_type)

    @request.schemas(response=DOCUMENT, public=True)
    def get(self) -> Object:
        """The OpenAPI document of this API."""
        return self._document


class Healthcheck(Resource):
    """Whether this process answers."""

    @request.schemas(response=HEALTH, public=True)
    def get(self) -> Object:
        """Whether this process answers."""
        return {'status': 'ok'}
