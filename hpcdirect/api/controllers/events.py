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

"""/v1/events and /v1/clusters/{cluster}/events"""

from __future__ import annotations

from hpcdirect.api import related
from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import events as schema
from hpcdirect.api.services import Services
from hpcdirect.api.waiting import Waiting
from hpcdirect.db import events
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import number
from hpcdirect.jsontypes import text
from hpcdirect.policies import deployments as policies

_FILTERS = {'cluster': 'cluster_id', 'deployment': 'deployment_id',
            'run': 'run_id', 'kind': 'kind', 'level': 'level'}


class _Listed(Resource):
    """Lists events; a base, no place of its own."""

    def __init__(self, services: Services, waiting: Waiting) -> None:
        super().__init__(services)
        self._waiting = waiting

    def listed(self, project: str | None, query: Object,
               more: Object) -> Object:
        """The answer to a query, when there is one or time is up.

        :param more: keys of the query that the path gives.
        """
        fields = schema.FIELDS.only(text(query.get('fields')))
        page = self.page({**query, **more}, _FILTERS, 'id:asc', fields)
        if events.newest_first(page) and query.get('wait'):
            raise Invalid([Finding(
                'what comes is waited for with the oldest first; leave out '
                'wait, or sort', '$.wait')])
        listing = self._waiting.events(project, page,
                                       number(query.get('wait')))
        return self.answer('events', listing, fields.view, query)


class Events(_Listed):
    """What happened to the project's clusters."""

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, query: Object) -> Object:
        """List what happened, also to clusters that are gone.

        With ``wait`` and nothing to tell, the answer comes when there is.
        """
        self.authorize(policies.EVENTS)
        return self.listed(self.whose(query),
                           related.checked(self, query), {})


class ClusterEvents(_Listed):
    """What happened to one cluster."""

    @request.schemas(query=schema.CLUSTER_QUERY, response=schema.LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List what happened to a cluster.

        With ``wait`` and nothing to tell, the answer comes when there is.
        """
        found = self.cluster(cluster, policies.EVENTS)
        return self.listed(self.reach, query, {'cluster': found.id})
