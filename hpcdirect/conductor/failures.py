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

"""What a deployment failed with, as the API shows it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from hpcdirect.conductor.diagnosis import Source
from hpcdirect.conductor.diagnosis import diagnose
from hpcdirect.conductor.situation import Situation
from hpcdirect.exception import Replayed
from hpcdirect.runners.base import Cause
from hpcdirect.states import FailureCode
from hpcdirect.states import StepKind


def plain(message: str, step: str = '', node: str = '') -> dict[str, Any]:
    """A failure that is not of an element's task.

    :param step: the step's title; '' when it is the whole deployment's.
    :param node: the node's name; '' when it concerns no node in particular.
    """
    kind = diagnose(message, Source.SERVICE)
    return {'code': FailureCode.PLUGIN_FAILED, 'step': step,
            'element': '', 'node': node, 'task': '', 'message': message,
            'run_id': None, 'class': kind.name, 'class_by': kind.source,
            'hint': 'Mend the cause and retry, or delete the cluster.'}


def of_task(cause: Cause, place: Mapping[str, Any]) -> dict[str, Any]:
    """What went wrong in an element.

    :param place: ``step``, ``element``, ``node`` and ``run_id``.
    """
    kind = diagnose(cause.message, Source.CONNECTION
                    if cause.unreachable else Source.OUTPUT)
    code, hint = (FailureCode.REPLAYED, Replayed.hint) if cause.replayed \
        else (FailureCode.ELEMENT_FAILED, kind.hint)
    return {'code': code, 'class': kind.name, 'class_by': kind.source,
            **place, 'task': cause.task, 'message': cause.message,
            'hint': hint}


def of_ours(code: FailureCode, message: str, hint: str = ''
            ) -> dict[str, Any]:
    """A deployment that hpcdirect itself does not go on with."""
    return {'code': code, 'step': '', 'element': '', 'node': '', 'task': '',
            'message': message, 'hint': hint, 'run_id': None}


def of_machine(node: str, message: str,
               step: StepKind = StepKind.PROVISION) -> dict[str, Any]:
    """A machine that was not created, or not removed.

    :param node: its name; '' when it concerns the whole cluster.
    :param step: what was to be done with it.
    """
    said = message.rstrip('. ') or 'the machine failed'
    return plain(f'{said}.', step.value, node) | {
        'code': FailureCode.NODE_FAILED,
        'hint': 'Retry makes it again; the other nodes stay as they are.'}


def last_heard(situation: Situation, name: str) -> str:
    """What was last heard of a machine, in brackets; '' for nothing."""
    for machine in situation.infra.machines:
        if machine.slot == name and machine.fault:
            return f' ({machine.fault.rstrip(".")})'
    return ''


def put_back(nodes: Iterable[str]) -> str:
    """Says which nodes are as they were before the change that failed.

    :returns: '' for none: their machines may have gone meanwhile.
    """
    names = sorted(set(nodes))
    if not names:
        return ''
    shown = [*names[:4], *([f'{len(names) - 4} more']
                           if len(names) > 4 else [])]
    listed = ' and '.join(filter(None, (', '.join(shown[:-1]),
                                        shown[-1])))
    return f'{listed} {"were" if names[1:] else "was"} put back.'


def sentence(failure: dict[str, Any], more: str = '') -> str:
    """A failure in one line: place, message, what else is so, what to do."""
    place = ', '.join(filter(None, (failure['step'], failure['node'],
                                    failure['task'])))
    return ' '.join(filter(None, (place and f'{place}:', failure['message'],
                                  more, failure['hint'])))
