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


"""The schemas and the view of a deployment on its way."""

from __future__ import annotations

from hpcdirect.api.schemas import common
from hpcdirect.api.schemas import deployments
from hpcdirect.api.schemas import events
from hpcdirect.api.schemas import runs
from hpcdirect.api.schemas.common import when
from hpcdirect.db.motion import Stack
from hpcdirect.db.motion import Stride
from hpcdirect.jsontypes import Object
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus

_STEP = common.closed({
    **{name: common.properties(deployments.STEP)[name] for name in (
        'id', 'kind', 'element', 'status', 'expected', 'started_at',
        'finished_at')},
    'nodes': common.number('Nodes it is done on.'),
    'done': common.number('Nodes on which it is done.'),
    'running': common.words('Nodes on which it runs.'),
    'failed': common.words('Nodes on which it failed.'),
})

_NODE = common.closed({
    'name': common.text('The node.'),
    'status': common.text('How its machine stands.', enum=list(NodeStatus)),
    'layers': {
        'type': 'object', 'description': 'Element, and how it stands there; '
        'in the order in which they were put on.',
        'additionalProperties': common.text(
            'Its state; verified when it was applied and verified.',
            enum=[*LayerState, 'verified'])},
})

SHOW = common.closed({
    'id': common.ID, 'cluster_id': common.ID,
    'operation': deployments.OPERATION,
    'generation': common.number('The generation it converges to.'),
    'status': deployments.STATUS,
    'reason': common.text('Why, a sentence; may be empty.'),
    'failures': deployments.FAILURES, 'progress': deployments.PROGRESS,
    'started_at': common.maybe(common.MOMENT),
    'finished_at': common.maybe(common.MOMENT),
    'steps': common.items(_STEP, 'All its steps.'),
    'nodes': common.items(_NODE, 'Nodes of the cluster of which something '
                          'was written since the last look; all at first.'),
    'events': common.items(events.ENTRY, 'What happened since, the oldest '
                           'first; only the end when it is too much.'),
    'left_out': {'type': 'boolean', 'description': 'Whether events are left '
                 'out before these.'},
    'log': common.maybe({**runs.LOG, 'description': 'The next stretch of the '
                         'log of the run that was asked for, or null.'}),
    'next': common.text('What to send as since at the next look.'),
    'poll_seconds': common.number('When that is worth while.'),
})

QUERY = common.closed({
    'since': common.text('What the last look gave as next.',
                         pattern=r'^[0-9]{1,18}-[0-9]{1,18}$'),
    'run': common.text('A run of it, whose log is shown, too.', minLength=1,
                       maxLength=36),
    'offset': common.number('Where the log was left, in characters; the last '
                            'ones when not given.', minimum=0,
                            maximum=2 ** 48),
}, ())


def step(found: Stride) -> Object:
    """A step as it stands."""
    row = found.step
    return {
        'id': row.id, 'kind': row.kind, 'element': row.element,
        'status': row.status, 'nodes': len(row.nodes),
        'done': len(found.done), 'running': list(found.running),
        'failed': list(found.failed), 'expected': row.expected,
        'started_at': when(row.started_at),
        'finished_at': when(row.finished_at)}


def node(found: Stack) -> Object:
    """A node with its layers."""
    return {'name': found.name, 'status': found.status,
            'layers': dict(found.layers)}
