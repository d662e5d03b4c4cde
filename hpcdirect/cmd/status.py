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

"""hpcdirect-status: whether this release can run on what is there.

``hpcdirect-status upgrade check`` before a first start, after a change of the
configuration, and before and after an upgrade. Nothing is changed by it.
"""

from __future__ import annotations

import pathlib
import socket
import stat
import sys

from keystonemiddleware import auth_token  # noqa: F401 - its options
from oslo_config import cfg
import oslo_messaging as messaging
from oslo_upgradecheck import upgradecheck

from hpcdirect import conf as options
from hpcdirect import plugins
from hpcdirect.api.users import Users
from hpcdirect.backends.base import Backend
from hpcdirect.db import migration
from hpcdirect.exception import HPCDirectError
from hpcdirect.keys import KeyRing
from hpcdirect.keystone import Keystone
from hpcdirect.policies import Enforcer
from hpcdirect.runners.base import ElementRunner
from hpcdirect.sources.base import Source

_CONF = cfg.CONF


def _good() -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.SUCCESS)


def _doubtful(reason: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.WARNING, reason)


def _bad(reason: str) -> upgradecheck.Result:
    return upgradecheck.Result(upgradecheck.Code.FAILURE, reason)


class Checks(upgradecheck.UpgradeCommands):
    """One method a check; none changes anything."""

    def _tables(self) -> upgradecheck.Result:
        """Whether the tables are what this release needs."""
        try:
            there, newest = migration.version(_CONF), migration.newest()
        except Exception as exc:
            return _bad(f'The database does not answer: {exc}')
        if there == newest:
            return _good()
        return _bad(f'The tables are at {there or "nothing"}, this release '
                    f'needs {newest}; run "hpcdirect-db-manage upgrade".')

    def _keys(self) -> upgradecheck.Result:
        """Whether the key file can be used, and by whom."""
        try:
            KeyRing.load(_CONF.key_file)
        except (HPCDirectError, ValueError) as exc:
            return _bad(str(exc))
        return _private(_CONF.key_file)

    def _plugins(self) -> upgradecheck.Result:
        """Whether what is enabled can be loaded."""
        if not _CONF.enabled_backends:
            return _bad('enabled_backends is empty: nothing can make '
                        'machines.')
        wrong = []
        for kind, namespace in ((Backend, 'backends'), (Source, 'sources'),
                                (ElementRunner, 'runners')):
            try:
                found = plugins.load(
                    kind, namespace, _CONF[f'enabled_{namespace}'], _CONF)
                for plugin in found.values():
                    getattr(plugin, 'close', lambda: None)()
            except Exception as exc:
                wrong.append(str(exc))
        return _bad('; '.join(wrong)) if wrong else _good()

    def _policy(self) -> upgradecheck.Result:
        """Whether the policy file can be read, and only has our rules."""
        try:
            strangers = Enforcer(_CONF).strangers()
        except Exception as exc:
            return _bad(f'{_CONF.oslo_policy.policy_file}: {exc}')
        if strangers:
            return _doubtful(f'{_CONF.oslo_policy.policy_file} has rules '
                             f'that nothing asks: {", ".join(strangers)}')
        return _good()

    def _callers(self) -> upgradecheck.Result:
        """Whether people can be known."""
        strategy = _CONF.api.auth_strategy
        if strategy == 'noauth':
            return _bad('[api] auth_strategy is noauth: everybody is '
                        'believed to be whom they say.')
        if strategy == 'basic':
            if not Users(_CONF.api.users_file).names():
                return _bad(f'{_CONF.api.users_file} names nobody.')
            return _private(_CONF.api.users_file)
        group = _CONF.keystone_authtoken
        missing = [name for name in ('auth_type', 'www_authenticate_uri')
                   if not group[name]]
        if missing:
            return _bad(f'[keystone_authtoken] lacks {", ".join(missing)}.')
        if not group.memcached_servers:
            return _doubtful('[keystone_authtoken] memcached_servers is not '
                             'set: every process asks Keystone for itself.')
        return _good()

    def _service_user(self) -> upgradecheck.Result:
        """Whether the service's own user can log in to Keystone."""
        if _CONF.api.auth_strategy != 'keystone':
            return _good()
        if not _CONF.service_auth.auth_type:
            return _doubtful('[service_auth] is not set: the service can '
                             'make nothing in the cloud.')
        try:
            Keystone(_CONF).identity()
        except HPCDirectError as exc:
            return _bad(str(exc))
        return _good()

    def _catalogue(self) -> upgradecheck.Result:
        """Whether clients find the service by its type."""
        if (_CONF.api.auth_strategy != 'keystone'
                or not _CONF.service_auth.auth_type):
            return _good()
        kind = _CONF.api.service_type
        keystone = Keystone(_CONF)
        try:
            found = keystone.session().get_endpoint(
                None, **{**keystone.endpoint(kind), 'interface': 'public'})
        except Exception as exc:
            return _bad(f'The catalogue cannot be read: {exc}')
        if not found:
            return _doubtful(f'The catalogue has no public endpoint of a '
                             f'service of type {kind}; clients look there.')
        return _good()

    def _messages(self) -> upgradecheck.Result:
        """Whether nudges can get to the conductors."""
        url = messaging.TransportURL.parse(_CONF)
        if url.transport not in ('rabbit', 'amqp'):
            return _good()
        if not url.hosts:
            return _doubtful(
                'transport_url is not set. Conductors find their work '
                'without messages, but later, by [conductor] '
                'scan_interval.')
        silent = [f'{host.hostname}:{host.port or 5672}'
                  for host in url.hosts if not _answers(
                      host.hostname, host.port or 5672)]
        if silent:
            return _doubtful(f'RabbitMQ does not answer at '
                             f'{", ".join(silent)}.')
        return _good()

    _upgrade_checks = (
        ('Tables', _tables), ('Key file', _keys), ('Plugins', _plugins),
        ('Policy file', _policy), ('Callers', _callers),
        ('Service user', _service_user), ('Catalogue', _catalogue),
        ('Messages', _messages))


def _private(path: str) -> upgradecheck.Result:
    """Whether a file is for its owner and group alone."""
    mode = stat.S_IMODE(pathlib.Path(path).stat().st_mode)
    if mode & 0o007:
        return _doubtful(f'{path} is open to everybody on this machine '
                         f'(mode {mode:o}); make it 0600 or 0640.')
    return _good()


def _answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True


def main() -> int:
    """Carry out the checks; 0 well, 1 warnings, 2 failures."""
    options.register_opts(_CONF)
    code: int = upgradecheck.main(_CONF, 'hpcdirect', Checks(),
                                  argv=sys.argv[1:])
    return code
