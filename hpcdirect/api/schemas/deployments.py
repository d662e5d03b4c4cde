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

"""The schemas and the views of deployments, and of what failed in them.

What can be done about a failure is told as data, for a button or a command:
``hint`` says the same to people, and like it nothing here asks for what data
could be lost by, but for a deletion where nothing else may be left. Whether
the caller may do it just now is ``allowed`` of the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import enum
from typing import Any

from hpcdirect.api.schemas import common
from hpcdirect.api.schemas.common import when
from hpcdirect.db.models import Step
from hpcdirect.db.models import now
from hpcdirect.db.surroundings import Progress
from hpcdirect.jsontypes import Object
from hpcdirect.states import DeploymentPhase
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import FailureCode
from hpcdirect.states import Operation
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus
from hpcdirect.states import phase_of

Remedy = Object


class Need(enum.StrEnum):
    """What somebody has to do or to say first."""

    #: Mend what is wrong outside of the service, as the hint says.
    CAUSE = 'cause'
    #: Give other parameters of the cluster.
    PARAMETERS = 'parameters'
    #: Say which generation to go back to.
    GENERATION = 'generation'


#: Words of ``allowed`` that ``operation`` may be.
OPERATIONS = ('retry', 'repair', 'update', 'delete')


def _do(operation: str, *needs: Need) -> Remedy:
    return {'operation': operation, 'needs': list(needs)}


_AGAIN = _do('retry')
_MENDED = _do('retry', Need.CAUSE)
_OTHERWISE = _do('update', Need.PARAMETERS)
_DELETE = _do('delete')

#: Code -> what helps, the best first; ELEMENT_FAILED is told by its class.
BY_CODE: Mapping[str, tuple[Remedy, ...]] = {
    FailureCode.PLUGIN_FAILED: (_MENDED, _DELETE),
    FailureCode.NODE_FAILED: (_AGAIN,),
    FailureCode.DISAGREES: (_do('repair'), _AGAIN),
    FailureCode.CATALOGUE_CHANGED: (_AGAIN,),
    # A retry is refused when nobody signed what is recorded.
    FailureCode.REFUSED: (_AGAIN, _do('update', Need.GENERATION), _DELETE),
    # Only an operator can put the database in order.
    FailureCode.REPLAYED: (),
    FailureCode.INTERNAL: (_AGAIN, _DELETE),
}
#: The same of an element, by the class of the cause.
BY_CLASS: Mapping[str, tuple[Remedy, ...]] = {
    'stopped': (_AGAIN,),
    **dict.fromkeys((
        'hidden', 'node_unreachable', 'read_only', 'signature',
        'package_conflict', 'timeout', 'network', 'syntax_error',
        'missing_user', 'service_failed', 'permission_denied', 'missing',
        'unknown'), (_MENDED,)),
    **dict.fromkeys((
        'disk_full', 'checksum', 'package_not_found', 'port_in_use',
        'undefined_variable'), (_MENDED, _OTHERWISE)),
    **dict.fromkeys((
        'out_of_memory', 'kernel', 'bad_parameter'), (_OTHERWISE, _MENDED)),
}


def failures(failures: Iterable[Mapping[str, Any]], operation: str
         ) -> list[Object]:
    """Failures as they are kept, each with what helps against it.

    :param operation: of the deployment that failed.
    """
    return [{**failure, 'next': _next(failure, operation)}
            for failure in failures]


def _next(failure: Mapping[str, Any], operation: str) -> list[Remedy]:
    code, kind = failure.get('code'), failure.get('class') or ''
    # One that this release does not know yet: a retry harms nothing.
    found = BY_CLASS.get(kind, (_MENDED,)) \
        if code == FailureCode.ELEMENT_FAILED \
        else BY_CODE.get(code or '', (_MENDED,))
    if operation == Operation.DELETE:
        # What is to go takes no other wish.
        found = tuple(one for one in found if one['operation'] != 'update')
    return list(found)


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
                                 enum=list(OPERATIONS)),
        'needs': {**common.words(
            'What comes first: cause, somebody mends what the hint says; '
            'parameters, somebody gives other ones; generation, somebody '
            'says which to go back to.'), 'items': {
                'enum': list(Need)}},
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
PHASE = common.maybe(common.text(
    'What a RUNNING one does: converging, or putting_back when it has failed '
    'and nodes that were out of service for it get back what they had; null '
    'for all other statuses.', enum=[*DeploymentPhase, None]))
OPERATION = common.text('What was asked for.', enum=list(Operation))

_BRIEF = {
    'id': common.ID, 'cluster_id': common.ID,
    'project_id': common.PROJECT_ID, 'operation': OPERATION,
    'generation': common.number('The generation it converges to.'),
    'status': STATUS, 'phase': PHASE,
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


def progress(row: Any, found: Progress) -> Object:
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
    'phase': common.Field(
        lambda row, *given: phase_of(row.status, bool(row.failures)),
        ('status', 'failures')),
    'failures': common.Field(
        lambda row, *given: failures(row.failures, row.operation),
        ('failures', 'operation')),
    'progress': common.Field(progress, ('id', 'status', 'started_at'),
                             ('progress',)),
    **{name: common.moment(name) for name in (
        'created_at', 'started_at', 'finished_at')},
})


def view(row: Any, found: Progress, steps: Iterable[Step]) -> Object:
    """All of a deployment."""
    return {**FIELDS.view(row, found), 'plan': row.plan or [],
            'steps': [_step(step) for step in steps]}


def _step(row: Step) -> Object:
    return {
        'id': row.id, 'position': row.position, 'kind': row.kind,
        'element': row.element, 'nodes': row.nodes, 'status': row.status,
        'reason': row.reason, 'expected': row.expected,
        'started_at': when(row.started_at),
        'finished_at': when(row.finished_at),
    }
