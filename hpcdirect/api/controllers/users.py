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
"""/v1/clusters/{cluster}/users

Short ways to what ``users`` in a PATCH of the cluster says.
"""

from __future__ import annotations

from hpcdirect.api import people
from hpcdirect.api import request
from hpcdirect.api import surroundings
from hpcdirect.api.request import Body
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import clusters as cluster_schema
from hpcdirect.api.schemas import users as schema
from hpcdirect.api.services import Services
from hpcdirect.db.models import Cluster
from hpcdirect.exception import Conflict
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.planning.accounts import Person
from hpcdirect.planning.state import GONE
from hpcdirect.policies import clusters as policies


class Users(Resource):
    """People's accounts on a cluster."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=User(services))

    @request.schemas(query=schema.LIST_QUERY, response=schema.LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List the users of a cluster."""
        found = self.cluster(cluster, policies.SHOW)
        where = people.presences(self.services, found)
        return {'users': [
            schema.view(one, where.of(one.name))
            for one in people.listed(self.services, found)
            if query.get('gone') or one.there]}

    @request.schemas(body=schema.CREATE, response=cluster_schema.SHOW,
                        status=(202,))
    def post(self, cluster: str, body: Body) -> Object:
        """Make an account on every node of a cluster that is there.

        Many accounts, made, changed and taken off, are one change, by the
        users of a PATCH of the cluster.
        """
        found = self.cluster(cluster, policies.UPDATE)
        asked = body()
        name = text(asked['name'])
        if any(one.name == name and one.there
               for one in people.listed(self.services, found)):
            raise Conflict(reason=f'Cluster {found.name} has a user {name} '
                           'already.')
        said = {key: value for key, value in asked.items() if key != 'name'}
        return surroundings.carry_out(self, found, {'users': {name: said}})


class User(Resource):
    """One user of a cluster."""

    param = 'user'

    @request.schemas(response=schema.SHOW)
    def get(self, cluster: str, user: str) -> Object:
        """Show a user."""
        found = self.cluster(cluster, policies.SHOW)
        person = self._user(found, user)
        return schema.view(person, people.presences(
            self.services, found).of(person.name))

    @request.schemas(body=schema.UPDATE, response=cluster_schema.SHOW,
                        status=(202, 200))
    def patch(self, cluster: str, user: str, body: Body) -> Object:
        """Change an account; what is not said stays."""
        found = self.cluster(cluster, policies.UPDATE)
        self._user(found, user)
        return surroundings.carry_out(self, found, {'users': {user: body()}})

    @request.schemas(query=schema.DELETE_QUERY,
                        response=cluster_schema.SHOW, status=(202,))
    def delete(self, cluster: str, user: str, query: Object
               ) -> Object:
        """Take an account off every node; sessions end at once."""
        found = self.cluster(cluster, policies.UPDATE)
        self._user(found, user)
        return surroundings.carry_out(self, found, {'users': {user: {
            'state': GONE, **query}}})

    def _user(self, found: Cluster, name: str) -> Person:
        for one in people.listed(self.services, found):
            if one.name == name and one.there:
                return one
        raise NotFound(resource='User', ident=name)
