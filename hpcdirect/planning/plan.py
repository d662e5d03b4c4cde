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

"""What to do next: a pure function from wanted and observed to a plan.

The plan lists steps in the order they are to be done. It is made anew after
every change, so a step that was done is simply no longer in it, and a
conductor that dies in the middle loses nothing: who comes next makes the
same plan from what is there.

The order: nodes that go are drained; nodes that come are provisioned; layers
that are no longer wanted are reverted, the last first; wanted layers are
applied, the first first; what was applied is verified; nodes that go are
released.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses

from hpcdirect.planning.wanted import LayerKey
from hpcdirect.planning.wanted import Wanted
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind


@dataclasses.dataclass(frozen=True)
class SeenNode:
    """A machine that is there, or is being made."""

    name: str
    group: str
    incarnation: int
    status: NodeStatus


@dataclasses.dataclass(frozen=True)
class SeenLayer:
    """A layer as it was recorded.

    :param requires: elements it stood on when it was applied.
    """

    node: str
    incarnation: int
    element: str
    role: str
    position: int
    digest: str
    state: LayerState
    verified: bool = False
    requires: tuple[str, ...] = ()

    @property
    def key(self) -> LayerKey:
        """What names it within its cluster."""
        return (self.node, self.element, self.role)


@dataclasses.dataclass(frozen=True)
class Observed:
    """What is known to be there.

    :param exists: the backend has anything at all of this cluster.
    """

    nodes: Mapping[str, SeenNode] = dataclasses.field(default_factory=dict)
    layers: Mapping[LayerKey, SeenLayer] = dataclasses.field(
        default_factory=dict)
    exists: bool = False


@dataclasses.dataclass(frozen=True)
class Step:
    """One line of a plan.

    :param layers: what it works on; empty for provision and release.
    :param nodes: every node it touches.
    :param reason: why it is in the plan, for people.
    :param blocked: what it still waits for, '' when it could begin.
    """

    kind: StepKind
    element: str
    nodes: tuple[str, ...]
    layers: tuple[LayerKey, ...] = ()
    reason: str = ''
    blocked: str = ''

    @property
    def title(self) -> str:
        """Kind and element: ``apply slurm``."""
        return f'{self.kind} {self.element}'.strip()


Plan = tuple[Step, ...]


def plan(wanted: Wanted, observed: Observed) -> Plan:
    """The steps from *observed* to *wanted*; none when they agree."""
    if wanted.deleted:
        names = tuple(sorted(observed.nodes))
        return (Step(StepKind.RELEASE, '', names,
                     reason='the cluster is deleted'),
                ) if observed.exists else ()
    going = {name for name, node in observed.nodes.items()
             if name not in wanted.members
             or node.incarnation != wanted.members[name].incarnation}
    steps = [*_drains(wanted, observed, going),
             *_provision(wanted, observed, going),
             *_resumes(wanted, observed, going)]
    reverts = _reverted(wanted, observed, going)
    steps += _reverts(observed, reverts)
    applies = list(_applies(wanted, observed, going, reverts))
    steps += applies
    steps += _verifies(wanted, observed, going, applies)
    leaving = tuple(sorted(going - set(wanted.members)))
    if leaving:
        steps.append(Step(StepKind.RELEASE, '', leaving,
                          reason='no longer wanted'))
    return tuple(steps)


def _alive(layer: SeenLayer, node: SeenNode | None) -> bool:
    """Whether a layer is, or may be, on the machine that is there now."""
    return (node is not None and layer.incarnation == node.incarnation
            and layer.state != LayerState.REVERTED)


def _drains(wanted: Wanted, observed: Observed, going: set[str]
            ) -> Iterable[Step]:
    for element in reversed(wanted.elements):
        if not element.element.can('drain'):
            continue
        keys = [key for key, layer in sorted(observed.layers.items())
                if layer.element == element.name and layer.node in going
                and observed.nodes[layer.node].status == NodeStatus.UP
                and _alive(layer, observed.nodes[layer.node])]
        if keys:
            yield _with_assistants(StepKind.DRAIN, wanted, observed, keys,
                                   'work is moved off before the node goes')


def _resumes(wanted: Wanted, observed: Observed, going: set[str]
             ) -> Iterable[Step]:
    for element in wanted.elements:
        if not element.element.can('drain'):
            continue
        keys = [key for key in wanted.layers if key[1] == element.name
                and key[0] not in going and key[0] in observed.nodes
                and observed.nodes[key[0]].status == NodeStatus.DRAINED]
        if keys:
            yield _with_assistants(StepKind.RESUME, wanted, observed, keys,
                                   'the node is wanted again')


def _with_assistants(kind: StepKind, wanted: Wanted, observed: Observed,
                     keys: list[LayerKey], reason: str) -> Step:
    """A drain or resume: its nodes and those that take part in it."""
    name = keys[0][1]
    element = wanted.element(name)
    nodes = [key[0] for key in keys]
    for role in element.element.drain_with if element else ():
        nodes += [key[0] for key, layer in sorted(observed.layers.items())
                  if layer.element == name and layer.role == role
                  and _alive(layer, observed.nodes.get(layer.node))]
    return Step(kind, name, tuple(dict.fromkeys(nodes)), tuple(keys), reason)


def _provision(wanted: Wanted, observed: Observed, going: set[str]
               ) -> Iterable[Step]:
    missing = [name for name in wanted.members if name in going
               or name not in observed.nodes
               or observed.nodes[name].status in (
                   NodeStatus.BUILDING, NodeStatus.FAILED,
                   NodeStatus.LEAVING)]
    if missing:
        yield Step(StepKind.PROVISION, '', tuple(missing),
                   reason='machines are wanted that are not up')


def _reverted(wanted: Wanted, observed: Observed, going: set[str]
              ) -> set[LayerKey]:
    """Layers to take off: not wanted, or standing on one that is not."""
    there = {key: layer for key, layer in observed.layers.items()
             if key[0] not in going
             and _alive(layer, observed.nodes.get(key[0]))}
    off = {key for key in there if key not in wanted.layers}
    grown = True
    while grown:
        # An element is gone from a node when its last role there goes.
        gone = {(node, element) for node, element, _ in off} - {
            (node, element) for node, element, _ in set(there) - off}
        more = {key for key, layer in there.items() if key not in off
                and any((key[0], name) in gone for name in layer.requires)}
        grown = bool(more)
        off |= more
    return off


def _reverts(observed: Observed, off: set[LayerKey]) -> Iterable[Step]:
    layers = sorted((observed.layers[key] for key in off),
                    key=lambda layer: (-layer.position, layer.key))
    for name in dict.fromkeys(layer.element for layer in layers):
        keys = [layer.key for layer in layers if layer.element == name]
        nodes = tuple(dict.fromkeys(key[0] for key in keys))
        down = [node for node in nodes
                if observed.nodes[node].status != NodeStatus.UP]
        yield Step(StepKind.REVERT, name, nodes, tuple(keys),
                   'no longer wanted, or what it stands on is not',
                   _waits_for(down))


def _applies(wanted: Wanted, observed: Observed, going: set[str],
             off: set[LayerKey]) -> Iterable[Step]:
    up = {name for name, node in observed.nodes.items()
          if name not in going and node.status == NodeStatus.UP}
    for element in wanted.elements:
        reasons: dict[LayerKey, str] = {}
        for key, layer in wanted.layers.items():
            if key[1] != element.name:
                continue
            seen = observed.layers.get(key)
            if key in off or seen is None or key[0] not in observed.nodes \
                    or not _alive(seen, observed.nodes[key[0]]) \
                    or seen.incarnation != layer.incarnation:
                reasons[key] = 'not there yet'
            elif seen.state != LayerState.APPLIED:
                reasons[key] = 'an earlier attempt did not end well'
            elif not layer.digest or seen.digest != layer.digest:
                reasons[key] = 'its inputs changed'
        if reasons:
            nodes = tuple(dict.fromkeys(key[0] for key in reasons))
            blocked = _waits_for(sorted(set(nodes) - up))
            if element.element.needs == 'cluster' and not blocked:
                blocked = _waits_for(sorted(set(wanted.members) - up))
            if not all(wanted.layers[key].digest for key in reasons):
                blocked = blocked or 'waits for addresses of other nodes'
            yield Step(StepKind.APPLY, element.name, nodes, tuple(reasons),
                       '; '.join(dict.fromkeys(reasons.values())), blocked)


def _verifies(wanted: Wanted, observed: Observed, going: set[str],
              applies: list[Step]) -> Iterable[Step]:
    fresh = {key for step in applies for key in step.layers}
    for element in wanted.elements:
        keys = [key for key in wanted.layers if key[1] == element.name
                and (key in fresh or (key in observed.layers
                                      and not observed.layers[key].verified))]
        if keys and element.element.can('verify'):
            yield Step(StepKind.VERIFY, element.name,
                       tuple(dict.fromkeys(key[0] for key in keys)),
                       tuple(keys), 'proof that what was applied works',
                       'waits for what is to be applied' if applies else '')


def _waits_for(nodes: list[str]) -> str:
    if not nodes:
        return ''
    shown = ', '.join(nodes[:3]) + (' ...' if len(nodes) > 3 else '')
    return f'waits for {shown} to answer'
