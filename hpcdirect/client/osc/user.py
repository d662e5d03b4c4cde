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
"""openstack hpc user ...: people's accounts on a cluster that is there"""

from __future__ import annotations

import argparse
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect import sshkeys
from hpcdirect.client import choices
from hpcdirect.client import textfiles
from hpcdirect.client.osc import base
from hpcdirect.client.osc import change
from hpcdirect.client.osc import moment
from hpcdirect.client.osc import user_table

_SHOWN = ('name', 'uid', 'gid', 'groups', 'shell', 'sudo', 'keys',
          'fingerprints', 'expires_at', 'state', 'nodes', 'own')


class ListUser(base.Lister):
    """List the users of a cluster"""

    arguments: ClassVar = {
        **base.OF_CLUSTER,
        '--gone': {
            'action': 'store_true',
            'help': 'Those that were taken off as well'}}
    paged = ()
    columns: ClassVar = {
        'Name': 'name', 'UID': 'uid', 'State': 'state', 'Sudo': 'sudo',
        'Groups': 'groups', 'Expires': 'expires_at', 'Nodes': 'on'}
    more: ClassVar = {
        'Shell': 'shell', 'Keys': 'keys', 'Fingerprints': 'fingerprints',
        'Own': 'own'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        def fetch(**query: Any) -> Any:
            for entry in self.api.users(parsed_args.cluster,
                                        parsed_args.gone):
                nodes = entry.get('nodes') or {}
                yield argparse.Namespace(**{
                    **entry, 'on': f'{nodes["done"]}/{nodes["wanted"]}'
                    if nodes else '-', 'fingerprints': [
                        one['fingerprint'] for one
                        in entry.get('fingerprints') or ()]})

        return self.table(parsed_args, fetch)


class ShowUser(base.ShowOne):
    """Show a user of a cluster"""

    arguments: ClassVar = {
        **base.OF_CLUSTER,
        'user': {'metavar': '<name>', 'help': 'Name of the account'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        return base.pairs(self.api.get_user(
            parsed_args.cluster, parsed_args.user), _SHOWN)


class _Put(change.ChangeCommand):
    """Makes or changes accounts."""

    arguments: ClassVar = base.OF_CLUSTER

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """How the account is to be."""
        parser = super().get_parser(prog_name)
        keys = parser.add_argument_group('public keys')
        keys.add_argument('--public-key', metavar='<text>', action='append',
                          default=[], help='An OpenSSH public key')
        keys.add_argument('--key-file', metavar='<file>', action='append',
                          default=[], help='A file of them')
        keys.add_argument(
            '--keypair', metavar='<name>', action='append', default=[],
            help='A key pair of your own in Nova, read now')
        parser.add_argument('--uid', type=int, metavar='<number>',
                            help='Default: made from the name')
        parser.add_argument('--group', metavar='<name>', action='append',
                            help='A further group (repeat for several)')
        parser.add_argument('--shell', metavar='<path>',
                            help='Login shell; a new account has /bin/bash')
        parser.add_argument('--sudo', default=None,
                            action=argparse.BooleanOptionalAction,
                            help='May become root')
        parser.add_argument(
            '--expires', metavar='<when>',
            help=f'When the account is switched off: {moment.FORMS}')
        return parser

    def said(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """The fields that the options give."""
        keys = [*parsed_args.public_key]
        for problem in filter(None, map(sshkeys.is_private, keys)):
            raise exceptions.CommandError(f'--public-key: {problem}')
        for file in parsed_args.key_file:
            keys += _lines(file)
        for name in parsed_args.keypair:
            keys.append(self._keypair(name))
        found = {'keys': keys or None, 'uid': parsed_args.uid,
                 'groups': parsed_args.group, 'shell': parsed_args.shell,
                 'sudo': parsed_args.sudo}
        found = {name: value for name, value in found.items()
                 if value is not None}
        if parsed_args.expires:
            found['expires_at'] = moment.parse(parsed_args.expires)
        return found

    def _keypair(self, name: str) -> str:
        """The public key of a key pair, read with the caller's own token."""
        manager: Any = self.app.client_manager
        found = choices.public_key(manager.sdk_connection, name)
        if found is None:
            raise exceptions.CommandError(
                f'--keypair {name}: you have no such key pair')
        return found


class CreateUser(_Put):
    """Make accounts on every node of a cluster

    No job and nobody else's session notices. With --from-csv one for each
    line of a table with the columns name, key, uid, groups, shell, sudo,
    expires; all but the name may be left out. Cells are separated by commas,
    semicolons or tabs; sudo is yes or no.
    """

    arguments: ClassVar = {
        **base.OF_CLUSTER,
        'user': {
            'metavar': '<name>', 'nargs': '?', 'help': 'Name of the account'},
        '--from-csv': {
            'metavar': '<file>',
            'help': 'A table of users, - for standard input'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for them all, unless --wait needs more."""
        if bool(parsed_args.user) == bool(parsed_args.from_csv):
            raise exceptions.CommandError('Give a name or --from-csv.')
        said = self.said(parsed_args)
        users = {parsed_args.user: said} if parsed_args.user else {
            name: {**said, **row} for name, row in user_table.read(
                parsed_args.from_csv).items()}
        there = {one['name']
                 for one in self.api.users(parsed_args.cluster)}
        known = sorted(there & set(users))
        if known:
            raise exceptions.CommandError(
                f'{", ".join(known)}: there already; to change a user: '
                f'openstack hpc user set {parsed_args.cluster} {known[0]} ...')
        return self.change(parsed_args, {'users': users})


class SetUser(_Put):
    """Change a user of a cluster; what is not said stays"""

    silent = True

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Whom."""
        parser = super().get_parser(prog_name)
        parser.add_argument('user', metavar='<name>',
                            help='Name of the account')
        state = parser.add_mutually_exclusive_group()
        state.add_argument('--off', dest='state', action='store_const',
                           const='off', help='Let nobody in; all else stays')
        state.add_argument('--on', dest='state', action='store_const',
                           const='on', help='Let the user in again')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """Two requests: is there such a user, and what is to be."""
        self.api.get_user(parsed_args.cluster, parsed_args.user)
        said = self.said(parsed_args)
        if parsed_args.state:
            said['state'] = parsed_args.state
        return self.change(parsed_args, {'users': {parsed_args.user: said}})


class DeleteUser(change.ChangeCommand):
    """Take users off a cluster

    Their sessions end at once. The home stays unless --home says otherwise;
    jobs run on unless --end-jobs is given.
    """

    arguments: ClassVar = {
        **base.OF_CLUSTER,
        'user': {
            'metavar': '<name>', 'nargs': '+', 'help': 'Name of the account'},
        '--home': {
            'choices': ('keep', 'archive', 'purge'), 'default': 'keep',
            'help': 'archive: /home/.gone/<name>.tar.gz; default: keep'},
        '--end-jobs': {'action': 'store_true', 'help': 'End their jobs'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless --wait needs more."""
        return self.change(parsed_args, {'users': {
            name: {'state': 'gone', 'home': parsed_args.home,
                   'end_jobs': parsed_args.end_jobs}
            for name in parsed_args.user}})


def _lines(file: str) -> list[str]:
    """The keys of a file, one a line; never those of a private one."""
    try:
        text = textfiles.read(file)
    except ValueError as exc:
        raise exceptions.CommandError(f'--key-file {file}: {exc}') from exc
    if sshkeys.is_private(text):
        raise exceptions.CommandError(
            f'--key-file {file}: {sshkeys.is_private(text)}')
    return [line.strip() for line in text.splitlines()
            if line.strip() and not line.startswith('#')]
