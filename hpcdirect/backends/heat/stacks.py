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


"""The one module of heatclient: a project's stacks."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import datetime
from typing import Any

from heatclient import client
from heatclient import exc
from keystoneauth1 import exceptions as auth_exc
from oslo_utils import timeutils

from hpcdirect import failpoints
from hpcdirect.exception import BackendError
from hpcdirect.exception import BackendUnavailable
from hpcdirect.keystone import Keystone

Stack = Any
#: HTTP statuses of services that are not themselves just now.
PASSING = (401, 408, 429, 500, 502, 503, 504)


class Stacks:
    """Heat, as the service's user in one project.

    :raises BackendError: from every method, when Heat does not do it.
    """

    def __init__(self, keystone: Keystone, project_id: str,
                 timeout_mins: int) -> None:
        self._timeout_mins = timeout_mins
        place = keystone.endpoint('orchestration')
        self._heat = client.Client(
            '1', session=keystone.session(project_id),
            service_type=place['service_type'],
            interface=place['interface'],
            region_name=place.get('region_name'), connect_retries=2)
        failpoints.watch(self, 'cloud.stacks')

    def get(self, name: str) -> Stack | None:
        """A stack by name without its outputs, None when there is none."""
        with _translated(f'stack {name}'):
            try:
                return self._heat.stacks.get(name, resolve_outputs=False)
            except exc.HTTPNotFound:
                return None

    def named(self, name: str) -> list[Stack]:
        """All stacks of a name, the one to keep first."""
        with _translated(f'stack {name}'):
            return sorted(self._heat.stacks.list(filters={'name': name}),
                          key=lambda one: (one.creation_time, one.id))

    def create(self, name: str, template: Mapping[str, Any],
               parameters: Mapping[str, Any], tags: str) -> bool:
        """Begin to make a stack; False when there is one of that name."""
        with _translated(f'stack {name}'):
            try:
                self._heat.stacks.create(
                    stack_name=name, template=template,
                    parameters=dict(parameters), tags=tags,
                    timeout_mins=self._timeout_mins, disable_rollback=True)
            except exc.HTTPConflict:
                return False
        return True

    def replaced(self, stack: Stack, template: Mapping[str, Any],
                 parameters: Mapping[str, Any]) -> set[str]:
        """Names of the resources that an update would replace or delete."""
        with _translated(f'stack {stack.stack_name}'):
            said = self._heat.stacks.preview_update(
                stack_id=stack.id, template=template, existing=True,
                parameters=dict(parameters))
        changes = said.get('resource_changes', {})
        return {one['resource_name'] for kind in ('replaced', 'deleted')
                for one in changes.get(kind, ())}

    def update(self, stack: Stack, template: Mapping[str, Any] | None = None,
               parameters: Mapping[str, Any] | None = None) -> None:
        """Begin to change a stack, or let it go on where it stopped.

        Parameters that are not given stay as they are.
        """
        fields: dict[str, Any] = {'parameters': dict(parameters or {}),
                                  'timeout_mins': self._timeout_mins,
                                  'disable_rollback': True}
        if template is not None:
            fields['template'] = template
        with _translated(f'stack {stack.stack_name}'):
            self._heat.stacks.update(stack.id, existing=True, **fields)

    def cancel(self, stack: Stack) -> None:
        """Stop an update where it is."""
        with _translated(f'stack {stack.stack_name}'):
            self._heat.actions.cancel_without_rollback(stack.id)

    def delete(self, stack: Stack) -> None:
        """Begin to take a stack down; one that is gone is fine."""
        with _translated(f'stack {stack.stack_name}'), \
                contextlib.suppress(exc.HTTPNotFound):
            self._heat.stacks.delete(stack.id)

    def template(self, stack: Stack) -> dict[str, Any]:
        """The template as it is stored."""
        with _translated(f'stack {stack.stack_name}'):
            found: dict[str, Any] = self._heat.stacks.template(stack.id)
            return found

    def output(self, stack: Stack, name: str) -> Any:
        """The value of one output; None while there is none."""
        with _translated(f'stack {stack.stack_name}'):
            try:
                return self._heat.stacks.output_show(
                    stack.id, name)['output']['output_value']
            except exc.HTTPNotFound:
                return None

    def forget(self, stack: Stack, resource: str, why: str) -> None:
        """Let the next update make a resource again."""
        with _translated(f'resource {resource} of {stack.stack_name}'), \
                contextlib.suppress(exc.HTTPNotFound):
            self._heat.resources.mark_unhealthy(
                stack.id, resource, mark_unhealthy=True,
                resource_status_reason=why)

    def last_event(self, stack: Stack) -> datetime.datetime | None:
        """When something last happened to a stack, UTC."""
        with _translated(f'stack {stack.stack_name}'):
            events = self._heat.events.list(
                stack.id, sort_dir='desc', limit=1)
            return moment(next((one.event_time for one in events), None))

    def known(self, stack: Stack) -> set[str]:
        """Ids of the things in the cloud that a stack has written down."""
        with _translated(f'stack {stack.stack_name}'):
            return {one.physical_resource_id
                    for one in self._heat.resources.list(stack.id)
                    if one.physical_resource_id}

    def failures(self, stack: Stack) -> dict[str, str]:
        """Resource -> why it failed; {} while the stack has not."""
        if not stack.stack_status.endswith('FAILED'):
            return {}
        with _translated(f'stack {stack.stack_name}'):
            return {one.resource_name: one.resource_status_reason or ''
                    for one in self._heat.resources.list(stack.id)
                    if one.resource_status.endswith('FAILED')}

    def tagged(self, tag: str) -> list[Stack]:
        """Stacks that carry a tag."""
        with _translated('stacks'):
            return list(self._heat.stacks.list(filters={'tags': tag}))

    def check(self, template: Mapping[str, Any],
              parameters: Mapping[str, Any]) -> str:
        """What Heat has against a template; '' for nothing."""
        with _translated('template'):
            try:
                self._heat.stacks.validate(template=template,
                                           parameters=dict(parameters))
            except exc.HTTPBadRequest as problem:
                return _said(problem)
        return ''


def moment(text: str | None) -> datetime.datetime | None:
    """A time as Heat writes it; UTC, with its zone."""
    if not text:
        return None
    return timeutils.normalize_time(
        datetime.datetime.fromisoformat(text)).replace(tzinfo=datetime.UTC)


def _said(problem: Exception) -> str:
    """Heat's own words, without their wrapping."""
    words = getattr(problem, 'error', None)
    if isinstance(words, dict):
        words = words.get('error', {}).get('message')
    return str(words or problem).strip()


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except (exc.HTTPException, exc.CommunicationError,
            auth_exc.ClientException) as problem:
        code = getattr(problem, 'code', None) or getattr(
            problem, 'http_status', None) or 503
        kind = BackendUnavailable if code in PASSING else BackendError
        raise kind(plugin='heat', reason=(
            f'Heat, {what}: {_said(problem)}')) from problem
