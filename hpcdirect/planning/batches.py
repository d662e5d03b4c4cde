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
"""

from __future__ import annotations

from collections.abc import Collection
import dataclasses

from hpcdirect.planning.plan import Observed
from hpcdirect.planning.plan import Plan
from hpcdirect.planning.plan import Step
from hpcdirect.planning.wanted import LayerKey
from hpcdirect.planning.wanted import Wanted
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind

_CHANGING = (StepKind.APPLY, StepKind.REVERT)
_MACHINES = (StepKind.PROVISION, StepKind.RELEASE)


@dataclasses.dataclass(frozen=True)
class Portion:
    """As much of a step as can begin now.

    :param nodes: every node it touches.
    :param layers: the layers it works on.
    """

    step: Step
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
    everybody = set(wanted.members) <= free
    batch: list[Portion] = []
    left_out = False
    for step in plan:
        if step.kind in _MACHINES:
            continue
        if step.kind == StepKind.VERIFY and left_out:
            break
        portion = _portion(step, wanted, free, everybody)
        if portion is not None:
            batch.append(portion)
        taken = set(portion.layers) if portion else set()
        if step.kind in _CHANGING and set(step.layers) - taken:
            left_out = True
        # What a node could not do now it must not skip: it waits.
        free -= {key[0] for key in set(step.layers) - taken}
    return tuple(batch)


def _portion(step: Step, wanted: Wanted, free: set[str], everybody: bool
             ) -> Portion | None:
    if step.kind in (StepKind.DRAIN, StepKind.RESUME):
        if not set(step.nodes) <= free:
            return None
        return Portion(step, step.nodes, step.layers)
    element = wanted.element(step.element)
    if (step.kind == StepKind.APPLY and element is not None
            and element.element.needs == 'cluster' and not everybody):
        return None
    keys = [key for key in step.layers if key[0] in free]
    if step.kind == StepKind.APPLY:
        keys = [key for key in keys if wanted.layers[key].digest]
    if not keys:
        return None
    # A node whose one role is ready and whose other is not waits as a whole.
    short = {key[0] for key in set(step.layers) - set(keys)}
    keys = [key for key in keys if key[0] not in short]
    nodes = tuple(dict.fromkeys(key[0] for key in keys))
    return Portion(step, nodes, tuple(keys)) if keys else None
