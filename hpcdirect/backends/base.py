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

from hpcdirect.exception import Finding


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
class Volume:
    """A shared folder that outlives machines.

    :param name: unique in the cluster.
    :param mount: absolute path on the machines.
    :param groups: the node groups that mount it.
    """

    name: str
    mount: str
    groups: tuple[str, ...]


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
    :param template: the blueprint's infrastructure template (HOT), or ''.
    """

    cluster_id: str
    cluster_name: str
    project_id: str
    slots: tuple[Slot, ...]
    groups: Mapping[str, Mapping[str, Any]]
    volumes: tuple[Volume, ...] = ()
    public_key: str = ''
    template: str = ''


@dataclasses.dataclass(frozen=True)
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
    UP: as far as the backend can tell, ssh answers.
    """

    ABSENT = 'ABSENT'
    BUILDING = 'BUILDING'
    UP = 'UP'
    FAILED = 'FAILED'
    LEAVING = 'LEAVING'


@dataclasses.dataclass(frozen=True)
class Machine:
    """One machine as the backend sees it.

    :param ref: the backend's own identifier of it.
    :param fault: why it FAILED, a sentence.
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


@dataclasses.dataclass(frozen=True)
class Infra:
    """All that is there of a cluster."""

    status: InfraStatus
    reason: str = ''
    machines: tuple[Machine, ...] = ()
    outputs: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Capacity:
    """What could be had now: node type -> machines free (None: no limit)."""

    nodes: Mapping[str, int | None]


@dataclasses.dataclass(frozen=True)
class Leftover:
    """Something that carries our tag.

    :param cluster_id: whose it was.
    :param kind: machine, network, mount, process, ...
    :param ref: the backend's identifier of it.
    """

    cluster_id: str
    kind: str
    ref: str


class Backend(abc.ABC):
    """Makes and unmakes a cluster's machines. No method waits.

    Policy, quota and parameter checks are done before; retries, deadlines
    and status are the conductor's. A backend only talks to its cloud. It
    raises only :class:`hpcdirect.exception.BackendError`.
    """

    name: str

    @abc.abstractmethod
    def validate(self, request: InfraRequest) -> list[Finding]:
        """All that stands in the way of this request, not the first thing."""

    @abc.abstractmethod
    def ensure(self, request: InfraRequest) -> str:
        """Start, adopt, or change towards the request; the only change call.

        Called again with the same request it goes on from what is there. A
        machine of an older incarnation is replaced, one whose slot is not in
        the request is removed.

        :returns: the reference that observe() and delete() take. It derives
            from ``cluster_id`` alone.
        """

    @abc.abstractmethod
    def observe(self, ref: str) -> Infra:
        """Look; what is gone is GONE and no error."""

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
    def reference(self, cluster_id: str) -> str:
        """The reference ensure() will return, known before it is called."""
