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

"""A cluster in memory that carries plans out, and may fail anywhere."""

import dataclasses
import pathlib

from hpcdirect.blueprints import model
from hpcdirect.exception import NotFound
from hpcdirect.planning import elements
from hpcdirect.planning import sizing
from hpcdirect.planning import wanted as wanting
from hpcdirect.planning.batches import next_batch
from hpcdirect.planning.plan import Observed
from hpcdirect.planning.plan import SeenLayer
from hpcdirect.planning.plan import SeenNode
from hpcdirect.planning.plan import plan
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind

UP, BUILDING, DRAINED = (NodeStatus.UP, NodeStatus.BUILDING,
                         NodeStatus.DRAINED)


class Element(model.Element):
    """An element that has every verb without having files."""

    def can(self, verb):
        return verb != 'drain' or 'drain' in self.data


def element(name, **values):
    values.setdefault('digest', f'content of {name}')
    return Element(name=name, version='1', label=name, description='',
                   folder=pathlib.Path('/nowhere'), **values)


def found(*elements):
    """Finds these elements by name@version, as a catalogue does."""
    known = {f'{one.name}@{one.version}': one for one in elements} | {
        one.name: one for one in elements}

    def find(ref):
        if ref not in known:
            raise NotFound(resource='Element', ident=ref, known=sorted(known))
        return known[ref]
    return find


def blueprint(elements, groups=('head', 'compute'), roles=None):
    """A blueprint whose elements stand on every group unless *roles* say."""
    properties = {f'{group}_count': {'type': 'integer', 'default': 1}
                  for group in groups}
    properties |= {f'with_{e.name}': {'type': 'boolean', 'default': True}
                   for e in elements}
    properties |= {f'kind_{e.name}': {'type': 'integer', 'default': 0,
                                      'x-update': 'reapply'}
                   for e in elements}
    properties |= {f'value_{e.name}': {'type': 'integer', 'default': 0}
                   for e in elements}
    return model.Blueprint(
        name='test', version='1', label='', description='',
        folder=pathlib.Path('/nowhere'), digest='', parameters={
            'type': 'object', 'properties': properties,
            'additionalProperties': False},
        node_groups=tuple(model.NodeGroup(group, count=f'{group}_count')
                          for group in groups),
        infrastructure={},
        elements=tuple(model.ElementUse(
            e, (roles or {}).get(e.name, {
                role.name: tuple(groups) for role in e.roles}),
            {'value': {'parameter': f'value_{e.name}'},
             'kind': {'parameter': f'kind_{e.name}'}},
            when=f'with_{e.name}') for e in elements))


class World:
    """What is there, and a conductor that works on it."""

    def __init__(self, blueprint, element_of=None):
        self.blueprint = blueprint
        self.element_of = element_of
        self.state = sizing.first(blueprint, {})
        self.nodes = {}
        self.layers = {}
        self.serial = 0
        self.machines = 0
        self.ran = []
        self.most_seen = 0
        # A group that shrinks may have more out than it would take out.
        self.before_out = {}
        self._made = None

    @property
    def wanted(self):
        # Made anew when something it is made from is another: what is
        # wanted, or the machines, of which each has a number of its own.
        if self._made is None or self._made[0] is not self.state \
                or self._made[1] != self.machines:
            self._made = (self.state, self.machines, self._built())
        return self._made[2]

    def _built(self):
        known = {name: wanting.Member(
            name, node.group, node.incarnation, address=f'10.{number}',
            host_key=f'key {number}')
            for name, (node, number) in self.nodes.items()}
        return wanting.build(elements.composed(
            self.blueprint, self.state, self.element_of), self.state, known,
            {})

    @property
    def observed(self):
        return Observed({name: node for name, (node, _) in
                         self.nodes.items()}, dict(self.layers),
                        exists=bool(self.nodes))

    def plan(self):
        return plan(self.wanted, self.observed)

    def moved(self, name):
        """A node's machine has got another address and host key."""
        self.serial += 1
        self.machines += 1
        self.nodes[name] = (self.nodes[name][0], self.serial)

    def converge(self, fails=lambda node, step: False, most=60):
        """Plan and do until nothing is left; True when it got there."""
        for _ in range(most):
            steps = self.plan()
            if not steps:
                return True
            if not self._turn(steps, fails):
                return False
        raise AssertionError(f'no end: {[step.title for step in steps]}')

    def _turn(self, steps, fails):
        kinds = {step.kind for step in steps}
        if self.wanted.deleted:
            self.nodes, self.layers = {}, {}
            return True
        if kinds == {StepKind.RELEASE} or StepKind.PROVISION in kinds:
            self._machines(steps, release=kinds == {StepKind.RELEASE})
            steps = self.plan()
        batch = next_batch(steps, self.wanted, self.observed, ())
        bad = set()
        working = self._working(steps)
        for portion in batch:
            for key in portion.layers:
                if key[0] in bad:
                    continue
                if portion.step.kind in (StepKind.APPLY, StepKind.VERIFY):
                    # Never on a machine that is about to be replaced.
                    assert (self.nodes[key[0]][0].incarnation
                            == self.wanted.members[key[0]].incarnation), key
                assert not self._disturbs(portion.step, key, working), key
                self.ran.append((portion.step.kind, key))
                if fails(key[0], portion.step):
                    bad.add(key[0])
                    self._dirty(portion.step, key)
                else:
                    self._done(portion.step, key)
        self._not_too_many_out()
        moved = bool(batch) or bool(
            kinds & {StepKind.PROVISION, StepKind.RELEASE})
        assert moved, f'stuck: {[(s.title, s.blocked) for s in steps]}'
        return not bad

    def _working(self, steps):
        """Nodes with work on them, which some element could move off."""
        wanted = self.wanted
        off = {key for step in steps if step.kind == StepKind.REVERT
               for key in step.layers}
        return {key[0] for key, layer in self.layers.items()
                if key in wanted.layers and key not in off
                and layer.state == LayerState.APPLIED
                and self.nodes[key[0]][0].status == UP
                and wanted.element(key[1]).element.can('drain')
                and key[2] not in wanted.element(key[1]).element.drain_with}

    def _disturbs(self, step, key, working):
        """Whether a change would hit work that does not outlive it."""
        layer = self.layers.get(key)
        element = self.wanted.element(key[1])
        return (step.kind in (StepKind.APPLY, StepKind.REVERT)
                and key[0] in working and layer is not None
                and bool(layer.digest) and (element.element.rolling if element
                                            else layer.rolling))

    def _not_too_many_out(self):
        for group, most in self.wanted.most_out.items():
            out = [name for name, (node, _) in self.nodes.items()
                   if node.closed and node.group == group
                   and name in self.wanted.members]
            self.most_seen = max(self.most_seen, len(out))
            assert len(out) <= max(most, self.before_out.get(group, 0)), out
            self.before_out[group] = len(out)

    def _machines(self, steps, release):
        draining = {key[0] for step in steps if step.kind == StepKind.DRAIN
                    for key in step.layers}
        for name in list(self.nodes):
            node, _ = self.nodes[name]
            member = self.wanted.members.get(name)
            if name in draining or (member is None and not release):
                continue
            if member is None or member.incarnation != node.incarnation:
                del self.nodes[name]
                self.machines += 1
                for key in [k for k in self.layers if k[0] == name]:
                    del self.layers[key]
        for member in self.wanted.members.values():
            if member.name not in self.nodes:
                self.serial += 1
                self.machines += 1
                self.nodes[member.name] = (SeenNode(
                    member.name, member.group, member.incarnation, UP),
                    self.serial)

    def _done(self, step, key):
        if step.kind == StepKind.APPLY:
            layer = self.wanted.layers[key]
            self.layers[key] = SeenLayer(
                *key[:1], layer.incarnation, key[1], key[2], layer.position,
                layer.digest, LayerState.APPLIED, False,
                self.wanted.element(key[1]).element.requires, layer.base,
                self.wanted.element(key[1]).element.rolling)
        elif step.kind == StepKind.REVERT:
            del self.layers[key]
        elif step.kind == StepKind.VERIFY:
            self.layers[key] = dataclasses.replace(
                self.layers[key], verified=True)
        else:
            node, number = self.nodes[key[0]]
            member = self.wanted.members.get(key[0])
            stays = (member is not None
                     and member.incarnation == node.incarnation)
            draining = step.kind == StepKind.DRAIN
            self.nodes[key[0]] = (dataclasses.replace(
                node, status=DRAINED if draining else UP,
                closed=draining and stays), number)

    def _dirty(self, step, key):
        if step.kind == StepKind.APPLY and key not in self.layers:
            layer = self.wanted.layers[key]
            self.layers[key] = SeenLayer(
                key[0], layer.incarnation, key[1], key[2], layer.position,
                '', LayerState.DIRTY, False,
                self.wanted.element(key[1]).element.requires)
        elif step.kind in (StepKind.APPLY, StepKind.REVERT,
                           StepKind.VERIFY):
            self.layers[key] = dataclasses.replace(
                self.layers[key], state=LayerState.DIRTY, verified=False)
