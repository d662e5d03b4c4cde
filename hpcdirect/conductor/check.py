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
"""Does a cluster still stand as it is wanted? Looks, and changes nothing.

Every layer is verified again, and what the planner would do besides is what
does not agree: machines, layers, or what is out of service.
"""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
from typing import Any

from hpcdirect.conductor.situation import Situation
from hpcdirect.db import models
from hpcdirect.planning.plan import Plan
from hpcdirect.planning.plan import PlanStep
from hpcdirect.runners.base import Verb
from hpcdirect.states import FailureCode
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind

HINT = 'A repair mends just what is named; a retry does the same.'
_SAID = {
    StepKind.PROVISION: 'The machine is not there, or does not answer',
    StepKind.RELEASE: 'The machine is there, and no longer wanted',
    StepKind.REVERT: 'The layer is there, and not as it is wanted',
    StepKind.APPLY: 'The layer is not as it is wanted',
    StepKind.RESUME: 'The node is out of service',
}


def steps(situation: Situation, plan: Plan) -> Plan:
    """Those steps of a plan that only look, on what can be looked at."""
    wanted, observed = situation.wanted, situation.observed
    found = []
    for step in plan:
        keys = tuple(
            key for key in step.layers
            if step.kind == StepKind.VERIFY and key in observed.layers
            and observed.layers[key].state == LayerState.APPLIED
            and not observed.layers[key].verified
            and observed.nodes[key[0]].status == NodeStatus.UP
            and observed.nodes[key[0]].incarnation
            == wanted.members[key[0]].incarnation)
        if keys:
            found.append(dataclasses.replace(
                step, layers=keys, blocked='',
                nodes=tuple(dict.fromkeys(key[0] for key in keys))))
    return tuple(found)


def of_repair(runs: Iterable[models.Run]) -> list[dict[str, Any]]:
    """Those failures with which a repair fails.

    It begins with a look as a check does. What it finds amiss there is what
    it is to mend: it has failed when the same is amiss after that.

    :param runs: those that failed, the first first.
    """
    amiss: set[tuple[str, str]] = set()
    found = []
    for run in runs:
        for failure in run.failures or ():
            key = failure.get('element', ''), failure.get('node', '')
            if run.verb == Verb.VERIFY and key not in amiss:
                amiss.add(key)
            else:
                found.append(failure)
    return found


def disagreements(situation: Situation, plan: Plan,
                  failures: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is not as it is wanted, as failures that the API shows.

    :param failures: of layers that were verified; they are not told twice.
    """
    found = [{**failure, 'code': FailureCode.DISAGREES, 'hint': HINT}
             for failure in failures]
    told = {(failure['element'], failure['node']) for failure in found}
    faults = {machine.slot: machine.fault
              for machine in situation.infra.machines if machine.fault}
    for step in plan:
        for node in step.nodes:
            if step.kind in _SAID and (step.element, node) not in told:
                told.add((step.element, node))
                found.append(_disagreement(step, node, faults.pop(node, '')))
    found += [_disagreement(None, node, fault)
              for node, fault in faults.items()
              if node in situation.wanted.members]
    return found


def _disagreement(step: PlanStep | None, node: str, fault: str
                  ) -> dict[str, Any]:
    said = _SAID[step.kind] if step else fault
    why = fault or (step.reason if step and step.element else '')
    return {'code': FailureCode.DISAGREES,
            'step': step.title if step else '',
            'element': step.element if step else '', 'node': node,
            'task': '', 'run_id': None, 'hint': HINT,
            'message': f'{said}: {why.rstrip(".")}.' if step and why
            else f'{said.rstrip(".")}.'}
