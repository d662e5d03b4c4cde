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

"""Which steps of a plan can begin now, and together.

Consecutive steps on the same nodes share one runner process. A node takes
part as soon as it answers, unless an element needs the whole cluster; nodes
that are at work in another batch, or not up, wait for the next one.

Nodes that are drained in order to be changed take turns: no more of a group
than its blueprint allows are out of service, and the next ones are drained
when those before them work again. All that needs no turn goes first.
"""

from __future__ import annotations

from collections.abc import Collection
import dataclasses

from hpcdirect.planning.plan import Observed
from hpcdirect.planning.plan import Plan
from hpcdirect.planning.plan import PlanStep
from hpcdirect.planning.plan import assistants
from hpcdirect.planning.wanted import LayerKey
from hpcdirect.planning.wanted import Wanted
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind

_CHANGING = (StepKind.APPLY, StepKind.REVERT)
_DRAINING = (StepKind.DRAIN, StepKind.RESUME)
_MACHINES = (StepKind.PROVISION, StepKind.RELEASE)


@dataclasses.dataclass(frozen=True)
class Portion:
    """As much of a step as can begin now.

    :param nodes: every node it touches.
    :param layers: the layers it works on.
    """

    step: PlanStep
    nodes: tuple[str, ...]
    layers: tuple[LayerKey, ...]


def next_batch(plan: Plan, wanted: Wanted, observed: Observed,
               busy: Collection[str]) -> tuple[Portion, ...]:
    """The next batch, in order; empty when nothing can begin.

    :param busy: nodes that another batch is at work on.
    """
    free = {name for name, node in observed.nodes.items()
            if name not in busy
            and node.status in (NodeStatus.UP, NodeStatus.DRAINED)}
    # A machine that is to be replaced is drained, and nothing else: what is
    # to be applied is for the one that comes.
    old = {name for name, member in wanted.members.items()
           if name in observed.nodes
           and observed.nodes[name].incarnation != member.incarnation}
    everybody = set(wanted.members) <= free - old
    batch: list[Portion] = []
    wave: Portion | None = None
    turns: set[str] = set()
    reverted: set[LayerKey] = set()
    left_out = False
    for step in plan:
        if step.kind in _MACHINES:
            continue
        if step.kind == StepKind.VERIFY and left_out:
            break
        if step.kind == StepKind.DRAIN:
            closing = tuple(key for key in step.layers
                            if key in wanted.layers and key[0] not in old)
            wave = wave or _wave(step, closing, wanted, observed, free, busy)
            turns |= {key[0] for key in closing}
            step = dataclasses.replace(step, layers=tuple(
                key for key in step.layers if key not in closing))
            if not step.layers:
                continue
        portion = _portion(step, wanted, observed, free if step.kind
                           in _DRAINING else free - turns - old, everybody,
                           reverted)
        if portion is not None:
            batch.append(portion)
            if step.kind == StepKind.REVERT:
                # It is applied when that has been recorded, not before.
                reverted |= set(portion.layers)
        taken = set(portion.layers) if portion else set()
        rest = {key[0] for key in set(step.layers) - taken}
        if step.kind in _CHANGING and rest - turns:
            left_out = True
        # What a node could not do now it must not skip: it waits.
        free -= rest
    if wave is not None and not batch:
        return (wave,)
    return tuple(batch)


def _wave(step: PlanStep, closing: tuple[LayerKey, ...], wanted: Wanted,
          observed: Observed, free: set[str], busy: Collection[str]
          ) -> Portion | None:
    """The nodes whose turn it is to be drained and changed."""
    room = dict(wanted.most_out)
    for name, member in wanted.members.items():
        node = observed.nodes.get(name)
        if node is None or node.status != NodeStatus.UP or name in busy:
            room[member.group] = room.get(member.group, 0) - 1
    keys: list[LayerKey] = []
    for name in wanted.members:
        group = wanted.members[name].group
        mine = [key for key in closing if key[0] == name]
        if mine and name in free and room.get(group, 0) > 0:
            room[group] -= 1
            keys += mine
    others = [key[0] for key in assistants(wanted, observed, step.element)]
    if not keys or not set(others) <= free:
        return None
    return Portion(
        dataclasses.replace(step, layers=closing),
        tuple(dict.fromkeys([*(key[0] for key in keys), *others])),
        tuple(keys))


def _portion(step: PlanStep, wanted: Wanted, observed: Observed,
             free: set[str], everybody: bool, reverted: set[LayerKey]
             ) -> Portion | None:
    if step.kind in _DRAINING:
        everyone = tuple(dict.fromkeys(
            key[0] for key in (*step.layers, *assistants(
                wanted, observed, step.element))))
        return Portion(step, everyone, step.layers) \
            if set(everyone) <= free else None
    element = wanted.element(step.element)
    if (step.kind == StepKind.APPLY and element is not None
            and element.element.needs == 'cluster' and not everybody):
        return None
    keys = [key for key in step.layers if key[0] in free]
    if step.kind == StepKind.APPLY:
        keys = [key for key in keys
                if wanted.layers[key].digest and key not in reverted]
    if not keys:
        return None
    # A node whose one role is ready and whose other is not waits as a whole.
    short = {key[0] for key in set(step.layers) - set(keys)}
    keys = [key for key in keys if key[0] not in short]
    nodes = tuple(dict.fromkeys(key[0] for key in keys))
    return Portion(step, nodes, tuple(keys)) if keys else None
