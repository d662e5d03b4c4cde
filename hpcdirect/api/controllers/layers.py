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

"""/v1/clusters/{cluster}/layers"""

from __future__ import annotations

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import common
from hpcdirect.db import layers
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.policies import clusters as policies
from hpcdirect.states import LayerState

_STATE = common.text('How it stands.', enum=list(LayerState))

_ENTRY = common.closed({
    'id': common.ID, 'node': common.text('The node.'),
    'element': common.text('The element.'),
    'version': common.text('Its version.'),
    'role': common.text('The part the node plays.'),
    'position': common.number('Its place in the order.'),
    'state': _STATE,
    'verified': {'type': 'boolean',
                 'description': 'Whether it was seen to work.'},
    'digest': common.text('sha256 of what it was applied with.'),
    'run_id': common.text('The run that touched it last, or "".'),
    'note': common.text('What its element told when it was verified last; '
                        'no fault, but good to know. "" for nothing.'),
    'updated_at': common.MOMENT,
})

LIST = common.listed('layers', _ENTRY, 'Elements as they stand on nodes.')
FILTERS = {'node': common.text('The node.', maxLength=255),
           'element': common.text('The element.', maxLength=128),
           'state': _STATE}
LIST_QUERY = common.query(_ENTRY, FILTERS, (
    'node', 'element', 'position', 'state', 'updated_at'))

FIELDS = common.Fields({
    **{name: common.column(name) for name in common.properties(_ENTRY)},
    'updated_at': common.moment('updated_at'),
})


_FILTERS = {name: name for name in FILTERS}


class Layers(Resource):
    """Elements as they stand on the nodes of a cluster."""

    @request.schemas(query=LIST_QUERY, response=LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List the layers of a cluster."""
        found = self.cluster(cluster, policies.SHOW)
        fields = FIELDS.only(text(query.get('fields')))
        page = self.page(query, _FILTERS, 'node:asc,position:asc', fields)
        with self.services.database.read() as session:
            listing = layers.listing(session, found.id, page)
        return self.answer('layers', listing, fields.view, query)
