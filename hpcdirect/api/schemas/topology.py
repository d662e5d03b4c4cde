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

"""The schema of a cluster's topology."""

from __future__ import annotations

from hpcdirect.api.schemas import common
from hpcdirect.api.schemas.common import Schema
from hpcdirect.states import ClusterStatus
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus

_GROUP = common.closed({
    'name': common.text('The node group.'),
    'label': common.text('The name for people; may be empty.'),
    'count': common.number('Nodes wanted.'),
    'ready': common.number('Nodes that are up.'),
    'login': {'type': 'boolean',
              'description': 'People log in to its first node.'},
})

_LAYER = common.closed({
    'element': common.text('The element.'),
    'role': common.text('The role.'),
    'version': common.text('Its version.'),
    'wanted': {'type': ['boolean', 'null'], 'description': 'It is to be '
               'there; else it is to go. Null when nobody knows.'},
    'groups': common.words('Node groups on which it is wanted.'),
    'stands_on': common.maybe(common.words(
        'Elements that it needs on the same nodes; null when it is not in '
        'the catalogue any more.')),
})


def _column(description: str, of: Schema) -> Schema:
    return {'type': 'array', 'description': description, 'items': of}


_NODES = common.closed({
    'name': _column('Names, group by group.', {'type': 'string'}),
    'group': _column('Places in groups.', {'type': 'integer'}),
    'wanted': _column('Whether it is to be there; else it is to go.',
                      {'type': 'boolean'}),
    'status': _column(
        'How its machine stands; null when there is none yet.',
        {'enum': [*NodeStatus, None]}),
    'incarnation': _column('Raised when the machine is replaced.',
                           {'type': 'integer'}),
    'address': _column('Address in the cluster\'s network, or "".',
                       {'type': 'string'}),
    'fault': _column('Why it failed, or "".', {'type': 'string'}),
    'stack': _column('Places in stacks: what stands on it.',
                     {'type': 'integer'}),
}, description='Columns of equal length, one entry for each node.')

_STACK = common.closed({
    'layers': _column('Places in layers, the lowest first.',
                      {'type': 'integer'}),
    'states': _column(
        'How each of them stands; verified when it was applied and verified.',
        {'enum': [*LayerState, 'verified']}),
})

_NETWORK = common.closed({
    'name': common.text('As its cloud calls it.'),
    'cidrs': common.words('Ranges of its addresses; empty when not known.'),
    'groups': common.words('Node groups that are on it.'),
    'own': {'type': 'boolean', 'description': 'Made for this cluster, and '
            'taken away with it.'},
})

_VOLUME = common.closed({
    'name': common.text('The volume.'),
    'mount': common.text('Where nodes see it.'),
    'groups': common.words('Node groups that see it.'),
    'provided': {'type': ['boolean', 'null'], 'description': 'Whether the '
                 'backend provides it; elements do without where it does '
                 'not. Null when the backend is not enabled here.'},
})

SHOW = common.closed({
    'id': common.ID, 'name': common.text('The cluster.'),
    'status': common.text('How it stands at a glance.',
                          enum=list(ClusterStatus)),
    'blueprint': common.text('The blueprint.'),
    'blueprint_version': common.text('Its version.'),
    'generation': common.number('Raised by every change.'),
    'groups': common.items(_GROUP, 'Machines that are alike.'),
    'layers': common.items(_LAYER, 'What is on nodes or is to be, the lowest '
                           'first.'),
    'stacks': common.items(_STACK, 'The different ways in which layers stand '
                           'on nodes.'),
    'nodes': _NODES,
    'networks': {'type': ['array', 'null'], 'items': _NETWORK,
                 'description': 'What the nodes are on, by what was asked '
                 'for; null when nobody knows.'},
    'volumes': {'type': ['array', 'null'], 'items': _VOLUME,
                'description': 'Folders that nodes share and that outlive '
                'machines; null when the blueprint is gone.'},
})
