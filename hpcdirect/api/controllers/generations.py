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


"""/v1/clusters/{cluster}/generations"""

from __future__ import annotations

from typing import Any

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import generations as schema
from hpcdirect.api.services import Services
from hpcdirect.api.surroundings import Allowed
from hpcdirect.db import generations
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import whole
from hpcdirect.orders import change
from hpcdirect.planning import revisions
from hpcdirect.policies import clusters as policies

_FILTERS = {'operation': 'operation'}


class Generations(Resource):
    """What was wanted of a cluster, change by change."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Generation(services))

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List the generations of a cluster, the newest first.

        One that is gone is known by its id.
        """
        found = self.cluster(cluster, policies.SHOW, gone=True)
        fields = schema.FIELDS.only(text(query.get('fields')))
        page = self.page(query, _FILTERS, 'generation:desc', fields)
        with self.services.database.read() as session:
            listing = generations.listing(session, found.id, page)
            attempts = generations.attempts(
                session, found.id, [row.generation for row in listing.rows]
            ) if 'attempt' in fields.around else {}
        may = Allowed(self)

        def around(row: Any) -> schema.Around:
            """What its fields need; what no field asked for is not read."""
            return schema.Around(
                attempts.get(row.generation) if attempts else None,
                may.clone(self.project, row.desired)
                if 'clone' in fields.around else '')
        return self.answer('generations', listing, lambda row: fields.view(
            row, around(row)), query)


class Generation(Resource):
    """What was wanted of a cluster once."""

    param = 'generation'

    @request.schemas(query=schema.QUERY, response=schema.SHOW)
    def get(self, cluster: str, generation: str, query: Object
            ) -> Object:
        """Show a generation, and how it differs from another one.

        A cluster that is gone is known by its id.
        """
        found = self.cluster(cluster, policies.SHOW, gone=True)
        if not generation.isdecimal() or len(generation) > 9:
            raise NotFound(resource='Generation', ident=generation)
        with self.services.database.read() as session:
            row = generations.get(session, found.id, int(generation))
            other = generations.get(session, found.id,
                                    whole(query['against'])) \
                if 'against' in query else None
            attempts = generations.attempts(session, found.id,
                                            [row.generation])
            this = change.revision(self.services, row.desired)
            return schema.view(
                row, schema.Around(
                    attempts.get(row.generation),
                    Allowed(self).clone(self.project, row.desired)), this,
                None if other is None else revisions.between(
                    change.revision(self.services, other.desired), this))
