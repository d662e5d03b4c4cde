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

"""/v1/clusters/{cluster}/nodes"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hpcdirect.api import request
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import common
from hpcdirect.api.services import Services
from hpcdirect.db import layers
from hpcdirect.db import nodes
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.policies import clusters as policies
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus

_STATUS = common.text('How it stands.', enum=list(NodeStatus))
_GROUP = common.text('Its node group.', maxLength=255)

SHOW = common.closed({
    'id': common.ID, 'name': common.text('Its slot, and its host name.'),
    'group': _GROUP,
    'incarnation': common.number('Raised when the machine is replaced.'),
    'status': _STATUS,
    'closed': {'type': 'boolean', 'description': 'It takes no work, since a '
               'change is under way for which it was drained; it works again '
               'after that.'},
    'address': common.text('Its address in the cluster\'s network.'),
    'ssh': common.closed({
        'host': common.text('Where ssh goes to.'),
        'port': common.number('Where ssh listens.'),
        'user': common.text('Whom the service logs in as.'),
        'via': common.text('Jump host user@host[:port], or "".'),
        'host_key': common.text('The OpenSSH host key it shows.'),
    }, description='How it is reached.'),
    'fault': common.text('Why it failed, or "".'),
    'ref': common.text('What its backend calls it.'),
    'layers': common.items(common.closed({
        'element': common.text('The element.'),
        'version': common.text('Its version.'),
        'state': common.text('How it stands.', enum=list(LayerState)),
        'verified': {'type': 'boolean', 'description': 'It was seen to work '
                     'since it was put on, and since the last check began.'},
    }), 'What is on it, the lowest first.'),
    'created_at': common.MOMENT, 'updated_at': common.MOMENT,
})

LIST = common.listed('nodes', SHOW, 'Nodes of the cluster.')
FILTERS = {'name': common.text('Its slot.', maxLength=255),
           'group': _GROUP, 'status': _STATUS}
LIST_QUERY = common.query(SHOW, FILTERS, (
    'name', 'group', 'status', 'created_at', 'updated_at'))


def _ssh(row: Any, layers: Iterable[Any]) -> Object:
    ssh = row.ssh or {}
    return {'host': ssh.get('host', ''), 'port': ssh.get('port', 22),
            'user': ssh.get('user', 'root'), 'via': ssh.get('via', ''),
            'host_key': ssh.get('host_key', '')}


def _layers(row: Any, layers: Iterable[Any]) -> list[Object]:
    return [{'element': layer.element, 'version': layer.version,
             'state': layer.state, 'verified': layer.verified}
            for layer in layers]


#: Each is given the row and the layers on the node.
FIELDS = common.Fields({
    **{name: common.column(name) for name in (
        'id', 'name', 'group', 'incarnation', 'status', 'closed',
        'address')},
    'ssh': common.Field(_ssh, ('ssh',)),
    'fault': common.column('fault'), 'ref': common.column('ref'),
    'layers': common.Field(_layers, ('name',), ('layers',)),
    'created_at': common.moment('created_at'),
    'updated_at': common.moment('updated_at'),
})


_FILTERS = {name: name for name in FILTERS}


class Nodes(Resource):
    """The machines of a cluster."""

    def __init__(self, services: Services) -> None:
        super().__init__(services, item=Node(services))

    @request.schemas(query=LIST_QUERY, response=LIST)
    def get(self, cluster: str, query: Object) -> Object:
        """List the nodes of a cluster."""
        found = self.cluster(cluster, policies.SHOW)
        fields = FIELDS.only(text(query.get('fields')))
        page = self.page(query, _FILTERS, 'name:asc', fields)
        with self.services.database.read() as session:
            listing = nodes.listing(session, found.id, page)
            on = layers.on_nodes(
                session, found.id, [row.name for row in listing.rows]
            ) if 'layers' in fields.around else {}
        return self.answer(
            'nodes', listing,
            lambda row: fields.view(
                row, on.get(row.name, ()) if on else ()), query)


class Node(Resource):
    """One node, by name or id."""

    param = 'node'

    @request.schemas(response=SHOW)
    def get(self, cluster: str, node: str) -> Object:
        """Show a node of a cluster."""
        found = self.cluster(cluster, policies.SHOW)
        with self.services.database.read() as session:
            row = nodes.get(session, found.id, node)
            on = layers.on_nodes(session, found.id, [row.name])
        return FIELDS.view(row, on.get(row.name, ()))
