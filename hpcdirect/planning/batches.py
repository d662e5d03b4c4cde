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
    batch = _Batch(wanted, observed, busy)
    for step in plan:
        if step.kind in _MACHINES:
            continue
        if step.kind == StepKind.VERIFY and batch.left_out:
            break
        batch.add(step)
    # All that needs no turn goes first.
    return tuple(batch.portions or filter(None, (batch.wave,)))


class _Batch:
    """What can begin now, step after step in the order of the plan.

    :ivar portions: what begins.
    :ivar wave: nodes whose turn it is to be drained and changed; None while
        it is nobody's.
    :ivar left_out: a node could not be changed now that it is to be.
    """

    def __init__(self, wanted: Wanted, observed: Observed,
                 busy: Collection[str]) -> None:
        self._wanted, self._observed, self._busy = wanted, observed, busy
        self._free = {
            name for name, node in observed.nodes.items()
            if name not in busy
            and node.status in (NodeStatus.UP, NodeStatus.DRAINED)}
        # A machine that is to be replaced is drained, and nothing else: what
        # is to be applied is for the one that comes.
        self._replaced = {
            name for name, member in wanted.members.items()
            if name in observed.nodes
            and observed.nodes[name].incarnation != member.incarnation}
        self._everybody = set(wanted.members) <= self._free - self._replaced
        self._turns: set[str] = set()
        self._reverted: set[LayerKey] = set()
        self.portions: list[Portion] = []
        self.wave: Portion | None = None
        self.left_out = False

    def add(self, step: PlanStep) -> None:
        """As much of a step as can begin; the rest of it waits."""
        if step.kind == StepKind.DRAIN:
            step = self._drained_at_once(step)
            if not step.layers:
                return
        portion = self._drained(step) if step.kind in _DRAINING \
            else self._changed(step)
        if portion is not None:
            self.portions.append(portion)
            if step.kind == StepKind.REVERT:
                # It is applied when that has been recorded, not before.
                self._reverted |= set(portion.layers)
        taken = set(portion.layers) if portion else set()
        rest = {key[0] for key in set(step.layers) - taken}
        if step.kind in _CHANGING and rest - self._turns:
            self.left_out = True
        # What a node could not do now it must not skip: it waits.
        self._free -= rest

    def _drained_at_once(self, step: PlanStep) -> PlanStep:
        """A drain without the nodes that take turns."""
        closing = tuple(key for key in step.layers
                        if key in self._wanted.layers
                        and key[0] not in self._replaced)
        self.wave = self.wave or self._wave(step, closing)
        self._turns |= {key[0] for key in closing}
        return dataclasses.replace(step, layers=tuple(
            key for key in step.layers if key not in closing))

    def _wave(self, step: PlanStep, closing: tuple[LayerKey, ...]
              ) -> Portion | None:
        """The nodes whose turn it is to be drained and changed."""
        room = self._room()
        keys: list[LayerKey] = []
        for name, member in self._wanted.members.items():
            mine = [key for key in closing if key[0] == name]
            if mine and name in self._free and room.get(member.group, 0) > 0:
                room[member.group] -= 1
                keys += mine
        others = self._others(step)
        if not keys or not set(others) <= self._free:
            return None
        return Portion(
            dataclasses.replace(step, layers=closing),
            tuple(dict.fromkeys([*(key[0] for key in keys), *others])),
            tuple(keys))

    def _room(self) -> dict[str, int]:
        """Node group -> how many more may be out of service."""
        room = dict(self._wanted.most_out)
        for name, member in self._wanted.members.items():
            node = self._observed.nodes.get(name)
            if node is None or node.status != NodeStatus.UP \
                    or name in self._busy:
                room[member.group] = room.get(member.group, 0) - 1
        return room

    def _others(self, step: PlanStep) -> list[str]:
        """Nodes that take part in a drain or resume of others."""
        return [key[0] for key in assistants(self._wanted, self._observed,
                                             step.element)]

    def _drained(self, step: PlanStep) -> Portion | None:
        """A drain or resume: of all its nodes, or of none."""
        everyone = tuple(dict.fromkeys((
            *(key[0] for key in step.layers), *self._others(step))))
        return Portion(step, everyone, step.layers) \
            if set(everyone) <= self._free else None

    def _changed(self, step: PlanStep) -> Portion | None:
        """What is applied, reverted or verified on nodes that can."""
        element = self._wanted.element(step.element)
        applies = step.kind == StepKind.APPLY
        if (applies and element is not None and not self._everybody
                and element.element.needs == 'cluster'):
            return None
        free = self._free - self._turns - self._replaced
        keys = [key for key in step.layers if key[0] in free and not (
            applies and (not self._wanted.layers[key].digest
                         or key in self._reverted))]
        # A node whose one role is ready and whose other is not waits as a
        # whole.
        short = {key[0] for key in set(step.layers) - set(keys)}
        keys = [key for key in keys if key[0] not in short]
        nodes = tuple(dict.fromkeys(key[0] for key in keys))
        return Portion(step, nodes, tuple(keys)) if keys else None
