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

"""What a runner is given: elements, their inputs, the facts, the nodes."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from typing import Any

from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.conductor.situation import Situation
from hpcdirect.conductor.vault import Vault
from hpcdirect.db import models
from hpcdirect.db import recorded as recorded_rows
from hpcdirect.db.held_layers import Layer
from hpcdirect.planning.batches import Portion
from hpcdirect.planning.elements import ElementOf
from hpcdirect.planning.plan import SeenLayer
from hpcdirect.planning.wanted import LayerKey
from hpcdirect.planning.wanted import Member
from hpcdirect.planning.wanted import Wanted
from hpcdirect.planning.wanted import WantedLayer
from hpcdirect.runners import base
from hpcdirect.runners.base import Host
from hpcdirect.runners.base import jump
from hpcdirect.signing import Notes
from hpcdirect.states import StepKind
from hpcdirect.wishes import Wish

_VERBS = {
    StepKind.APPLY: base.Verb.APPLY, StepKind.REVERT: base.Verb.REVERT,
    StepKind.VERIFY: base.Verb.VERIFY, StepKind.DRAIN: base.Verb.DRAIN,
    StepKind.RESUME: base.Verb.RESUME,
}


@dataclasses.dataclass(frozen=True)
class Line:
    """One portion of a batch with all that carrying it out takes.

    :param variables: as they are kept, secrets in their boxes.
    :param given: as the runner takes them.
    :param hidden: what was in the boxes.
    """

    portion: Portion
    step_id: str
    element: Element
    variables: Mapping[str, Any]
    facts: Mapping[str, Any]
    secrets: Mapping[str, str]
    assistants: Mapping[str, tuple[str, ...]]
    given: Mapping[str, Any]
    hidden: tuple[str, ...] = ()
    run_id: str = dataclasses.field(default_factory=models.new_id)

    @property
    def verb(self) -> base.Verb:
        """What the element is asked to do."""
        return _VERBS[self.portion.step.kind]

    def task(self) -> base.Task:
        """The line as the runner takes it."""
        roles: dict[str, list[str]] = {
            role: list(nodes) for role, nodes in self.assistants.items()}
        for node, _, role in self.portion.layers:
            if node not in roles.setdefault(role, []):
                roles[role].append(node)
        return base.Task(
            self.run_id, self.verb, self.element,
            {role: tuple(nodes) for role, nodes in roles.items()},
            self.given, self.facts, self.secrets, self.hidden)


@dataclasses.dataclass(frozen=True)
class BatchOrder:
    """A whole batch: the lines in order and what they share.

    :param rows: the layers as they were written down before.
    """

    deployment_id: str
    project_id: str
    lines: tuple[Line, ...]
    hosts: tuple[base.Host, ...]
    private_key: str
    notes: Notes
    wanted: Mapping[LayerKey, WantedLayer]
    seen: Mapping[LayerKey, SeenLayer]
    rows: Mapping[LayerKey, Layer]
    wish: Wish


def _seen(item: Member) -> dict[str, str]:
    return {'name': item.name, 'address': item.address, 'group': item.group,
            'host_key': item.host_key}


@dataclasses.dataclass(frozen=True)
class Facts:
    """What elements may know of their cluster.

    :param volumes: the shared folders that its machines really have.
    :param layers: as they stand.
    """

    cluster: models.Cluster
    volumes: Iterable[VolumeUse]
    wanted: Wanted
    layers: Iterable[SeenLayer] = ()

    def of_element(self, element: str, leaving: Iterable[Member] = (),
                   staying: bool = False) -> dict[str, Any]:
        """``hpc``: the cluster, who plays which role, who leaves.

        An element that is no longer wanted is told of those that have it.

        :param leaving: nodes that are drained, or that work again.
        :param staying: they are drained only to be changed.
        """
        there = self.wanted.element(element)
        if there is not None:
            roles = {role: [_seen(item) for item in members]
                     for role, members in there.members.items()}
        else:
            roles = {}
            for layer in sorted(self.layers, key=lambda layer: layer.key):
                if layer.element == element \
                        and layer.node in self.wanted.members:
                    roles.setdefault(layer.role, []).append(
                        _seen(self.wanted.members[layer.node]))
        # Not what it is called today: the nodes keep state under this name.
        name = self.cluster.desired.name or self.cluster.name
        return {
            'cluster': {'id': self.cluster.id, 'name': name,
                        'domain': f'{name.lower()}.hpc'},
            'roles': roles,
            'members': [_seen(item) for item in self.wanted.members.values()],
            'volumes': [{'name': volume.name, 'mount': volume.mount,
                         'groups': list(volume.groups)}
                        for volume in self.volumes],
            'leaving': [_seen(item) for item in leaving],
            'staying': staying,
        }


def hosts(nodes: Iterable[models.Node], names: Collection[str],
          blueprint: Blueprint, vault: Vault) -> tuple[Host, ...]:
    """How the runner reaches these nodes, and what each knows of itself."""
    found = []
    every = list(nodes)
    keys = {(node.ssh['host'], node.ssh['port']): node.ssh['host_key']
            for node in every if node.ssh}
    for node in every:
        if node.name not in names:
            continue
        known = recorded_rows.member(node)
        certificates: dict[str, str] = {}
        for use in blueprint.elements:
            certificates |= vault.certificates(use.element, known)
        found.append(Host(
            name=node.name, group=node.group, address=node.address,
            ssh_host=node.ssh['host'], ssh_port=node.ssh['port'],
            ssh_user=node.ssh['user'], ssh_via=node.ssh['via'],
            host_key=node.ssh['host_key'],
            via_key=keys.get(jump(node.ssh['via'])[1:], '')
            if node.ssh['via'] else '',
            variables={'certificates': certificates}))
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Makes the orders of batches.

    :param offers_volumes: whether the backend's machines have volumes.
    """

    vault: Vault
    element_of: ElementOf
    offers_volumes: bool

    def order(self, ident: str, situation: Situation,
              batch: Iterable[Portion]) -> tuple[str, BatchOrder]:
        """What the first runner that is needed carries out of a batch.

        The order holds: another runner's lines are for later.

        :param ident: of the deployment.
        :returns: the runner's name, and the order.
        :raises NotFound: an element is not in the catalogue any more.
        """
        rows = {(row.kind, row.element): row.id
                for row in situation.recorded.steps}
        lines: list[Line] = []
        for portion in batch:
            line = self._line(situation, portion, rows[
                portion.step.kind.value, portion.step.element])
            if lines and line.element.runner != lines[0].element.runner:
                break
            lines.append(line)
        touched = {node for line in lines for node in line.portion.nodes}
        return lines[0].element.runner, BatchOrder(
            ident, situation.recorded.cluster.project_id, tuple(lines),
            hosts(situation.recorded.nodes, touched, situation.blueprint,
                  self.vault),
            self.vault.private_key, self.vault.notes,
            situation.wanted.layers, situation.observed.layers,
            {(row.node, row.element, row.role): row
             for row in situation.recorded.layers if row.node in touched},
            situation.wish)

    def _line(self, situation: Situation, portion: Portion, step_id: str
              ) -> Line:
        """One line of a run: the portion of a step, with what it needs.

        :raises NotFound: the element is not in the catalogue any more.
        """
        step = portion.step
        recorded = situation.recorded
        element, variables = self._inputs(situation, portion)
        rows = {row.name: row for row in recorded.nodes}
        leaving = [recorded_rows.member(rows[key[0]]) for key in portion.layers
                   if step.kind in (StepKind.DRAIN, StepKind.RESUME)]
        staying = all(
            key in situation.wanted.layers
            and situation.wanted.layers[key].incarnation
            == situation.observed.nodes[key[0]].incarnation
            for key in portion.layers)
        assistants: dict[str, list[str]] = {}
        for layer in situation.observed.layers.values():
            if (layer.element == step.element and layer.node in portion.nodes
                    and layer.key not in portion.layers
                    and layer.role in element.drain_with
                    and step.kind in (StepKind.DRAIN, StepKind.RESUME)):
                assistants.setdefault(layer.role, []).append(layer.node)
        facts = Facts(
            recorded.cluster, situation.blueprint.volumes
            if self.offers_volumes else (), situation.wanted,
            situation.observed.layers.values())
        given, hidden = self.vault.opened(variables)
        return Line(
            portion, step_id, element, variables,
            facts.of_element(step.element, leaving, staying),
            self.vault.values(element),
            {role: tuple(nodes) for role, nodes in assistants.items()},
            given, hidden)

    def _inputs(self, situation: Situation, portion: Portion
                ) -> tuple[Element, dict[str, Any]]:
        """An element and its variables: to revert, as they were applied.

        :raises Refused: they are not recorded as a conductor wrote them.
        """
        name = portion.step.element
        wanted = situation.wanted.element(name)
        if portion.step.kind != StepKind.REVERT and wanted is not None:
            return wanted.element, dict(wanted.variables or {})
        row = next(row for row in situation.recorded.layers
                   if (row.node, row.element, row.role) in portion.layers)
        self.vault.notes.check_layer(row.node, row.incarnation, {
            'element': row.element, 'role': row.role,
            'version': row.version, 'inputs': row.inputs})
        variables = dict(row.inputs.get('variables', {}))
        if wanted is not None and wanted.element.version == row.version:
            return wanted.element, variables
        return self.element_of(f'{name}@{row.version}'), variables
