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

"""The schemas and the view of events."""

from __future__ import annotations

from collections.abc import Mapping

from hpcdirect.api.schemas import common

_LEVEL = common.text('How bad it is.', enum=['info', 'warning', 'error'])

ENTRY = common.closed({
    'id': common.number('The marker of what comes after it.'),
    'cluster_id': common.ID, 'project_id': common.PROJECT_ID,
    'deployment_id': common.text('The deployment, or "".'),
    'run_id': common.text('The run, or "".'),
    'step_id': common.text('The step, or "".'),
    'kind': common.text('cluster, deployment, step, node or task.'),
    'level': _LEVEL,
    'node': common.text('The node, or "".'),
    'element': common.text('The element, or "".'),
    'verb': common.text('What was done, or "".'),
    'task': common.text('The task, or "".'),
    'result': common.maybe(common.text(
        'ok, changed, failed, unreachable, skipped, or null.')),
    'seconds': {'type': ['number', 'null'],
                'description': 'How long it took.'},
    'message': common.text('What happened.'),
    'at': common.MOMENT,
})

LIST = common.listed('events', ENTRY, 'What happened, the oldest first '
                     'unless sort says otherwise.')

_RELATED: Mapping[str, common.Schema] = {
    'deployment': common.text('Id of the deployment.', maxLength=36),
    'run': common.text('Id of the run.', maxLength=36),
    'kind': common.text('cluster, deployment, step, node or task.',
                        maxLength=16),
    'level': _LEVEL,
    'marker': common.number('Only events after this one; with sort=id:desc, '
                            'before it.', minimum=0, maximum=2 ** 48),
    'wait': {'type': 'number', 'minimum': 0, 'maximum': 300,
             'description': 'Seconds to wait when there is nothing to '
                            'tell; the service may wait for less. Goes '
                            'with the oldest first.'},
}
CLUSTER_QUERY = common.query(ENTRY, _RELATED, ('id',))
LIST_QUERY = common.query(ENTRY, {
    **_RELATED, **common.ALL_PROJECTS, 'cluster': common.text(
        'Name of the cluster, or its id, also when it is gone.',
        maxLength=63)}, ('id',))


FIELDS = common.Fields({
    **{name: common.column(name) for name in common.properties(ENTRY)},
    'at': common.moment('at'),
})
