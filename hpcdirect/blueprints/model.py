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

"""Blueprints and elements, as their files say: immutable and without logic."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any

#: The role of an element that declares none.
ONLY_ROLE = 'node'


@dataclasses.dataclass(frozen=True)
class Role:
    """A part that nodes play in an element.

    :param scope: ``cluster`` when exactly one node plays it.
    :param watches: ``ROLE.FACT`` of this element whose change means that
        this role's layers are applied again. FACT: names, addresses,
        host_keys.
    """

    name: str
    scope: str = 'node'
    watches: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Secret:
    """Something generated once per cluster.

    :param kind: ``random`` (base64 text of *bytes* random bytes),
        ``password`` (letters and digits), ``ssh-ca`` (an ed25519 key that
        never leaves the conductor; elements get its public line and each
        node's host certificate).
    """

    name: str
    kind: str = 'random'
    bytes: int = 32


@dataclasses.dataclass(frozen=True)
class Element:
    """Something that can be put on a cluster and taken off again.

    :param digest: sha256 of every file of its folder, hexadecimal.
    :param needs: ``node`` (begin as soon as this node answers) or
        ``cluster`` (begin when every wanted node answers).
    :param drain_with: roles that take part in drain and resume besides the
        nodes that leave.
    :param outputs: name -> ``{role: ROLE, fact: address | name}``, or a
        plain value; what other elements can be wired to.
    :param data: paths that survive a revert.
    """

    name: str
    version: str
    label: str
    description: str
    folder: pathlib.Path
    digest: str
    runner: str = 'ansible'
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    needs: str = 'node'
    roles: tuple[Role, ...] = (Role(ONLY_ROLE),)
    secrets: tuple[Secret, ...] = ()
    drain_with: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    readme: str = ''

    def role(self, name: str) -> Role:
        """The role of that name; KeyError when there is none."""
        return {role.name: role for role in self.roles}[name]

    def playbook(self, verb: str) -> pathlib.Path:
        """Where the verb's playbook is, whether it exists or not."""
        return self.folder / f'{verb}.yaml'

    def can(self, verb: str) -> bool:
        """Whether the element ships this verb."""
        return self.playbook(verb).is_file()


@dataclasses.dataclass(frozen=True)
class NodeGroup:
    """Machines that are alike.

    :param count: a number, or the name of the parameter that holds it.
    :param min_count: never fewer.
    """

    name: str
    label: str = ''
    count: int | str = 1
    min_count: int = 0
    max_count: int = 1000


@dataclasses.dataclass(frozen=True)
class VolumeUse:
    """A shared folder that the backend is to provide."""

    name: str
    mount: str
    groups: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class ElementUse:
    """One line of a blueprint's ``elements``.

    :param roles: role -> node groups whose nodes play it.
    :param variables: parameter of the element -> value, or a wire:
        ``{parameter: NAME}`` of the blueprint, ``{output: ELEMENT.NAME}``.
    :param when: name of a boolean parameter that switches it on, or ''.
    """

    element: Element
    roles: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    when: str = ''


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """What a cluster is made from.

    :param digest: sha256 of every file of its folder and of its elements.
    :param parameters: JSON Schema (2020-12) of an object.
    :param infrastructure: backend -> its own section; ``groups`` in it maps
        node group -> what the backend needs; values may be parameter wires.
    :param login: node group whose first node people log in to.
    """

    name: str
    version: str
    label: str
    description: str
    folder: pathlib.Path
    digest: str
    parameters: Mapping[str, Any]
    node_groups: tuple[NodeGroup, ...]
    infrastructure: Mapping[str, Mapping[str, Any]]
    volumes: tuple[VolumeUse, ...] = ()
    elements: tuple[ElementUse, ...] = ()
    login: str = ''
    readme: str = ''

    @property
    def ref(self) -> str:
        """``name@version``."""
        return f'{self.name}@{self.version}'

    def group(self, name: str) -> NodeGroup:
        """The node group of that name; KeyError when there is none."""
        return {group.name: group for group in self.node_groups}[name]
