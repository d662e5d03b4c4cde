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

"""From what is wanted to what a backend is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hpcdirect.backends import base
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.planning.state import State


def slots_of(state: State) -> tuple[base.Slot, ...]:
    """Every slot of a state, group by group; none when it is to go."""
    return () if state.deleted else tuple(
        base.Slot(name, group, slot.incarnation)
        for name, (group, slot) in state.slots.items())


def build(blueprint: Blueprint, state: State, backend: str,
          slots: Iterable[base.Slot], **identity: Any) -> base.InfraRequest:
    """The request for these slots of a cluster.

    :param identity: ``cluster_id``, ``cluster_name``, ``project_id``,
        ``public_key`` and ``wish`` as :class:`base.InfraRequest` takes them.
    """
    said = blueprint.infrastructure.get(backend, Infrastructure())
    template = blueprint.templates.get(backend, '')
    return base.InfraRequest(
        slots=tuple(slots),
        groups={name: parameters.resolve(group, state.parameters, {})
                for name, group in said.groups.items()},
        settings=parameters.resolve(said.settings, state.parameters, {}),
        template=template, files=blueprint.files if template else {},
        volumes=tuple(base.Volume(volume.name, volume.mount, volume.groups)
                      for volume in blueprint.volumes),
        **identity)
