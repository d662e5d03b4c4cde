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


"""What a stack and its servers say of a cluster's machines. Pure."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import logging
from typing import Any

from hpcdirect.backends import base
from hpcdirect.backends.base import InfraStatus
from hpcdirect.backends.base import MachineStatus
from hpcdirect.backends.heat.cloud import Cloud
from hpcdirect.backends.heat.cloud import classes_of
from hpcdirect.backends.heat.cloud import incarnation_of
from hpcdirect.backends.heat.metal import Ailment
from hpcdirect.backends.heat.stacks import Stack
from hpcdirect.backends.heat.template import TAG
from hpcdirect.backends.heat.template import Memo

LOG = logging.getLogger(__name__)

Server = Any
#: Nova's words for a server that is being made or comes back by itself.
_COMING = ('BUILD', 'REBUILD', 'REBOOT', 'HARD_REBOOT', 'UNKNOWN')
_SILENT = 'Heat shows no sign of life'
_NO_HOST = 'No valid host'
#: Failed resources that are told of, and characters of what is said of one:
#: hundreds of machines fail for the same reason.
_NAMED, _LONGEST = 5, 500


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f'{text[:_LONGEST - 1]}…'


def by_slot(servers: Iterable[Server]) -> dict[str, dict[int, Server]]:
    """Slot -> incarnation -> server; of two, the one that Heat knows."""
    found: dict[str, dict[int, Server]] = {}
    for server in sorted(servers, key=is_orphan, reverse=True):
        slot = (server.metadata or {}).get('hpcdirect_slot', server.name)
        found.setdefault(slot, {})[incarnation_of(server)] = server
    return found


def is_orphan(server: Server) -> bool:
    """Whether Heat may not know a server that it made.

    An engine that dies before it has written down a server's id leaves one
    that nobody has. Heat tags a server when it is up, so one with a tag is
    known; of one without, Heat's own list of resources has the last word.
    """
    return TAG not in (server.tags or ())


def all_up(servers: Iterable[Server], slots: Iterable[base.Slot]) -> bool:
    """Whether there are just the servers that are wanted, all at work."""
    those = list(servers)
    return ({(slot.name, slot.incarnation) for slot in slots}
            == {(name, number) for name, each in by_slot(those).items()
                for number in each}
            and all(server.status == 'ACTIVE' for server in those))


def entries(said: Any, servers: Iterable[Server], cloud: Cloud
            ) -> tuple[str, ...]:
    """The addresses that an output names, checked.

    Members of the project can change outputs in Heat, and we speak ssh to
    what they say: it has to be the project's own. Another's counts as one
    that is not known yet; nobody is refused for it, since Nova may not know
    of an address that was given just now.

    :param said: the output: an address or a list of them, or nothing yet.
    :param servers: those that are to be reached there.
    :returns: as they were named; none while one of them is another's.
    """
    found = tuple(str(one) for one in (
        said if isinstance(said, list) else [said] if said else []))
    own = {one['addr'] for server in servers
           for those in (server.addresses or {}).values() for one in those}
    foreign = {address for address in set(found) - own
               if not cloud.has_floating(address)}
    if foreign:
        LOG.warning('An output says that a cluster is reached at %s, which is '
                    'neither an address of its machines nor a floating IP of '
                    'the project.', ', '.join(sorted(foreign)))
        # What is not known yet is asked for again; addresses are kept.
        return ()
    return found


def lacks_host(server: Server) -> bool:
    """Whether Nova found no machine for a server."""
    return server.status == 'ERROR' and _NO_HOST in (
        server.fault or {}).get('message', '')


def has_to_wait(server: Server, soon: Mapping[str, bool]) -> bool:
    """Whether a machine that a server lacks is still being cleaned."""
    return lacks_host(server) and any(
        soon.get(kind) is False for kind in classes_of(server.flavor))


def without_stack(servers: Iterable[Server]) -> base.Infra:
    """What is left when the stack is gone."""
    machines = tuple(base.Machine(
        slot, incarnation, MachineStatus.LEAVING, server.id)
        for slot, those in by_slot(servers).items()
        for incarnation, server in those.items())
    if not machines:
        return base.Infra(InfraStatus.GONE)
    return base.Infra(InfraStatus.DELETING, 'The stack is gone, servers of '
                      'it are still there.', machines)


@dataclasses.dataclass(frozen=True)
class Told:
    """What Heat tells of a stack.

    :param failures: resource -> why it failed.
    :param stalled: it is in progress, and nobody works on it.
    """

    stack: Stack
    memo: Memo
    failures: Mapping[str, str]
    stalled: bool


@dataclasses.dataclass(frozen=True)
class Hardware:
    """What Ironic tells of the machines under servers.

    :param ailments: server -> what ails it.
    :param last_error: server -> what it has to say of a failure.
    :param soon: classes of which a machine becomes free, where one lacks.
    """

    ailments: Mapping[str, Ailment]
    last_error: Callable[[str], Ailment | None]
    soon: Mapping[str, bool]


class Look:
    """One look at a stack.

    :param entry: group, servers' ids -> addresses to come in by.
    """

    def __init__(self, told: Told, servers: Iterable[Server],
                 hardware: Hardware,
                 entry: Callable[[str, tuple[str, ...]], tuple[str, ...]]
                 ) -> None:
        self._memo = told.memo
        self._action = told.stack.action
        self._status = told.stack.stack_status.rpartition('_')[2]
        self._said = told.stack.stack_status_reason or ''
        self._servers = by_slot(servers)
        self._failures = told.failures
        self._stalled = told.stalled
        self._hardware = hardware
        self._entry = entry
        self._waiting = self._that_wait(hardware.soon)
        # It failed for want of machines only, and there will be some.
        self._waits = (self._status == 'FAILED' and bool(self._waiting)
                       and set(told.failures) <= self._waiting)

    def _that_wait(self, soon: Mapping[str, bool]) -> set[str]:
        """Slots whose server lacks a machine that there soon will be."""
        found = set()
        for slot in self._memo.slots:
            server = self._servers.get(slot.name, {}).get(slot.incarnation)
            if server is not None and lacks_host(server):
                kinds = classes_of(server.flavor)
                if kinds and kinds <= set(soon):
                    found.add(slot.name)
        return found

    def infra(self) -> base.Infra:
        """All of it."""
        machines: list[base.Machine] = []
        addresses = self._entries()
        wanted = {} if self._action == 'DELETE' else {
            slot.name: slot for slot in self._memo.slots}
        machines += [self._machine(slot, addresses)
                     for slot in wanted.values()]
        for name, those in self._servers.items():
            machines += [base.Machine(
                name, number, MachineStatus.LEAVING, server.id,
                fault=self._why(name, server)
                if self._status == 'FAILED' else '')
                for number, server in those.items() if name not in wanted]
        return base.Infra(self._infra_status(machines), self._reason(),
                          tuple(machines), wish=self._memo.wish)

    def _infra_status(self, machines: list[base.Machine]) -> InfraStatus:
        if self._action == 'DELETE':
            # Nova has little patience with a node that is slow to let go:
            # a deletion that failed is asked for again until all is gone.
            return InfraStatus.DELETING
        if self._status == 'FAILED' and not self._waits:
            return InfraStatus.FAILED
        up = all(machine.status == MachineStatus.UP for machine in machines)
        return (InfraStatus.READY if up and self._complete
                else InfraStatus.CHANGING)

    @property
    def _complete(self) -> bool:
        return bool(self._status == 'COMPLETE')

    def _reason(self) -> str:
        if self._stalled:
            return f'{_SILENT}; the stack is driven on.'
        if self._waits:
            return ('Nova has no machine yet for '
                    f'{", ".join(sorted(self._waiting))}; one is being '
                    'cleaned.')
        if self._status != 'FAILED':
            return ''
        told = [f'{name}: {_short(why)}'
                for name, why in self._failures.items()]
        more = len(told) - _NAMED
        if more > 0:
            told = [*told[:_NAMED], f'and {more} more']
        return f'Heat: {"; ".join(told) or _short(self._said)}'

    def _machine(self, slot: base.Slot, entries: Mapping[str, str]
                 ) -> base.Machine:
        """The machine in a slot, the older one while that is there."""
        those = self._servers.get(slot.name, {})
        server = those.get(slot.incarnation)
        if server is None and those:
            number, old = next(iter(those.items()))
            return base.Machine(slot.name, number, MachineStatus.LEAVING,
                                old.id)
        if server is None:
            status, fault = self._missing(slot.name)
            return base.Machine(slot.name, slot.incarnation, status,
                                fault=fault)
        status, fault = self._standing(slot.name, server)
        address = self._address(server)
        ssh = self._ssh(slot, server, address, entries)
        if status == MachineStatus.UP and ssh is None:
            status = MachineStatus.BUILDING
        return base.Machine(slot.name, slot.incarnation, status, server.id,
                            address, ssh, fault)

    def _missing(self, name: str) -> tuple[MachineStatus, str]:
        """A slot without a server."""
        if self._complete or self._waits:
            return MachineStatus.ABSENT, ''
        if self._stalled:
            return MachineStatus.ABSENT, _SILENT
        if self._status == 'FAILED':
            return MachineStatus.FAILED, self._why(name)
        return MachineStatus.BUILDING, ''

    def _standing(self, name: str, server: Server
                  ) -> tuple[MachineStatus, str]:
        """A server's status, and what ails it."""
        if server.status == 'ACTIVE' and (
                self._complete or not is_orphan(server)):
            ailment = self._hardware.ailments.get(server.id)
            return MachineStatus.UP, (
                f'node {ailment.node} is {ailment.reason}' if ailment else '')
        if self._status == 'PROGRESS' and not self._stalled:
            return MachineStatus.BUILDING, ''
        if self._stalled:
            return MachineStatus.ABSENT, _SILENT
        if server.status in _COMING and (self._complete or self._waits):
            return MachineStatus.BUILDING, ''
        if self._waits and name in self._waiting:
            return MachineStatus.ABSENT, 'no machine is free yet'
        return MachineStatus.FAILED, self._why(name, server)

    def _why(self, name: str, server: Server | None = None) -> str:
        """Why a machine failed: Ironic's words, then Nova's, then Heat's."""
        if server is not None:
            ailment = self._hardware.last_error(server.id)
            if ailment:
                return (f'Ironic, node {ailment.node}: '
                        f'{_short(ailment.reason)}')
            fault = (server.fault or {}).get('message')
            if fault:
                return f'Nova: {_short(fault)}'
        told = self._failures.get(name) or next(
            (why for one, why in self._failures.items()
             if one.startswith(f'{name}.')), '')
        if told:
            return f'Heat: {_short(told)}'
        return (f'Nova says that the server is {server.status}.'
                if server is not None else f'Heat: {_short(self._said)}')

    # -- addresses --------------------------------------------------------

    def _entries(self) -> dict[str, str]:
        """Slot -> the address to come in by, where there is one."""
        found: dict[str, str] = {}
        for group in self._memo.entries:
            slots = [slot for slot in self._memo.slots
                     if slot.group == group]
            idents = tuple(
                server.id for slot in slots for server in [
                    self._servers.get(slot.name, {}).get(slot.incarnation)]
                if server is not None)
            if len(idents) == len(slots) and idents:
                found |= dict(zip((slot.name for slot in slots),
                                  self._entry(group, idents), strict=False))
        return found

    def _address(self, server: Server) -> str:
        """A server's address on the network that the nodes talk over."""
        networks: Mapping[str, list[dict[str, str]]] = server.addresses or {}
        those = networks.get(self._memo.network) or next(
            iter(networks.values()), [])
        fixed = [one['addr'] for one in those
                 if one.get('OS-EXT-IPS:type') != 'floating']
        return fixed[0] if fixed else ''

    def _ssh(self, slot: base.Slot, server: Server, address: str,
             entries: Mapping[str, str]) -> base.Ssh | None:
        """How a machine is reached; None while that cannot be told."""
        key = (server.metadata or {}).get('hpcdirect_host_key', '')
        if slot.group in self._memo.entries:
            there = entries.get(slot.name)
            return base.Ssh(there, host_key=key) if there else None
        if not address:
            return None
        if not self._memo.entries:
            return base.Ssh(address, host_key=key)
        via = next(iter(entries.values()), '')
        return base.Ssh(address, via=f'root@{via}', host_key=key) \
            if via else None
