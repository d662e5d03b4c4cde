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


"""What a plan does to what is there, told before it is done.

The steps say what is carried out; a change says what becomes of one element
or of one group's machines by it. Both come from the very plan that the
conductor would make at this moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

from hpcdirect.planning.plan import Observed
from hpcdirect.planning.plan import Plan
from hpcdirect.planning.plan import SeenLayer
from hpcdirect.planning.wanted import LayerKey
from hpcdirect.planning.wanted import Wanted
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind
from hpcdirect.states import Verdict


@dataclasses.dataclass(frozen=True)
class Change:
    """One line of a preview.

    :param subject: the element; '' when it is about machines.
    :param out: how many of these nodes do no work at one time.
    :param reason: why, for people.
    """

    verdict: Verdict
    subject: str
    nodes: tuple[str, ...]
    out: int = 0
    reason: str = ''


def changes(plan: Plan, wanted: Wanted, observed: Observed
            ) -> tuple[Change, ...]:
    """What a plan means, machines first, then elements as they come."""
    return (*_machines(plan, observed), *_elements(plan, wanted, observed))


def _machines(plan: Plan, observed: Observed) -> Iterator[Change]:
    for step in plan:
        if step.kind == StepKind.RELEASE:
            yield Change(Verdict.REMOVE_NODE, '', step.nodes,
                         len(step.nodes), step.reason)
        if step.kind != StepKind.PROVISION:
            continue
        old = tuple(name for name in step.nodes if name in observed.nodes
                    and observed.nodes[name].status != NodeStatus.BUILDING)
        new = tuple(name for name in step.nodes if name not in old)
        if old:
            yield Change(Verdict.REPLACE_NODE, '', old, len(old),
                         'every layer is put on again')
        if new:
            yield Change(Verdict.ADD_NODE, '', new, 0,
                         'every layer is put on')


def _elements(plan: Plan, wanted: Wanted, observed: Observed
              ) -> Iterator[Change]:
    """Layers on machines that stay; new ones get everything anyway."""
    coming = {name for step in plan if step.kind == StepKind.PROVISION
              for name in step.nodes}
    applied = {key for step in plan if step.kind == StepKind.APPLY
               for key in step.layers}
    reverted = {key: step.reason for step in plan
                if step.kind == StepKind.REVERT for key in step.layers}
    drained = {key[0] for step in plan if step.kind == StepKind.DRAIN
               for key in step.layers} - coming
    for step in plan:
        found: dict[Verdict, list[str]] = {}
        if step.kind == StepKind.REVERT:
            for key in step.layers:
                if key not in applied:
                    found.setdefault(Verdict.TAKE_OFF, []).append(key[0])
        elif step.kind == StepKind.APPLY:
            for key in step.layers:
                if key[0] not in coming:
                    found.setdefault(_verdict(key, reverted, observed.layers),
                                     []).append(key[0])
        for verdict, nodes in found.items():
            names = tuple(dict.fromkeys(nodes))
            yield Change(verdict, step.element, names, _out(
                set(names) & drained, wanted, observed), '; '.join((
                    step.reason, *_notes(names, observed))))


def _notes(nodes: tuple[str, ...], observed: Observed) -> Iterator[str]:
    """What elements told of these nodes, such as who has closed one."""
    for layer in observed.layers.values():
        if layer.note and layer.node in nodes:
            yield f'{layer.node}: {layer.note}'


def _out(nodes: set[str], wanted: Wanted, observed: Observed) -> int:
    """How many of these nodes, that take turns, are drained at once."""
    groups: dict[str, int] = {}
    for name in nodes:
        group = observed.nodes[name].group
        groups[group] = groups.get(group, 0) + 1
    return sum(min(count, wanted.most_out.get(group, count))
               for group, count in groups.items())


def _verdict(key: LayerKey, reverted: Mapping[LayerKey, str],
             layers: Mapping[LayerKey, SeenLayer]) -> Verdict:
    """What becomes of a layer that is applied."""
    if key in reverted:
        return Verdict.REVERT_AND_APPLY
    if key not in layers:
        return Verdict.PUT_ON
    if layers[key].state == LayerState.APPLIED:
        return Verdict.IN_PLACE
    return Verdict.AGAIN
