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


"""The service's own user: the one who does long work in the cloud.

It acts in a customer's project by a role that somebody of that project has
granted (``openstack hpc project enable``), with a token of its own password
that is scoped to that project. No token of a person is ever kept.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
import contextlib
import dataclasses
import threading
import time

from keystoneauth1 import exceptions
from keystoneauth1 import loading
from keystoneauth1 import session as sessions
from keystoneauth1.access.access import AccessInfo
from keystoneauth1.identity.base import BaseIdentityPlugin
from oslo_config import cfg
import requests

from hpcdirect import conf as options
from hpcdirect import failpoints
from hpcdirect import transport
from hpcdirect.exception import Unavailable

#: Seconds for which "may act there" is believed without asking again.
_BELIEVED = 60.0
_GROUP = 'service_auth'
#: Projects whose token is kept.
_SESSIONS = 256


@dataclasses.dataclass(frozen=True)
class ServiceUser:
    """Who the service is, for those who grant it a role.

    :param role: name of the role it needs in a project.
    """

    id: str
    name: str
    domain_id: str
    role: str


class Keystone:
    """Sessions of the service's user; group ``[service_auth]``.

    Nothing is asked of Keystone before it is needed.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register_group(conf, _GROUP)
        loading.register_auth_conf_options(conf, _GROUP)
        self._conf = conf
        self._lock = threading.Lock()
        # One pool of connections for all sessions.
        self._connections: requests.Session | None = None
        # Those that were asked for last; the others log in anew.
        self._sessions: collections.OrderedDict[
            str | None, sessions.Session] = collections.OrderedDict()
        self._seen: dict[str, float] = {}
        self.region: str = conf.service_auth.region_name
        self.interface: str = conf.service_auth.interface
        failpoints.watch(self, 'keystone')

    def session(self, project_id: str | None = None) -> sessions.Session:
        """A session scoped to a project, kept for the next call.

        :param project_id: None for the service's own home project.
        :raises Unavailable: the options do not make a user.
        """
        with self._lock:
            found = self._sessions.get(project_id) or self._made(project_id)
            self._sessions[project_id] = found
            self._sessions.move_to_end(project_id)
            while len(self._sessions) > _SESSIONS:
                oldest, _ = self._sessions.popitem(last=False)
                self._seen.pop(oldest or '', None)
            return found

    def _made(self, project_id: str | None) -> sessions.Session:
        try:
            scope = {} if project_id is None else {
                'project_id': project_id, 'project_name': None,
                'project_domain_id': None, 'project_domain_name': None}
            auth = loading.load_auth_from_conf_options(
                self._conf, _GROUP, **scope)
            if self._connections is None:
                self._connections = self._connected()
            return transport.Loader().load_from_conf_options(
                self._conf, _GROUP, auth=auth,
                session=self._connections)
        except exceptions.ClientException as exc:
            raise Unavailable(reason=f'[service_auth]: {exc}') from exc

    def _connected(self) -> requests.Session:
        conf = self._conf.service_auth
        found = requests.Session()
        adapter = transport.Adapter(
            transport.Endpoints(), conf.deadline,
            tls_ciphers=conf.tls_ciphers,
            tls_min_version=conf.tls_min_version)
        for scheme in list(found.adapters):
            found.mount(scheme, adapter)
        return found

    def together(self) -> contextlib.AbstractContextManager[object]:
        """All requests in the block share ``[service_auth] deadline``."""
        return transport.within(self._conf.service_auth.deadline)

    def allowed(self, project_id: str) -> bool:
        """Whether the service's user has its role in a project.

        A yes is believed for a minute, a no is asked again.

        :raises Unavailable: Keystone does not answer.
        """
        now = time.monotonic()
        if now - self._seen.get(project_id, -_BELIEVED) < _BELIEVED:
            return True
        with _translated(), self.together():
            try:
                session = self.session(project_id)
                # A token that was issued earlier shows earlier roles.
                session.invalidate()
                access = _access(session)
                if access.project_id != project_id or \
                        options_role(self._conf) not in (
                        access.role_names or ()):
                    self._drop(project_id)
                    return False
            except (exceptions.Unauthorized, exceptions.Forbidden,
                    exceptions.NotFound):
                self._drop(project_id)
                # Only then is it the project that refuses, and not us.
                self.identity()
                return False
        self._seen[project_id] = now
        return True

    def _drop(self, project_id: str) -> None:
        """A session of a project that refuses is of no use."""
        with self._lock:
            self._sessions.pop(project_id, None)
            self._seen.pop(project_id, None)

    def projects(self) -> list[str]:
        """Ids of the projects that the service's user may act in.

        :raises Unavailable: Keystone does not answer.
        """
        with _translated(), self.together():
            session = self.session()
            home = session.get_project_id()
            answer = session.get(
                '/auth/projects', endpoint_filter=self.endpoint('identity'))
            return sorted(project['id'] for project
                          in answer.json()['projects']
                          if project['id'] != home and project['enabled'])

    def identity(self) -> ServiceUser:
        """Who the service is.

        :raises Unavailable: Keystone does not let it in.
        """
        with _translated():
            access = _access(self.session())
            return ServiceUser(
                access.user_id or '', access.username or '',
                access.user_domain_id or '', options_role(self._conf))

    def endpoint(self, service_type: str) -> dict[str, str]:
        """How keystoneauth finds a service in the catalogue."""
        found = {'service_type': service_type, 'interface': self.interface}
        if service_type == 'identity':
            found['version'] = '3'
        if self.region:
            found['region_name'] = self.region
        return found


def options_role(conf: cfg.ConfigOpts) -> str:
    """Name of the role that the service's user needs."""
    return str(conf.service_auth.role)


def _access(session: sessions.Session) -> AccessInfo:
    """What Keystone says of a session's token."""
    if not isinstance(session.auth, BaseIdentityPlugin):
        raise Unavailable(reason='[service_auth] names no user of Keystone.')
    return session.auth.get_access(session)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """keystoneauth's errors as ours."""
    try:
        yield
    except exceptions.ClientException as exc:
        raise Unavailable(reason=f'Keystone: {exc}') from exc
