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

"""The schemas and the view of runs and their logs."""

from __future__ import annotations

from typing import Any

from hpcdirect.api.schemas import common
from hpcdirect.jsontypes import Object
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus

_STATUS = common.text('How it stands.', enum=list(WorkStatus))
_VERB = common.text('What is done.', enum=list(StepKind))

SHOW = common.closed({
    'id': common.ID, 'cluster_id': common.ID,
    'project_id': common.PROJECT_ID, 'deployment_id': common.ID,
    'step_id': common.ID, 'verb': _VERB,
    'element': common.text('The element.'),
    'nodes': common.words('The nodes.'), 'status': _STATUS,
    'cause': common.maybe(common.closed({
        **{name: common.maybe(common.text(description))
           for name, description in (
               ('node', 'The node.'), ('task', 'The task.'),
               ('message', 'What went wrong.'))},
        'unreachable': {'type': 'boolean', 'description': 'Whether the node '
                        'could not be reached.'},
    }, (), description='The first thing that failed, or null.')),
    'summary': {
        'type': 'object', 'description': 'Node, and how its tasks ended.',
        'additionalProperties': {
            'type': 'object',
            'additionalProperties': {'type': 'integer'}}},
    'log_size': common.number('Characters of its log.'),
    'created_at': common.MOMENT,
    'started_at': common.maybe(common.MOMENT),
    'finished_at': common.maybe(common.MOMENT),
})

LIST = common.listed('runs', SHOW, 'Runs.')

FILTERS = {'status': _STATUS, 'verb': _VERB,
           'element': common.text('The element.', maxLength=255)}
RELATED = {
    'deployment': common.text('Id of the deployment.', maxLength=36),
    'step': common.text('Id of the step.', maxLength=36),
}
_SORTABLE = ('created_at', 'status', 'verb', 'element')
CLUSTER_QUERY = common.query(SHOW, {**FILTERS, **RELATED}, _SORTABLE)
LIST_QUERY = common.query(SHOW, {
    **FILTERS, **RELATED, **common.ALL_PROJECTS, 'cluster': common.text(
        'Name of the cluster, or its id, also when it is gone.',
        maxLength=63)}, _SORTABLE)

LOG_QUERY = common.closed({
    'offset': common.number('Characters to leave out at the beginning.',
                            minimum=0, maximum=2 ** 48, default=0),
    'limit': common.number('Most characters to show.', minimum=1,
                           maximum=1024 * 1024, default=65536),
}, ())
LOG = common.closed({
    'text': common.text('A stretch of the log.'),
    'offset': common.number('Where it begins, in characters.'),
    'next_offset': common.number('Where the next one begins.'),
    'complete': {'type': 'boolean',
                 'description': 'Whether nothing will come after it.'},
})

_OVER = (WorkStatus.SUCCEEDED, WorkStatus.FAILED, WorkStatus.INTERRUPTED)


FIELDS = common.Fields({
    **{name: common.column(name) for name in common.properties(SHOW)},
    **{name: common.moment(name) for name in (
        'created_at', 'started_at', 'finished_at')},
})


def log(row: Any, text: str, offset: int) -> Object:
    """A stretch of a run's log."""
    after = offset + len(text)
    return {'text': text, 'offset': offset, 'next_offset': after,
            'complete': row.status in _OVER and after >= row.log_size}
