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
import functools
import pathlib

from hpcdirect.blueprints.document import Document
from hpcdirect.blueprints.parameters import Mask
from hpcdirect.jsontypes import Object

#: The role of an element that declares none.
ONLY_ROLE = 'node'


@dataclasses.dataclass(frozen=True)
class Role:
    """A part that nodes play in an element.

    :param scope: ``cluster`` when exactly one node plays it.
    :param watches: ``ROLE.FACT`` of this element whose change means that
        this role's layers are applied again. FACT: names, addresses,
        host_keys.
    :param parameters: those parameters of the element whose change means
        the same; None when it is all of them.
    """

    name: str
    scope: str = 'node'
    watches: tuple[str, ...] = ()
    parameters: tuple[str, ...] | None = None


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
class Exporter:
    """Where an element gives numbers to Prometheus, on its nodes' address.

    :param port: TCP port; ``/metrics`` is the path.
    :param roles: on the nodes of these roles.
    """

    name: str
    port: int
    roles: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class TrialUse:
    """How its author has an element tried out; see ``hpc element test``.

    :param parameters: its own parameters, where defaults are not telling.
    :param roles: role -> groups of the trial's nodes, ``head`` and
        ``compute``; only where the usual ones do not do.
    :param elements: what it is tried on top of, besides what it requires.
    :param volumes: name -> mount point of a folder that all nodes share.
    :param state: paths it writes by itself while it stands; they are not
        held against what is tried on top of it.
    """

    parameters: Object = dataclasses.field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict)
    elements: tuple[str, ...] = ()
    volumes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    state: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Grade:
    """What a trial found an element to leave behind when it is reverted.

    :param grade: A: nothing but what may always stay; C: what ``left``
        says; D: it cannot be reverted.
    :param digest: of the element it is true of, and of no other.
    :param left: role -> what stays on nodes of that role, a line each.
    :param data: paths under the element's ``data`` that stayed.
    :param nodes: node group -> how many nodes there were.
    :param elements: ``name@version`` of what it stood on.
    :param parameters: those that were given.
    :param seconds: verb -> how long it took; ``again``: the second apply.
    :param packages: Debian packages fetched, by all nodes together.
    :param mib: how much that was.
    :param operating_system: what the nodes ran.
    :param tested_at: ISO 8601, UTC.
    """

    grade: str
    digest: str
    left: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict)
    data: tuple[str, ...] = ()
    nodes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    elements: tuple[str, ...] = ()
    parameters: Object = dataclasses.field(default_factory=dict)
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    packages: int = 0
    mib: float = 0.0
    operating_system: str = ''
    tested_at: str = ''


@dataclasses.dataclass(frozen=True)
class Element:
    """Something that can be put on a cluster and taken off again.

    :param digest: sha256 of every file of its folder but ``grade.yaml``, and
        of the modules it shares with those around it, hexadecimal.
    :param needs: ``node`` (begin as soon as this node answers) or
        ``cluster`` (begin when every wanted node answers).
    :param accounts: which of its parameters takes people's accounts, or ''.
    :param system_accounts: users and groups that its packages make.
    :param drain_with: roles that take part in drain and resume besides the
        nodes that leave.
    :param rolling: work that uses it does not outlive a change: a node is
        drained before it is changed or taken off there.
    :param outputs: name -> ``{role: ROLE, fact: address | name}``, or a
        plain value; what other elements can be wired to.
    :param exporters: where it gives numbers to Prometheus.
    :param data: paths that survive a revert.
    :param trial: how it is to be tried out.
    :param grade: what a trial of just these files found, None when there
        was none.
    """

    name: str
    version: str
    label: str
    description: str
    folder: pathlib.Path
    digest: str
    runner: str = 'ansible'
    parameters: Object = dataclasses.field(default_factory=dict)
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    needs: str = 'node'
    roles: tuple[Role, ...] = (Role(ONLY_ROLE),)
    secrets: tuple[Secret, ...] = ()
    accounts: str = ''
    system_accounts: tuple[str, ...] = ()
    drain_with: tuple[str, ...] = ()
    rolling: bool = False
    data: tuple[str, ...] = ()
    outputs: Object = dataclasses.field(default_factory=dict)
    exporters: tuple[Exporter, ...] = ()
    readme: str = ''
    trial: TrialUse = TrialUse()
    grade: Grade | None = None

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
    :param max_unavailable: how many of them may be out of service at one
        time while they are changed: a number, or a share like ``25%``.
    """

    name: str
    label: str = ''
    count: int | str = 1
    min_count: int = 0
    max_count: int = 1000
    max_unavailable: int | str = '25%'

    def most_out(self, count: int) -> int:
        """How many of *count* nodes may be out at once; at least one."""
        said = self.max_unavailable
        if isinstance(said, str):
            said = count * int(said.rstrip('%')) // 100
        return max(1, said)


@dataclasses.dataclass(frozen=True)
class VolumeUse:
    """A shared folder that the backend provides; it outlives machines.

    :param name: unique in the cluster.
    :param mount: absolute path on the machines.
    :param groups: the node groups that mount it.
    """

    name: str
    mount: str
    groups: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Infrastructure:
    """What machines are to be like, for one backend.

    :param groups: node group -> what the backend needs; values may be
        parameter wires.
    :param template: the file that describes them in the backend's own
        language, beside blueprint.yaml; '' for none.
    :param settings: whatever else the backend takes, wires as well.
    """

    groups: Mapping[str, Object] = dataclasses.field(default_factory=dict)
    template: str = ''
    settings: Object = dataclasses.field(default_factory=dict)


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
    variables: Object = dataclasses.field(default_factory=dict)
    when: str = ''


@dataclasses.dataclass(frozen=True)
class Output:
    """What people of a cluster can open, type or want to know.

    :param kind: ``url``, ``command`` or ``text``.
    :param value: text with ``$NAME`` in it, ``$$`` for a dollar.
    :param wires: those names -> ``{parameter: NAME}`` or
        ``{output: ELEMENT.NAME}``; shown when all of them have a value.
    :param when: a wire to what has to be there and true besides, or {}.
    """

    name: str
    title: str
    kind: str
    value: str
    description: str = ''
    wires: Mapping[str, Mapping[str, str]] = dataclasses.field(
        default_factory=dict)
    when: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Blueprint:
    """What a cluster is made from.

    :param digest: sha256 of every file of its folder, of those that it has
        from its parents, and of its elements.
    :param parameters: JSON Schema (2020-12) of an object.
    :param infrastructure: by backend.
    :param templates: backend -> text of the template that it names.
    :param files: name -> text of the folder's YAML files but
        ``blueprint.yaml``, and of those of its parents; a template may name
        them.
    :param paths: name -> where each of these files lies.
    :param source: blueprint.yaml, merged into those of its parents.
    :param login: node group whose first node people log in to.
    :param fields: of work that it is for, such as ``genomics``.
    :param icon: SVG that can do nothing but draw, or ''.
    """

    name: str
    version: str
    label: str
    description: str
    folder: pathlib.Path
    digest: str
    parameters: Object
    node_groups: tuple[NodeGroup, ...]
    infrastructure: Mapping[str, Infrastructure]
    volumes: tuple[VolumeUse, ...] = ()
    elements: tuple[ElementUse, ...] = ()
    outputs: tuple[Output, ...] = ()
    login: str = ''
    fields: tuple[str, ...] = ()
    icon: str = ''
    readme: str = ''
    templates: Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    paths: Mapping[str, pathlib.Path] = dataclasses.field(
        default_factory=dict)
    source: Document = dataclasses.field(
        default_factory=lambda: Document(pathlib.Path(), {}, {}),
        repr=False, compare=False)

    @functools.cached_property
    def mask(self) -> Mask:
        """Hides what is secret in values of its parameters."""
        return Mask(self.parameters)

    @property
    def ref(self) -> str:
        """``name@version``."""
        return f'{self.name}@{self.version}'

    def group(self, name: str) -> NodeGroup:
        """The node group of that name; KeyError when there is none."""
        return {group.name: group for group in self.node_groups}[name]
