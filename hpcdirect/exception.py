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

"""Everything that can go wrong and that somebody acts on.

::

    HPCDirectError            500 internal
    +-- NotFound              404 not_found
    +-- Invalid               400 invalid
    |   +-- BlueprintInvalid  400 blueprint_invalid
    +-- Unauthorized          401 unauthorized
    +-- Forbidden             403 forbidden
    |   +-- WrongScope        403 forbidden
    +-- Conflict              409 conflict
    |   +-- DuplicateName     409 duplicate_name
    |   +-- ClusterBusy       409 cluster_busy
    |   +-- ClusterProtected  409 cluster_protected
    |   +-- KeyReused         409 idempotency_key_reused
    |   +-- PlanStale         409 plan_stale
    |   +-- NotAsSigned       409 not_as_signed
    +-- ChangedSince          412 changed_since
    +-- Unavailable           503 unavailable
    +-- LostLease             ---  a conductor's own: stop at once
    +-- NotForUs              ---  a conductor's own: another one may
    |   +-- NotAsOrdered      ---  and fails when none has come for long
    +-- Refused               ---  becomes a deployment's reason
    |   +-- Replayed          ---  the same
    +-- PluginError           ---  becomes a deployment's reason
        +-- BackendError
        +-- RunnerError

A code never changes once it was released. One place turns errors into
responses: ``hpcdirect/api/app.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import dataclasses
from typing import ClassVar

#: Findings that are told; nobody reads more, and each costs to be sent.
_MOST = 100


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong with what was given.

    :param message: what is wrong and what would be right, one sentence.
    :param where: ``file:line`` or a JSON path such as
        ``$.parameters.compute_count``; empty when it concerns the whole.
    """

    message: str
    where: str = ''

    def __str__(self) -> str:
        return f'{self.where}: {self.message}' if self.where else self.message


class Findings(list[Finding]):
    """All that is wrong, gathered from steps that each may refuse."""

    @contextlib.contextmanager
    def gather(self) -> Iterator[None]:
        """A block that may raise Invalid; what follows it goes on."""
        try:
            yield
        except Invalid as exc:
            self += exc.findings

    def check(self) -> None:
        """Pass, or raise Invalid with all of them."""
        if self:
            raise Invalid(self)


@contextlib.contextmanager
def found_at(where: str) -> Iterator[None]:
    """A block in which what is not found was named in a request.

    :param where: JSON path of the name.
    :raises Invalid: it was not found.
    """
    try:
        yield
    except NotFound as exc:
        raise Invalid([Finding(str(exc), where)]) from exc


class HPCDirectError(Exception):
    """Base of all; what is raised as this class itself is a bug."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = 'internal'
    title: ClassVar[str] = 'Internal error'
    template: ClassVar[str] = 'Something went wrong inside hpcdirect.'

    def __init__(self, **values: object) -> None:
        self.values = values
        super().__init__(self.template.format(**values))


class NotFound(HPCDirectError):
    """What was named is not there, or not the caller's to see.

    :param known: names of those that are there.
    """

    status, code, title = 404, 'not_found', 'Not found'
    template = '{resource} {ident} was not found.'

    def __init__(self, *, resource: str, ident: object,
                 known: Iterable[str] = ()) -> None:
        super().__init__(resource=resource, ident=ident)
        self.known = tuple(known)


class Invalid(HPCDirectError):
    """The request is wrong; carries every finding, not the first.

    Beyond the hundredth there is one that says how many there are more.
    """

    status, code, title = 400, 'invalid', 'Invalid request'
    template = '{reason}'

    def __init__(self, findings: Iterable[Finding] = (), **values: object
                 ) -> None:
        found = tuple(findings)
        self.findings = found if len(found) <= _MOST + 1 else (
            *found[:_MOST], Finding(
                f'more is wrong: {len(found) - _MOST} findings'))
        values.setdefault('reason', '; '.join(map(str, self.findings)))
        super().__init__(**values)


class BlueprintInvalid(Invalid):
    """A blueprint or an element is written wrongly."""

    code, title = 'blueprint_invalid', 'Invalid blueprint'


class Unauthorized(HPCDirectError):
    """Nobody known asks."""

    status, code, title = 401, 'unauthorized', 'Authentication required'
    template = 'Give a user name and a password that this service knows.'


class Forbidden(HPCDirectError):
    """The caller is known and may not do this."""

    status, code, title = 403, 'forbidden', 'Not allowed'
    template = 'Policy does not allow {rule} to be done with these roles.'


class WrongScope(Forbidden):
    """The caller is known, but the token is not for a project."""

    template = '{rule} needs a token for a project; this one is for none.'


class Conflict(HPCDirectError):
    """The request is right, but not now."""

    status, code, title = 409, 'conflict', 'Conflict'
    template = '{reason}'


class DuplicateName(Conflict):
    """The project has a cluster of this name already."""

    code, title = 'duplicate_name', 'Name taken'
    template = 'There is a cluster named {name} in this project already.'


class ClusterBusy(Conflict):
    """The cluster is in the middle of something."""

    code, title = 'cluster_busy', 'Cluster busy'
    template = ('Cluster {ident} is {status}; ask again when it is ACTIVE or '
                'ERROR, or delete it.')


class ClusterProtected(Conflict):
    """The cluster is not to be deleted, its owner has said."""

    code, title = 'cluster_protected', 'Cluster protected'
    template = ('Cluster {ident} is protected from deletion; take the '
                'protection off first.')


class KeyReused(Conflict):
    """An Idempotency-Key came again with another request."""

    code, title = 'idempotency_key_reused', 'Idempotency-Key reused'
    template = ('This Idempotency-Key belongs to another request; send a new '
                'key with a new request.')


class PlanStale(Conflict):
    """Something has changed since a plan was shown."""

    code, title = 'plan_stale', 'Plan out of date'
    template = ('Plan {ident} is out of date: {what}. Nothing was done; have '
                'a new plan shown.')


class NotAsSigned(Conflict):
    """What is recorded of a cluster is not what its owner asked for."""

    code, title = 'not_as_signed', 'Not as signed'
    template = ('Nothing can be built on what is recorded of cluster {ident}: '
                '{reason} Go back to a generation, or delete it.')


class ChangedSince(HPCDirectError):
    """If-Match names a state of the cluster that is not the newest."""

    status, code, title = 412, 'changed_since', 'Changed since'
    template = ('Somebody has changed cluster {ident} since; it is at '
                'generation {generation}. Look at it again.')


class Unavailable(HPCDirectError):
    """Something that is needed does not answer just now."""

    status, code, title = 503, 'unavailable', 'Service unavailable'
    template = '{reason}'


class Unread(Unavailable):
    """Something of the catalogue is there and cannot be read just now."""

    template = '{what} cannot be read just now.'


class LostLease(HPCDirectError):
    """Another conductor has taken the cluster over: write nothing more."""

    template = 'Cluster {ident} is in the hands of another conductor.'


class NotForUs(HPCDirectError):
    """This conductor cannot do it or judge it; another one may.

    :param reason: why, a clause.
    """

    template = ('The work waits for a conductor that can do it; one that '
                'looked cannot: {reason}.')


class NotAsOrdered(NotForUs):
    """The catalogue here is not the one that the order was made from.

    :param reason: what is otherwise, a clause.
    """

    code = 'catalogue_changed'
    hint: ClassVar[str] = (
        'Put its files back and retry; or look at a plan, and retry to have '
        'it as it is in the catalogue now.')


class Refused(HPCDirectError):
    """What the database asks for is not what the service was asked for."""

    code, title = 'refused', 'Refused'
    template = '{reason}'
    hint: ClassVar[str] = 'Ask again through the API.'


class Replayed(Refused):
    """What the database asks for was wanted once, and is not any more."""

    code, title = 'replayed', 'Replayed'
    hint = ('Tell the operator: rows of the database were put back; see '
            '"Rows that were put back" in the administrator\'s guide.')


class PluginError(HPCDirectError):
    """The one kind of error a plugin raises.

    :param plugin: the plugin's name.
    :param reason: a sentence for the cluster's owner: what failed, on what,
        and what to do.
    """

    code, title = 'plugin', 'Plugin failed'
    template = '{plugin}: {reason}'


class BackendError(PluginError):
    """A backend could not make, see or unmake machines."""


class BackendUnavailable(BackendError):
    """The cloud does not answer just now; asking again may help."""


class RunnerError(PluginError):
    """A runner could not start its work at all."""
