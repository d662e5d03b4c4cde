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

"""What a runner is: the plugin that carries out elements on nodes."""

from __future__ import annotations

import abc
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import enum
import re
from typing import Any

from hpcdirect.blueprints.model import Element
from hpcdirect.wishes import NOBODYS
from hpcdirect.wishes import Wish


class Verb(enum.StrEnum):
    """What an element can be asked to do."""

    APPLY = 'apply'
    REVERT = 'revert'
    VERIFY = 'verify'
    DRAIN = 'drain'
    RESUME = 'resume'


_VIA = re.compile(r'(?:(?P<user>[^@]+)@)?'
                  r'(?P<host>\[[^]]+\]|[^:@]+)(?::(?P<port>\d+))?')


def jump(via: str) -> tuple[str, str, int]:
    """User, host and port of a jump host as it is written.

    :param via: ``[USER@]HOST[:PORT]``, an address of IPv6 in brackets.
    :raises ValueError: it is not.
    """
    found = _VIA.fullmatch(via)
    if found is None:
        raise ValueError(f'{via!r} is not a jump host.')
    return (found['user'] or 'root', found['host'].strip('[]'),
            int(found['port'] or 22))


@dataclasses.dataclass(frozen=True)
class Host:
    """A node to work on.

    :param name: the slot's name and the machine's host name.
    :param group: the node group.
    :param host_key: OpenSSH public key line it must show.
    :param via_key: the same of its jump host, where that is a node of the
        cluster; an operator's own is known otherwise.
    :param variables: more that the element may know of this node; what it
        sees as ``hpc_node`` besides the name, group, address and key.
    """

    name: str
    group: str
    address: str
    ssh_host: str
    ssh_port: int = 22
    ssh_user: str = 'root'
    ssh_via: str = ''
    host_key: str = ''
    via_key: str = ''
    variables: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Task:
    """One step for the runner: one verb of one element on some nodes.

    :param run_id: UUID of the run; every event of it carries this.
    :param roles: role of the element -> names of the nodes in it, of those
        to be worked on now.
    :param variables: the element's parameters with their values.
    :param facts: ``hpc``: what the element may know of the cluster (see the
        element author's guide): cluster, roles, leaving.
    :param secrets: secret's name -> value; they reach the element as files.
    :param hidden: values among the variables that nobody is to read.
    """

    run_id: str
    verb: Verb
    element: Element
    roles: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, Any]
    facts: Mapping[str, Any]
    secrets: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every node of the task once, in the order of the roles."""
        return tuple(dict.fromkeys(
            node for nodes in self.roles.values() for node in nodes))


@dataclasses.dataclass(frozen=True)
class Batch:
    """Tasks that share one process, carried out in their order.

    :param key: names the work folder and the process; unique per batch.
    :param epoch: the lease's; nodes refuse a batch with an older one.
    :param hosts: every node of every task; the inventory holds no other.
    :param private_key: the cluster's private key, OpenSSH format.
    :param wish: whose batch it is; nodes refuse one of an older wish.
    """

    key: str
    cluster_id: str
    epoch: int
    hosts: tuple[Host, ...]
    tasks: tuple[Task, ...]
    private_key: str
    wish: Wish = NOBODYS


class Result(enum.StrEnum):
    """How one task of the runner's own went on one node."""

    OK = 'ok'
    CHANGED = 'changed'
    FAILED = 'failed'
    UNREACHABLE = 'unreachable'
    SKIPPED = 'skipped'


@dataclasses.dataclass(frozen=True)
class TaskEvent:
    """One thing that happened, told while it happens.

    :param task: the runner's task, as its author named it ('' for a line of
        log only).
    :param seconds: how long it took.
    :param message: a sentence; what went wrong when it failed.
    :param output: the log's text, ends with a newline.
    :param ignored: it failed and its author said that this does not matter.
    """

    run_id: str
    node: str = ''
    task: str = ''
    result: Result | None = None
    seconds: float = 0.0
    message: str = ''
    output: str = ''
    ignored: bool = False


@dataclasses.dataclass(frozen=True)
class Cause:
    """Why a run failed, the first reason found.

    :param unreachable: the runner itself could not get to the node; no words
        of a program on it say so.
    :param replayed: the node has seen a newer wish, or another one.
    """

    node: str
    task: str
    message: str
    unreachable: bool = False
    replayed: bool = False

    def shown(self) -> dict[str, Any]:
        """As it is kept with a run, for people."""
        return {'node': self.node, 'task': self.task,
                'message': self.message, 'unreachable': self.unreachable}


@dataclasses.dataclass(frozen=True)
class TaskOutcome:
    """How one :class:`Task` ended.

    :param succeeded: nodes on which all of it went well.
    :param failed: node -> why, for the others that were begun.
    :param untouched: nodes never reached in this task, because an earlier
        task of the batch failed there.
    :param died: the runner's own process was killed; what failed did not
        fail by itself, and may well be done again.
    :param notes: node -> what is no fault but good to know, at most 500
        characters.
    """

    run_id: str
    succeeded: tuple[str, ...]
    failed: Mapping[str, Cause] = dataclasses.field(default_factory=dict)
    untouched: tuple[str, ...] = ()
    changed: int = 0
    died: bool = False
    notes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def cause(self) -> Cause | None:
        """The first failure, in time."""
        return next(iter(self.failed.values()), None)


@dataclasses.dataclass(frozen=True)
class Process:
    """A process of the runner's, so that a successor can end it.

    :param pid: leader of its own session and process group.
    :param started: its start time in clock ticks since boot, so that a pid
        used again is not mistaken for it (``/proc/PID/stat``, field 22).
    :param host: where the pid is valid, ``processes.place()``.
    """

    pid: int
    started: int
    host: str


class Listener(abc.ABC):
    """What the conductor hands to a runner to be told of things."""

    @abc.abstractmethod
    def starting(self, process: Process) -> None:
        """Record the process. It does nothing before this returns."""

    @abc.abstractmethod
    def progress(self, progress: TaskEvent) -> None:
        """Something happened."""

    @abc.abstractmethod
    def begun(self, run_id: str) -> None:
        """A task of the batch has begun."""

    @abc.abstractmethod
    def ended(self, outcome: TaskOutcome) -> None:
        """A task of the batch is over."""


class ElementRunner(abc.ABC):
    """Carries out elements on nodes.

    Order, dependencies, state and retries are the conductor's. A runner
    raises only :class:`hpcdirect.exception.RunnerError`.
    """

    name: str

    @abc.abstractmethod
    def carry_out(self, batch: Batch, listener: Listener,
                  stopped: Callable[[], bool]) -> None:
        """Do the batch and return when it is over.

        ``listener.ended`` has been called once for every task by then.

        :param stopped: asked at least once a second; when it says True the
            work is ended (between tasks when that is soon, else killed).
        """

    def reach(self, hosts: Sequence[Host], names: Collection[str],
              private_key: str) -> Mapping[str, str]:
        """Which machines can be worked on; asked again and again, never waits.

        A backend says that a machine runs; whether it can be worked on is
        the runner's to know. A runner that needs no connection says so.

        :param hosts: every machine of the cluster whose address is known.
        :param names: the machines in question.
        :returns: name -> '' when it can be, else why not, so far.
        """
        return dict.fromkeys(names, '')

    def close(self) -> None:  # noqa: B027 - most have nothing to do
        """Nobody will ask any more; called once, when no batch is left."""

    @abc.abstractmethod
    def stop(self, process: Process) -> None:
        """End what an earlier owner left running; gone already is fine."""
