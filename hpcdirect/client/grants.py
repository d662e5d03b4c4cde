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

"""The role that lets the service act in a project, given or taken away.

By the caller's own right and with the caller's own token, at Keystone: the
service has no part in it.
"""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
from typing import Any
from urllib import parse

from keystoneauth1 import exceptions as ksa_exceptions
from keystoneauth1.identity import v3
from openstack import exceptions as sdk_exceptions

#: What Keystone says to who may not, or not with a token of this scope.
_REFUSED = (sdk_exceptions.ForbiddenException, ksa_exceptions.Forbidden,
            ksa_exceptions.Unauthorized)


@dataclasses.dataclass(frozen=True)
class KeystoneProject:
    """A project of Keystone's; *name* and *domain_id* may be unknown."""

    id: str
    name: str = ''
    domain_id: str = ''


class Refused(Exception):
    """Keystone does not let the caller do it."""


class NoRole(Exception):
    """The cloud has no such role."""


def own(connection: Any) -> KeystoneProject | None:
    """The project of the caller's token; None when it has none."""
    if not _of_keystone(connection):
        return None
    access = connection.session.auth.get_access(connection.session)
    if not access.project_id:
        return None
    return KeystoneProject(access.project_id, access.project_name or '',
                           access.project_domain_id or '')


def find(connection: Any, text: str) -> KeystoneProject:
    """The project of an id or a name; taken for an id when nothing is known.

    Looks among the caller's own first, which anybody may list.
    """
    if not _of_keystone(connection):
        return KeystoneProject(text)
    mine = own(connection)
    if mine and text in (mine.id, mine.name):
        return mine
    for path, query in (('/auth/projects', {}),
                        (f'/projects/{parse.quote(text, safe="")}', {}),
                        ('/projects', {'name': text})):
        try:
            found = _json(connection.identity.get(path, params=query))
        except (*_REFUSED, sdk_exceptions.NotFoundException):
            continue
        several = found.get('projects') or [found.get('project') or {}]
        for one in several:
            if text in (one.get('id'), one.get('name')):
                return KeystoneProject(one['id'], one.get('name', ''),
                                       one.get('domain_id') or '')
    return KeystoneProject(text)


def _of_keystone(connection: Any) -> bool:
    """Whether the caller has a token, and not a password for us, say."""
    return hasattr(connection.session.auth, 'get_access')


def give(connection: Any, project: KeystoneProject, user_id: str, role: str
         ) -> None:
    """Give a user a role in a project; again is not an error.

    :raises Refused: the caller may not.
    :raises NoRole: there is no role of that name.
    """
    _change(connection, 'PUT', project, user_id, role)


def take(connection: Any, project: KeystoneProject, user_id: str, role: str
         ) -> None:
    """Take it away; what is not there is not an error.

    :raises Refused: the caller may not.
    :raises NoRole: there is no role of that name.
    """
    _change(connection, 'DELETE', project, user_id, role)


def _change(connection: Any, method: str, project: KeystoneProject,
            user_id: str, role: str) -> None:
    refusal: Exception | None = None
    for auth in _rights(connection, project):
        try:
            ident = _role(connection, auth, role)
            response = connection.identity.request(
                f'/projects/{project.id}/users/{user_id}/roles/{ident}',
                method, auth=auth)
            if method == 'DELETE' and response.status_code == 404:
                return
            sdk_exceptions.raise_from_response(response)
        except _REFUSED as exc:
            refusal = exc
        else:
            return
    raise Refused(str(refusal)) from refusal


def _rights(connection: Any, project: KeystoneProject) -> Iterator[Any]:
    """As what to ask: the caller's token, then one for the domain.

    A manager of a domain may give roles in it, but only with a token for the
    domain. The caller's token is good for getting one.
    """
    session = connection.session
    yield session.auth
    if project.domain_id and getattr(session.auth, 'auth_url', None):
        yield v3.Token(session.auth.auth_url, session.get_token(),
                       domain_id=project.domain_id)


def _role(connection: Any, auth: Any, name: str) -> str:
    found = _json(connection.identity.get('/roles', params={'name': name},
                                          auth=auth))
    for role in found['roles']:
        if role['name'].lower() == name.lower():
            return str(role['id'])
    raise NoRole(f'The cloud has no role {name}.')


def _json(response: Any) -> dict[str, Any]:
    sdk_exceptions.raise_from_response(response)
    found: dict[str, Any] = response.json()
    return found
