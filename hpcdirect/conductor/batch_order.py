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

"""What a runner is to carry out at once, and all that it takes."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

from hpcdirect.blueprints.model import Element
from hpcdirect.db import models
from hpcdirect.db.held_layers import Layer
from hpcdirect.planning.batches import Portion
from hpcdirect.planning.plan import SeenLayer
from hpcdirect.planning.wanted import LayerKey
from hpcdirect.planning.wanted import WantedLayer
from hpcdirect.runners import base
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
