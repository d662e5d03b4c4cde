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

"""What a runner is given for a step: the element, its inputs, the facts."""

from __future__ import annotations

import dataclasses
from typing import Any

from hpcdirect.blueprints.model import Element
from hpcdirect.conductor import facts
from hpcdirect.conductor.batch_order import Line
from hpcdirect.conductor.situation import Situation
from hpcdirect.conductor.vault import Vault
from hpcdirect.db import recorded as records
from hpcdirect.planning.batches import Portion
from hpcdirect.planning.composition import ElementOf
from hpcdirect.states import StepKind


@dataclasses.dataclass(frozen=True)
class Draft:
    """Writes the lines of batches.

    :param offers_volumes: whether the backend's machines have volumes.
    """

    vault: Vault
    element_of: ElementOf
    offers_volumes: bool

    def line(self, situation: Situation, portion: Portion, step_id: str
             ) -> Line:
        """One line of a run: the portion of a step, with what it needs.

        :raises NotFound: the element is not in the catalogue any more.
        """
        step = portion.step
        recorded = situation.recorded
        element, variables = self._inputs(situation, portion)
        rows = {row.name: row for row in recorded.nodes}
        leaving = [records.member(rows[key[0]]) for key in portion.layers
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
        return Line(portion, step_id, element, variables, facts.of_element(
            recorded.cluster, situation.blueprint.volumes
            if self.offers_volumes else (), situation.wanted,
            step.element, situation.observed.layers.values(), leaving,
            staying),
            self.vault.values(element),
            {role: tuple(nodes) for role, nodes in assistants.items()},
            *self.vault.opened(variables))

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
