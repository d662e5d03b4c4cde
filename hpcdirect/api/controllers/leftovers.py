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

"""/v1/leftovers"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses

from hpcdirect import leftovers
from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import common
from hpcdirect.backends.base import Leftover
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import Object
from hpcdirect.policies import services as policies

QUERY = common.closed({
    'backend': common.text('Only this backend\'s.', minLength=1,
                           maxLength=64),
}, ())

SHOW = common.closed({'backends': common.items(common.closed({
    'name': common.text('The backend.'),
    'leftovers': common.items(common.closed({
        'cluster_id': common.text('Whose it was; "" when nobody can tell.'),
        'kind': common.text('What it is, such as machine or network.'),
        'ref': common.text('What its cloud calls it.'),
        'project_id': common.text('Where it is; "" without projects.'),
        'known': {'type': 'boolean', 'description': 'Whether its cluster was '
                  'one of this service\'s, and was deleted.'},
    }), 'What there is of clusters that are no more.'),
    'reason': common.text('Why the backend cannot tell, or "".'),
}), 'Backends that are enabled.')})


def view(name: str, left: Iterable[tuple[Leftover, bool]], reason: str
         ) -> Object:
    """What one backend's cloud has."""
    return {'name': name, 'reason': reason, 'leftovers': [
        {**dataclasses.asdict(one), 'known': known} for one, known in left]}


class Leftovers(Resource):
    """What clusters left behind."""

    @request.schemas(query=QUERY, response=SHOW)
    def get(self, query: Object) -> Object:
        """List what clouds have of clusters that are no more.

        Nothing is taken away. What is just being made or deleted looks like
        it for a moment; what another installation made always does. A
        backend that cannot tell says why, and the others answer.
        """
        self.authorize(policies.LEFTOVERS)
        name = query.get('backend')
        if name not in (None, *self.services.backends):
            raise Invalid([Finding(f'backend {name} is not enabled here',
                                   '$.backend')])
        return {'backends': list(self._told(name))}

    def _told(self, only: str | None) -> Iterator[Object]:
        """What each backend's cloud has."""
        for name, backend in self.services.backends.items():
            if only in (None, name):
                yield view(name, *leftovers.found_or_why(
                    self.services.database, backend))
