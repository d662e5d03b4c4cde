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
released. A node with work on it that would not outlive a change is drained
before, and works again when all of it is done; :mod:`batches` sees to it
that not too many are out at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses

from hpcdirect.planning.wanted import LayerKey
from hpcdirect.planning.wanted import Wanted
from hpcdirect.planning.wanted import WantedLayer
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind


@dataclasses.dataclass(frozen=True)
class SeenNode:
    """A machine that is there, or is being made.

    :param closed: it was drained to be changed, and is to work again.
    """

    name: str
    group: str
    incarnation: int
    status: NodeStatus
    closed: bool = False


@dataclasses.dataclass(frozen=True)
class SeenLayer:
    """A layer as it was recorded.

    :param requires: elements it stood on when it was applied.
    :param base: of what it was applied with and cannot change in place.
    :param rolling: work that uses it does not outlive a change.
    :param note: what its element told of it, for people.
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
    base: str = ''
    rolling: bool = False
    note: str = ''

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
class PlanStep:
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


Plan = tuple[PlanStep, ...]


def plan(wanted: Wanted, observed: Observed) -> Plan:
    """The steps from *observed* to *wanted*; none when they agree."""
    if wanted.deleted:
        names = tuple(sorted(observed.nodes))
        return (PlanStep(StepKind.RELEASE, '', names,
                         reason='the cluster is deleted'),
                ) if observed.exists else ()
    going = {name for name, node in observed.nodes.items()
             if name not in wanted.members
             or node.incarnation != wanted.members[name].incarnation}
    off = _reverted(wanted, observed, going)
    reverts = list(_reverts(observed, off))
    applies = list(_applies(wanted, observed, going, off))
    verifies = list(_verifies(wanted, observed, applies))
    changing = {key for step in (*reverts, *applies) for key in step.layers}
    steps = [*_drains(wanted, observed, going,
                      _in_service(wanted, observed, changing, off)),
             *_provision(wanted, observed, going),
             *_resumes(wanted, observed, going, {
                 key[0] for step in (*reverts, *applies, *verifies)
                 for key in step.layers}),
             *reverts, *applies, *verifies]
    leaving = tuple(sorted(going - set(wanted.members)))
    if leaving:
        steps.append(PlanStep(StepKind.RELEASE, '', leaving,
                              reason='no longer wanted'))
    return tuple(steps)


def _alive(layer: SeenLayer, node: SeenNode | None) -> bool:
    """Whether a layer is, or may be, on the machine that is there now."""
    return (node is not None and layer.incarnation == node.incarnation
            and layer.state != LayerState.REVERTED)


def _drains(wanted: Wanted, observed: Observed, going: set[str],
            turns: set[LayerKey]) -> Iterable[PlanStep]:
    for element in reversed(wanted.elements):
        if not element.element.can('drain'):
            continue
        keys = [key for key, layer in sorted(observed.layers.items())
                if layer.element == element.name and layer.node in going
                and _works(observed.nodes[layer.node])
                and _alive(layer, observed.nodes[layer.node])]
        closing = sorted(key for key in turns if key[1] == element.name)
        reasons = [text for there, text in (
            (keys, 'work is moved off before the node goes'),
            (closing, 'work is moved off before the node is changed'))
            if there]
        if reasons:
            yield _with_assistants(
                StepKind.DRAIN, wanted, observed, [*keys, *closing],
                '; '.join(reasons))


def _works(node: SeenNode) -> bool:
    """Whether there may be work on a node that has to be moved off."""
    return node.status == NodeStatus.UP or node.closed


def _in_service(wanted: Wanted, observed: Observed, changing: set[LayerKey],
                off: set[LayerKey]) -> set[LayerKey]:
    """Layers that have to be drained before their nodes are changed.

    Where what drains is itself taken off, or is not whole, there is nothing
    to drain with, and no work that could be told to go elsewhere.
    """
    disturbed = {key[0] for key in changing & set(observed.layers)
                 if observed.layers[key].digest
                 and _rolls(observed.layers[key], wanted)
                 and observed.nodes[key[0]].status == NodeStatus.UP}
    found: set[LayerKey] = set()
    for element in wanted.elements:
        if not disturbed or not element.element.can('drain'):
            continue
        others = assistants(wanted, observed, element.name)
        if element.element.drain_with and (not others or off & set(others)):
            continue
        found |= {
            key for key, layer in observed.layers.items()
            if layer.element == element.name and key[0] in disturbed
            and layer.role not in element.element.drain_with
            and layer.state == LayerState.APPLIED and key in wanted.layers
            and _alive(layer, observed.nodes.get(key[0]))
            and key not in off}
    return found


def _rolls(layer: SeenLayer, wanted: Wanted) -> bool:
    element = wanted.element(layer.element)
    return element.element.rolling if element else layer.rolling


def _resumes(wanted: Wanted, observed: Observed, going: set[str],
             unfinished: set[str]) -> Iterable[PlanStep]:
    for element in wanted.elements:
        if not element.element.can('drain'):
            continue
        nodes = {key[0]: observed.nodes[key[0]] for key in wanted.layers
                 if key[1] == element.name and key[0] in observed.nodes
                 and key[0] not in going}
        back = [name for name, node in nodes.items()
                if node.status == NodeStatus.DRAINED
                and not (node.closed and name in unfinished)]
        keys = [key for key in wanted.layers
                if key[1] == element.name and key[0] in back]
        if keys:
            yield _with_assistants(
                StepKind.RESUME, wanted, observed, keys,
                'the node is wanted again' if not all(
                    nodes[name].closed for name in back)
                else 'what was to be changed there is done')


def assistants(wanted: Wanted, observed: Observed, name: str
               ) -> list[LayerKey]:
    """Layers of an element whose nodes take part when others drain."""
    element = wanted.element(name)
    return [key for key, layer in sorted(observed.layers.items())
            if element is not None and layer.element == name
            and layer.role in element.element.drain_with
            and _alive(layer, observed.nodes.get(layer.node))]


def _with_assistants(kind: StepKind, wanted: Wanted, observed: Observed,
                     keys: list[LayerKey], reason: str) -> PlanStep:
    """A drain or resume: its nodes and those that take part in it."""
    nodes = [key[0] for key in keys]
    nodes += [key[0] for key in assistants(wanted, observed, keys[0][1])]
    return PlanStep(kind, keys[0][1], tuple(dict.fromkeys(nodes)), tuple(keys),
                    reason)


def _provision(wanted: Wanted, observed: Observed, going: set[str]
               ) -> Iterable[PlanStep]:
    missing = [name for name in wanted.members if name in going
               or name not in observed.nodes
               or observed.nodes[name].status in (
                   NodeStatus.BUILDING, NodeStatus.FAILED,
                   NodeStatus.LEAVING)]
    if missing:
        yield PlanStep(StepKind.PROVISION, '', tuple(missing),
                       reason='machines are wanted that are not up')


def _reverted(wanted: Wanted, observed: Observed, going: set[str]
              ) -> set[LayerKey]:
    """Layers to take off.

    Those not wanted, those that cannot be changed in place, and what stands
    on one of them.
    """
    there = {key: layer for key, layer in observed.layers.items()
             if key[0] not in going
             and _alive(layer, observed.nodes.get(key[0]))}
    off = {key for key, layer in there.items()
           if key not in wanted.layers or _other_base(layer, wanted)}
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


def _other_base(layer: SeenLayer, wanted: Wanted) -> bool:
    """Whether a layer has to go before it is applied with new inputs."""
    base = wanted.layers[layer.key].base
    return bool(base) and bool(layer.base) and base != layer.base


def _from_above(layers: Iterable[SeenLayer]) -> list[str]:
    """The elements of layers, each before all that it stands on."""
    needs: dict[str, set[str]] = {}
    for layer in layers:
        needs.setdefault(layer.element, set()).update(layer.requires)
    order: list[str] = []

    def take(name: str) -> None:
        if name in order:
            return
        for other in needs:
            if other != name and name in needs[other]:
                take(other)
        if name not in order:
            order.append(name)

    for name in needs:
        take(name)
    return order


def _reverts(observed: Observed, off: set[LayerKey]) -> Iterable[PlanStep]:
    layers = sorted((observed.layers[key] for key in off),
                    key=lambda layer: (-layer.position, layer.key))
    for name in _from_above(layers):
        keys = [layer.key for layer in layers if layer.element == name]
        nodes = tuple(dict.fromkeys(key[0] for key in keys))
        down = [node for node in nodes
                if not _works(observed.nodes[node])]
        yield PlanStep(StepKind.REVERT, name, nodes, tuple(keys),
                       'no longer wanted, or what it stands on is not',
                       _waits_for(down))


def _applies(wanted: Wanted, observed: Observed, going: set[str],
             off: set[LayerKey]) -> Iterable[PlanStep]:
    up = {name for name, node in observed.nodes.items()
          if name not in going and _works(node)}
    of_element: dict[str, list[WantedLayer]] = {}
    for layer in wanted.layers.values():
        of_element.setdefault(layer.element, []).append(layer)
    for element in wanted.elements:
        reasons: dict[LayerKey, str] = {}
        for layer in of_element.get(element.name, ()):
            key = layer.key
            seen = observed.layers.get(key)
            if key in off or seen is None or key[0] not in observed.nodes \
                    or not _alive(seen, observed.nodes[key[0]]) \
                    or seen.incarnation != layer.incarnation:
                reasons[key] = 'not there yet'
            elif seen.state != LayerState.APPLIED:
                reasons[key] = 'an earlier attempt did not end well'
            elif not layer.digest or seen.digest != layer.digest:
                reasons[key] = 'its inputs changed' if layer.digest else \
                    'it watches machines of which nothing is known yet'
        if reasons:
            nodes = tuple(dict.fromkeys(key[0] for key in reasons))
            blocked = _waits_for(sorted(set(nodes) - up))
            if element.element.needs == 'cluster' and not blocked:
                blocked = _waits_for(sorted(set(wanted.members) - up))
            if not all(wanted.layers[key].digest for key in reasons):
                blocked = blocked or 'waits for addresses of other nodes'
            yield PlanStep(StepKind.APPLY, element.name, nodes, tuple(reasons),
                           '; '.join(dict.fromkeys(reasons.values())), blocked)


def _verifies(wanted: Wanted, observed: Observed, applies: list[PlanStep]
              ) -> Iterable[PlanStep]:
    fresh = {key for step in applies for key in step.layers}
    for element in wanted.elements:
        keys = [key for key in wanted.layers if key[1] == element.name
                and (key in fresh or (key in observed.layers
                                      and not observed.layers[key].verified))]
        if keys and element.element.can('verify'):
            yield PlanStep(StepKind.VERIFY, element.name,
                           tuple(dict.fromkeys(key[0] for key in keys)),
                           tuple(keys), 'proof that what was applied works',
                           'waits for what is to be applied' if applies
                           else '')


def _waits_for(nodes: list[str]) -> str:
    if not nodes:
        return ''
    shown = ', '.join(nodes[:3]) + (' ...' if len(nodes) > 3 else '')
    return f'waits for {shown} to answer'
