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

"""The schemas and the views of deployments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hpcdirect.api import remedies
from hpcdirect.api.schemas import common
from hpcdirect.api.schemas.common import when
from hpcdirect.db.deployments import Progress
from hpcdirect.db.models import Step
from hpcdirect.db.models import now
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import Operation
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus

FAILURES = common.items(common.closed({
    **{name: common.maybe(common.text(description))
       for name, description in (
           ('code', 'A word for the kind of failure.'),
           ('class', 'The likely class of the cause: disk_full, network, '
                     '...; unknown at worst.'),
           ('class_by', 'Whose message tells the class: output, of a task '
                        'on the node; connection, for the node could not be '
                        'reached; service, of a backend or the service.'),
           ('step', 'The step, in words.'), ('element', 'The element.'),
           ('node', 'The node.'), ('task', 'The task.'),
           ('message', 'What went wrong.'), ('hint', 'What to do.'),
           ('run_id', 'The run whose log tells more.'))},
    'log': common.words('The lines of the log up to it; told with the first '
                        'failure of a run.'),
    'fine': common.words('Nodes on which the run went well; told with the '
                         'first failure of a run.'),
    'next': common.items(common.closed({
        'operation': common.text('A word of what a cluster says is allowed.',
                                 enum=list(remedies.OPERATIONS)),
        'needs': {**common.words(
            'What comes first: cause, somebody mends what the hint says; '
            'parameters, somebody gives other ones; generation, somebody '
            'says which to go back to.'), 'items': {
                'enum': list(remedies.Need)}},
    }), 'What helps, the best first; empty when only the operator can.'),
}, ()), 'Why it failed; empty when it did not.')

PROGRESS = common.closed({
    'total': common.number('Steps of the plan.'),
    'done': common.number('Steps that are done.'),
    'running': common.text('A step under way, or "".'),
    'fraction': {'type': 'number', 'minimum': 0, 'maximum': 1,
                 'description': 'How much of the work is done; steps that '
                 'usually take longer count more.'},
    'seconds_left': {'type': ['number', 'null'], 'description':
                     'How long the rest takes, as far as can be told; null '
                     'when it is over, or nobody knows.'},
}, description='How far it is.')

STATUS = common.text('How it stands.', enum=list(DeploymentStatus))
OPERATION = common.text('What was asked for.', enum=list(Operation))

_BRIEF = {
    'id': common.ID, 'cluster_id': common.ID,
    'project_id': common.PROJECT_ID, 'operation': OPERATION,
    'generation': common.number('The generation it converges to.'),
    'status': STATUS,
    'reason': common.text('Why, a sentence; may be empty.'),
    'user_id': common.text('Who asked.'), 'user_name': common.USER_NAME,
    'failures': FAILURES, 'progress': PROGRESS,
    'created_at': common.MOMENT,
    'started_at': common.maybe(common.MOMENT),
    'finished_at': common.maybe(common.MOMENT),
}

STEP = common.closed({
    'id': common.ID, 'position': common.number('Its place.'),
    'kind': common.text('What is done.', enum=list(StepKind)),
    'element': common.text('The element, or "".'),
    'nodes': common.words('The nodes.'),
    'status': common.text('How it stands.', enum=list(WorkStatus)),
    'reason': common.text('Why it is done.'),
    'expected': {'type': ['number', 'null'], 'description':
                 'Seconds that such a step took before, the median; null '
                 'when none has ended well.'},
    'started_at': common.maybe(common.MOMENT),
    'finished_at': common.maybe(common.MOMENT),
})

_ENTRY = common.closed(_BRIEF)
SHOW = common.closed({
    **_BRIEF,
    'plan': common.items(common.closed({
        'kind': common.text('What is to be done.', enum=list(StepKind)),
        'element': common.text('The element, or "".'),
        'nodes': common.words('The nodes.'),
        'reason': common.text('Why.'),
    }), 'What was to be done, as planned at the start.'),
    'steps': common.items(STEP, 'What was done.'),
})

LIST = common.listed('deployments', _ENTRY, 'Deployments.')

FILTERS = {'status': STATUS, 'operation': OPERATION}
SORTABLE = ('created_at', 'status', 'operation', 'generation')
CLUSTER_QUERY = common.query(_ENTRY, FILTERS, SORTABLE)
LIST_QUERY = common.query(
    _ENTRY, {**FILTERS, **common.ALL_PROJECTS, 'cluster': common.text(
        'Name of the cluster, or its id, also when it is gone.',
        maxLength=63)}, SORTABLE)

AGAIN = common.closed({
    'operation': common.text(
        'retry goes on from what failed; check verifies every layer and '
        'compares machines, and changes nothing; repair looks likewise and '
        'mends what is not as it is wanted; cancel ends what is under way, '
        'between two tasks.',
        enum=[Operation.RETRY.value, Operation.CHECK.value,
              Operation.REPAIR.value, Operation.CANCEL.value]),
})


def progress(row: Any, found: Progress) -> dict[str, Any]:
    """How far a deployment is.

    :param row: with its ``status`` and ``started_at``.
    """
    over = DeploymentStatus(row.status).over
    left = None if over else found.seconds_left(row.started_at, now())
    return {'total': found.total, 'done': found.done,
            'running': found.running, 'fraction': round(found.fraction, 4),
            'seconds_left': None if left is None else round(left, 1)}


#: Of one line of the list; each is given the row and its progress.
FIELDS = common.Fields({
    **{name: common.column(name) for name in (
        'id', 'cluster_id', 'project_id', 'operation', 'generation',
        'status', 'reason', 'user_id', 'user_name')},
    'failures': common.Field(
        lambda row, *given: remedies.told(row.failures, row.operation),
        ('failures', 'operation')),
    'progress': common.Field(progress, ('id', 'status', 'started_at'),
                             ('progress',)),
    **{name: common.moment(name) for name in (
        'created_at', 'started_at', 'finished_at')},
})


def view(row: Any, found: Progress, steps: Iterable[Step]) -> dict[str, Any]:
    """All of a deployment."""
    return {**FIELDS.view(row, found), 'plan': row.plan or [],
            'steps': [_step(step) for step in steps]}


def _step(row: Step) -> dict[str, Any]:
    return {
        'id': row.id, 'position': row.position, 'kind': row.kind,
        'element': row.element, 'nodes': row.nodes, 'status': row.status,
        'reason': row.reason, 'expected': row.expected,
        'started_at': when(row.started_at),
        'finished_at': when(row.finished_at),
    }
