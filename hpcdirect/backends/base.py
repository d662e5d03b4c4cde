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

"""What a backend is: the plugin that makes and unmakes machines."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import enum
from typing import Any

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.exception import BackendError
from hpcdirect.exception import Finding
from hpcdirect.planning.state import State
from hpcdirect.wishes import NOBODYS
from hpcdirect.wishes import Wish


@dataclasses.dataclass(frozen=True)
class Slot:
    """One place for a machine, as the owner wants it.

    :param name: ``<group>-<number>``, unique in the cluster; the machine's
        host name.
    :param group: the node group's name.
    :param incarnation: raised by one each time the machine is to be replaced.
    """

    name: str
    group: str
    incarnation: int = 1


@dataclasses.dataclass(frozen=True)
class Network:
    """A network that machines of a cluster are on.

    :param name: as the cloud calls it.
    :param groups: the node groups whose machines are on it.
    :param cidrs: its ranges of addresses; () when nothing says.
    :param own: made for the cluster, and taken away with it.
    """

    name: str
    groups: tuple[str, ...]
    cidrs: tuple[str, ...] = ()
    own: bool = True


Networks = tuple[Network, ...]


@dataclasses.dataclass(frozen=True)
class InfraRequest:
    """The machines a cluster is to have, all that a backend needs to know.

    :param cluster_id: UUID; external names derive from it and from nothing
        else, so that a second call finds what the first one made.
    :param cluster_name: for people, in descriptions.
    :param project_id: whose quota and network it is.
    :param slots: every machine wanted; one that is not here is to go.
    :param groups: node group -> what the blueprint's ``infrastructure``
        says for this backend (flavor, memory, ...), parameters filled in.
    :param volumes: the shared folders wanted.
    :param public_key: OpenSSH line of the cluster's own key, for root.
    :param template: text of the file that the blueprint's section names as
        its ``template`` (HOT), or ''.
    :param files: name -> text of the YAML files beside that template, which
        it may name.
    :param settings: the rest of the section, parameters filled in.
    :param wish: whose request it is; kept beside the machines, so that
        observe() can tell it.
    """

    cluster_id: str
    cluster_name: str
    project_id: str
    slots: tuple[Slot, ...]
    groups: Mapping[str, Mapping[str, Any]]
    volumes: tuple[VolumeUse, ...] = ()
    public_key: str = ''
    template: str = ''
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    wish: Wish = NOBODYS


@dataclasses.dataclass(frozen=True, slots=True)
class Ssh:
    """How a machine is reached.

    :param via: ``user@host[:port]`` of a jump host, or ''.
    :param host_key: OpenSSH public key line (``ssh-ed25519 AAAA...``) that
        the machine must show.
    """

    host: str
    port: int = 22
    user: str = 'root'
    via: str = ''
    host_key: str = ''


class MachineStatus(enum.StrEnum):
    """How far a machine is.

    ABSENT: nothing there and nobody making it: ensure() must be called.
    UP: as far as the backend can tell, ssh answers. The conductor makes sure
    of it by logging in before it lets a runner at the machine.
    """

    ABSENT = 'ABSENT'
    BUILDING = 'BUILDING'
    UP = 'UP'
    FAILED = 'FAILED'
    LEAVING = 'LEAVING'


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """One machine as the backend sees it.

    :param ref: the backend's own identifier of it. Another ref is another
        machine, whatever the incarnation: nothing is taken to be on it.
    :param fault: why it FAILED, or what ails it while it is UP (hardware in
        maintenance), a sentence.
    """

    slot: str
    incarnation: int
    status: MachineStatus
    ref: str = ''
    address: str = ''
    ssh: Ssh | None = None
    fault: str = ''


class InfraStatus(enum.StrEnum):
    """How a cluster's machines stand as a whole."""

    CHANGING = 'CHANGING'
    READY = 'READY'
    FAILED = 'FAILED'
    DELETING = 'DELETING'
    GONE = 'GONE'


@dataclasses.dataclass(frozen=True, slots=True)
class Infra:
    """All that is there of a cluster.

    :param wish: of the request by which the machines were changed last; the
        conductor refuses an older one.
    """

    status: InfraStatus
    reason: str = ''
    machines: tuple[Machine, ...] = ()
    outputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    wish: Wish = NOBODYS


@dataclasses.dataclass(frozen=True)
class NodeType:
    """Machines that are alike, and how many of them could be had now.

    :param free: None: no limit.
    :param total: None: nobody counts.
    :param traits: what all of them can do, as the cloud calls it.
    """

    name: str
    free: int | None = None
    total: int | None = None
    traits: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Quota:
    """How much of something a project may have and has; limit None: all."""

    name: str
    used: int
    limit: int | None


@dataclasses.dataclass(frozen=True)
class Capacity:
    """What could be had now."""

    node_types: tuple[NodeType, ...] = ()
    quotas: tuple[Quota, ...] = ()


@dataclasses.dataclass(frozen=True)
class Need:
    """Machines of one type that a request wants besides those it has.

    :param type: as :class:`NodeType` calls it, where it can be told.
    :param free: how many could be had now; None: no limit, or nobody says.
    :param fits: whether so many can be had; None: nobody can tell.
    """

    type: str
    wanted: int
    free: int | None = None
    fits: bool | None = None


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a request wants of a quota besides what is used."""

    quota: Quota
    wanted: int

    @property
    def after(self) -> int:
        """How much of it will be used."""
        return self.quota.used + self.wanted

    @property
    def fits(self) -> bool:
        """Whether the quota lets it; what wants nothing always fits."""
        return not self.wanted or self.quota.limit is None \
            or self.after <= self.quota.limit


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What a request meets.

    :param findings: all that stands in its way.
    :param needs: its machines, by type; () when nobody can tell.
    :param claims: of every quota; () likewise.
    """

    findings: tuple[Finding, ...] = ()
    needs: tuple[Need, ...] = ()
    claims: tuple[Claim, ...] = ()


@dataclasses.dataclass(frozen=True)
class Leftover:
    """Something that carries our tag.

    :param cluster_id: whose it was, '' when that cannot be told.
    :param kind: machine, network, mount, process, ...
    :param ref: the backend's identifier of it.
    :param project_id: where it is, when the cloud has projects.
    """

    cluster_id: str
    kind: str
    ref: str
    project_id: str = ''


class Backend(abc.ABC):
    """Makes and unmakes a cluster's machines. No method waits.

    Policy, quota and parameter checks are done before; retries, deadlines
    and status are the conductor's. A backend only talks to its cloud. It
    raises only :class:`hpcdirect.exception.BackendError`, and of those
    :class:`hpcdirect.exception.BackendUnavailable` when its cloud does not
    answer just now: the conductor asks again, then.
    """

    name: str
    #: Whether it provides the volumes that a request asks for. Elements make
    #: do without where it does not.
    offers_volumes: bool = True
    #: Whether a machine that is made again has the address that it had. A
    #: plan can tell then what the others will have to do about it.
    keeps_addresses: bool = False

    @abc.abstractmethod
    def validate(self, request: InfraRequest) -> list[Finding]:
        """All that stands in the way of this request, not the first thing."""

    def assess(self, request: InfraRequest) -> Assessment:
        """The same findings, and what of its cloud the request would take.

        Both are of one look, so that they agree.
        """
        return Assessment(tuple(self.validate(request)))

    @abc.abstractmethod
    def ensure(self, request: InfraRequest) -> str:
        """Start, adopt, or change towards the request; the only change call.

        Called again with the same request it goes on from what is there. A
        machine of an older incarnation is replaced, one whose slot is not in
        the request is removed.

        :returns: the reference that observe() and delete() take. It derives
            from ``cluster_id`` and ``project_id`` alone.
        """

    @abc.abstractmethod
    def observe(self, ref: str) -> Infra:
        """Look; what is gone is GONE and no error.

        It changes nothing that is wanted, but may go on with what ensure()
        or delete() began and nobody is at work on: take away what a delete
        left, start the threads that a restart ended. Any number of calls at
        once is fine.
        """

    @abc.abstractmethod
    def delete(self, ref: str) -> None:
        """Start tearing down; deleting what is gone succeeds.

        Volumes go too. observe() says GONE when nothing is left.
        """

    @abc.abstractmethod
    def capacity(self, project_id: str) -> Capacity:
        """What a project could have now, by node type."""

    @abc.abstractmethod
    def leftovers(self) -> Iterable[Leftover]:
        """Everything that carries our tag, wanted or not."""

    @abc.abstractmethod
    def reference(self, cluster_id: str, project_id: str) -> str:
        """The reference ensure() will return, known before it is called."""

    def render(self, request: InfraRequest) -> str:
        """What the cloud will be asked for, in its own language.

        :returns: text, '' where there is nothing of the kind.
        :raises BackendError: the request cannot be put into it.
        """
        return ''

    def networks(self, request: InfraRequest) -> Networks | None:
        """The networks of a request's machines, by what is asked for.

        No cloud is asked; it is called for every look at a cluster.

        :returns: None when that does not tell.
        """
        return None

    def sweep(self, leftover: Leftover) -> None:
        """Start taking a leftover away; one that is gone is not an error.

        The caller has made sure that its cluster is no more.
        """
        raise BackendError(plugin=self.name, reason=(
            f'{leftover.kind} {leftover.ref} has to be removed by hand.'))

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Finish what is under way in this process, before it ends."""


# -- what is asked for of a cluster ------------------------------------

def slots_of(state: State) -> tuple[Slot, ...]:
    """Every slot of a state, group by group; none when it is to go."""
    return () if state.deleted else tuple(
        Slot(name, group, slot.incarnation)
        for name, (group, slot) in state.slots.items())


def request_for(blueprint: Blueprint, state: State, backend: str,
          slots: Iterable[Slot], **identity: Any) -> InfraRequest:
    """The request for these slots of a cluster.

    :param identity: ``cluster_id``, ``cluster_name``, ``project_id``,
        ``public_key`` and ``wish`` as :class:`InfraRequest` takes them.
    """
    said = blueprint.infrastructure.get(backend, Infrastructure())
    template = blueprint.templates.get(backend, '')
    return InfraRequest(
        slots=tuple(slots),
        groups={name: group for name, group in parameters.resolve(
            said.groups, state.parameters, {}).items()
            if isinstance(group, Mapping)},
        settings=parameters.resolve(said.settings, state.parameters, {}),
        template=template, files=blueprint.files if template else {},
        volumes=blueprint.volumes,
        **identity)
