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


"""Machines that are Nova servers, on Ironic, made by a stack of Heat's.

Everything is done as the service's own user in the customer's project. What
is wanted is written into the stack itself, so nothing is remembered here but
what spares a request.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import datetime
import functools
import logging
from typing import Any
from typing import Concatenate
from typing import ParamSpec
from typing import TypeVar

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.backends import base
from hpcdirect.backends.heat import cloud as clouds
from hpcdirect.backends.heat import leftovers
from hpcdirect.backends.heat import look
from hpcdirect.backends.heat import networks
from hpcdirect.backends.heat import template
from hpcdirect.backends.heat.checks import Checks
from hpcdirect.backends.heat.metal import Held
from hpcdirect.backends.heat.metal import Metal
from hpcdirect.backends.heat.shared import Shared
from hpcdirect.backends.heat.stacks import Stack
from hpcdirect.backends.heat.stacks import Stacks
from hpcdirect.backends.heat.stacks import moment
from hpcdirect.exception import BackendError
from hpcdirect.exception import BackendUnavailable
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import Unavailable
from hpcdirect.keystone import Keystone

LOG = logging.getLogger(__name__)

_T = TypeVar('_T')
_P = ParamSpec('_P')


def _together(method: Callable[Concatenate[HeatBackend, _P], _T]
              ) -> Callable[Concatenate[HeatBackend, _P], _T]:
    """Let all requests of a method share one deadline."""
    @functools.wraps(method)
    def bounded(self: HeatBackend, /, *args: _P.args,
                **kwargs: _P.kwargs) -> _T:
        with self._keystone.together():
            return method(self, *args, **kwargs)
    return bounded


class HeatBackend(base.Backend):
    """Makes machines by Heat; see the module.

    :param conf: its groups are ``[heat]`` and ``[service_auth]``.
    """

    name = 'heat'
    # A share of Manila's would be one; until then elements serve what is
    # shared, or the site's image mounts it.
    offers_volumes = False

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register_group(conf, 'heat')
        self._conf = conf.heat
        self._keystone = Keystone(conf)
        self._shared = Shared(lambda: self._metal())
        # Stacks driven on once already, and when.
        self._driven: dict[str, datetime.datetime] = {}

    def reference(self, cluster_id: str, project_id: str) -> str:
        """``<project>/<cluster>``."""
        return f'{project_id}/{cluster_id}'

    # -- checks -----------------------------------------------------------

    def validate(self, request: base.InfraRequest) -> list[Finding]:
        """All that can be known to go wrong before anything is asked for."""
        return list(self.assess(request).findings)

    @_together
    def assess(self, request: base.InfraRequest) -> base.Assessment:
        """The same; free machines if Ironic is to be seen, and quotas."""
        try:
            if not self._keystone.allowed(request.project_id):
                user = self._keystone.identity()
                return base.Assessment((Finding(
                    f'hpcdirect may not work in this project: its user '
                    f'{user.name} has no role {user.role} here. "openstack '
                    f'hpc project enable" grants it, by somebody who may.',
                    '$.backend'),))
            stack = self._stacks(request.project_id).get(
                template.name(request.cluster_id))
            stored = (self._stacks(request.project_id).template(stack)
                      if stack else {})
            return Checks(
                request, stored, self._cloud(request.project_id),
                self._stacks(request.project_id), self._metal()).assessment()
        except Unavailable as exc:
            raise BackendError(plugin='heat', reason=str(exc)) from exc

    def render(self, request: base.InfraRequest) -> str:
        """The flat template."""
        return template.render(request)

    def networks(self, request: base.InfraRequest) -> base.Networks:
        """What the template says."""
        return networks.of(request)

    @_together
    def capacity(self, project_id: str) -> base.Capacity:
        """Ironic's free nodes, and the project's quotas if we may see them."""
        try:
            quotas = (self._shared.quotas(self._cloud(project_id))
                      if self._keystone.allowed(project_id) else ())
            return base.Capacity(self._shared.types(), tuple(quotas))
        except Unavailable as exc:
            raise BackendError(plugin='heat', reason=str(exc)) from exc

    # -- changes ----------------------------------------------------------

    @_together
    def ensure(self, request: base.InfraRequest) -> str:
        """Make the stack, or bring the one that is there nearer to it."""
        self._release_nodes(request.project_id)
        stacks = self._stacks(request.project_id)
        name = template.name(request.cluster_id)
        stack = stacks.get(name)
        made = False
        if stack is None:
            wanted = _built(request, request.slots, {})
            made = stacks.create(name, wanted.template, wanted.parameters,
                                 f'{template.TAG},{name}')
        # Heat lets in two that come at once; all agree on the one that stays.
        # Looked for at every change: who was to let one go may have died.
        there = stacks.named(name)
        doubles = there[1:]
        if doubles:
            LOG.warning('Stack %s was made more than once; all but %s go.',
                        name, there[0].id)
            self._take_down(stacks, doubles)
        if made and not doubles:
            return self.reference(request.cluster_id, request.project_id)
        if stack is None or doubles:
            # By its name Heat finds any of those made in one second.
            stack = stacks.get(there[0].id if there else name)
        if stack is None or stack.action == 'DELETE':
            # A name is free again a moment after all else is gone.
            going = stack is None or stack.stack_status != 'DELETE_FAILED'
            raise (BackendUnavailable if going else BackendError)(
                plugin='heat', reason=f'Stack {name} is on its way out.')
        self._change(request, stacks, stack)
        return self.reference(request.cluster_id, request.project_id)

    def _take_down(self, stacks: Stacks, doomed: Iterable[Stack]) -> None:
        """Begin to delete stacks, those again at which nothing moves."""
        for stack in doomed:
            if stack.stack_status != 'DELETE_IN_PROGRESS' \
                    or self._stalled(stacks, stack):
                stacks.delete(stack)

    def _change(self, request: base.InfraRequest, stacks: Stacks,
                stack: Stack) -> None:
        """Update a stack, unless it is being updated, or is as wanted."""
        found = self._cloud(request.project_id).servers(request.cluster_id)
        servers = look.by_slot(found)
        stored = stacks.template(stack)
        there = template.incarnations(stored)
        # A machine that is replaced goes first: there may be no spare one.
        # Its slot is ABSENT then, and asked for again.
        slots = [slot for slot in request.slots
                 if there.get(slot.name) in (None, slot.incarnation)]
        same = (there == {slot.name: slot.incarnation for slot in slots}
                and template.is_met(request, stack.parameters))
        busy = stack.stack_status.endswith('IN_PROGRESS')
        lost = [] if busy else [
            slot.name for slot in slots if slot.name in there
            and slot.incarnation not in servers.get(slot.name, {})]
        if same and not lost and stack.stack_status.endswith('COMPLETE'):
            return
        if same and busy:
            if self._stalled(stacks, stack, found):
                self._drive(request, stacks, stack, found)
            return
        if same and self._has_to_wait(found):
            return
        if not busy:
            left_out = self._delete_orphans(request, stacks, stack, found)
            slots = [slot for slot in slots if slot.name not in left_out]
        wanted = _built(request, slots, stored)
        self._guard(stacks, stack, wanted, [
            slot.name for slot in slots if any(
                server.status == 'ACTIVE' for server
                in servers.get(slot.name, {}).values())])
        for name in lost:
            stacks.forget(stack, name, 'its server is gone')
        stacks.update(stack, wanted.template, wanted.parameters)

    @staticmethod
    def _guard(stacks: Stacks, stack: Stack, wanted: template.StackInput,
               running: list[str]) -> None:
        """Refuse an update by which a machine that runs would go."""
        hurt = stacks.replaced(stack, wanted.template,
                               wanted.parameters) & set(running)
        if hurt:
            raise BackendError(plugin='heat', reason=(
                f'Heat would replace {", ".join(sorted(hurt))}, which was '
                'not asked for; the stack is left as it is.'))

    def _delete_orphans(self, request: base.InfraRequest, stacks: Stacks,
                        stack: Stack, servers: list[look.Server]
                        ) -> set[str]:
        """Begin to delete servers that Heat made and does not know of.

        They hold the ports that it needs, so they go first; whoever asks
        again finds them gone.

        :returns: the slots that have no other server.
        """
        doubtful = [server for server in servers if look.is_orphan(server)]
        known = stacks.known(stack) if doubtful else set()
        orphans = [server for server in doubtful if server.id not in known]
        cloud = self._cloud(request.project_id)
        for server in orphans:
            LOG.warning('Stack %s does not know server %s of %s; it goes.',
                        stack.stack_name, server.id, server.name)
            cloud.delete_server(server.id)
        return set(look.by_slot(orphans)) - set(look.by_slot(
            server for server in servers if server not in orphans))

    def _has_to_wait(self, servers: list[look.Server]) -> bool:
        """Whether to ask Nova again would be in vain just now."""
        soon = self._shared.soon(servers)
        return any(look.has_to_wait(server, soon) for server in servers)

    def _drive(self, request: base.InfraRequest, stacks: Stacks,
               stack: Stack, servers: list[look.Server]) -> None:
        """Let a stack go on that nobody seems to be working on."""
        if self._delete_orphans(request, stacks, stack, servers):
            return
        LOG.warning('Stack %s shows no sign of life; driving it on.',
                    stack.stack_name)
        if stack.id in self._driven and stack.action == 'UPDATE':
            stacks.cancel(stack)
        if len(self._driven) > 10000:
            self._driven.clear()
        self._driven[stack.id] = datetime.datetime.now(datetime.UTC)
        stacks.update(stack)

    @_together
    def delete(self, ref: str) -> None:
        """Begin to take down the stack, or what is left without one."""
        project_id, cluster_id = _at(ref)
        stacks = self._stacks(project_id)
        name, cloud = template.name(cluster_id), self._cloud(project_id)
        there = stacks.named(name)
        self._take_down(stacks, there)
        if any(stack.action == 'DELETE' for stack in there) \
                and not cloud.servers(cluster_id):
            cloud.delete_loose_ports(name)
        if there:
            return
        for server in cloud.servers(cluster_id):
            cloud.delete_server(server.id)

    # -- looking ----------------------------------------------------------

    @_together
    def observe(self, ref: str) -> base.Infra:
        """What is there of a cluster, by a handful of requests."""
        project_id, cluster_id = _at(ref)
        stacks, cloud = self._stacks(project_id), self._cloud(project_id)
        name = template.name(cluster_id)
        stack = stacks.get(name)
        servers = self._shared.servers(cloud, cluster_id, stack)
        if stack is None:
            if not servers:
                self._release_nodes(project_id)
            return look.without_stack(servers)
        stalled = (stack.stack_status.endswith('IN_PROGRESS')
                   and self._stalled(stacks, stack, servers))
        if stack.action == 'DELETE' and stalled:
            # Whoever was taking it down has died: that goes on.
            stacks.delete(stack)
        memo = template.read_memo(stack.parameters)
        return look.Look(
            look.Told(stack, memo, stacks.failures(stack), stalled), servers,
            look.Hardware(self._shared.ailments(), self._shared.last_error,
                          self._shared.soon(servers)),
            lambda group, idents: self._shared.entry((stack.id, *idents), (
                lambda: look.entries(
                    stacks.output(stack, memo.entries[group]),
                    [one for one in servers if one.id in idents], cloud)))
        ).infra()

    def _stalled(self, stacks: Stacks, stack: Stack,
                 servers: Iterable[look.Server] = ()) -> bool:
        """Whether a stack in progress shows no sign of life.

        A server that is being built is one: Heat says nothing for as long as
        an image is written to a disk.
        """
        if stack.action != 'DELETE' and any(
                server.status == 'BUILD' for server in servers):
            return False
        signs = [moment(stack.creation_time), moment(stack.updated_time),
                 self._driven.get(stack.id)]
        now = datetime.datetime.now(datetime.UTC)
        patience = datetime.timedelta(seconds=self._conf.stall_seconds)
        if any(sign and now - sign < patience for sign in signs):
            return False
        last = stacks.last_event(stack)
        return last is None or now - last >= patience

    # -- leftovers --------------------------------------------------------

    def leftovers(self) -> Iterable[base.Leftover]:
        """Whatever is ours in the cloud, wanted or not."""
        try:
            projects = self._keystone.projects()
        except Unavailable as exc:
            raise BackendError(plugin='heat', reason=str(exc)) from exc
        none: list[Held] = []
        nodes = self._shared.of_metal(lambda metal: metal.held(), none)
        for project_id in projects:
            yield from leftovers.found(
                self._stacks(project_id), self._cloud(project_id), nodes,
                self._user_id())

    def sweep(self, leftover: base.Leftover) -> None:
        """Begin to delete it."""
        leftovers.sweep(leftover, self._stacks(leftover.project_id),
                        self._cloud(leftover.project_id), self._metal())

    def _release_nodes(self, project_id: str) -> None:
        """Let go of nodes that failed, and that Nova has forgotten."""
        try:
            leftovers.release(self._cloud(project_id), self._metal(),
                              self._user_id())
        except (BackendError, Unavailable) as exc:
            LOG.warning('Nodes that nobody has may be left: %s', exc)

    def _user_id(self) -> str:
        return _answered(lambda: self._keystone.identity().id)

    # -- the cloud --------------------------------------------------------

    def _stacks(self, project_id: str) -> Stacks:
        return _answered(lambda: Stacks(self._keystone, project_id,
                                        self._conf.stack_timeout))

    def _cloud(self, project_id: str) -> clouds.Cloud:
        return _answered(lambda: clouds.Cloud(self._keystone, project_id))

    def _metal(self) -> Metal:
        return _answered(lambda: Metal(self._keystone))


def _answered(make: Callable[[], _T]) -> _T:
    try:
        return make()
    except Unavailable as exc:
        raise BackendUnavailable(plugin='heat', reason=str(exc)) from exc


def _built(request: base.InfraRequest, slots: Iterable[base.Slot],
           stored: Mapping[str, Any]) -> template.StackInput:
    try:
        return template.build(request, slots, stored)
    except Invalid as exc:
        raise BackendError(plugin='heat', reason=str(exc)) from exc


def _at(ref: str) -> tuple[str, str]:
    """Project and cluster of a reference."""
    project_id, _, cluster_id = ref.partition('/')
    return project_id, cluster_id
