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

"""``openstack hpc cluster ssh``: ssh that knows the nodes' keys."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import getpass
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile
from typing import Any

from osc_lib import exceptions

from hpcdirect.client.osc import base

#: A key kept for clusters alone; tried beside the user's other ones.
OWN_KEY = pathlib.Path('~/.config/hpcdirect/id_ed25519')


class SshCluster(base.Base):
    """Log in to a cluster, or run a command there

    The nodes' host keys come from the service, so that a node is known the
    first time it is met. The exit code is that of ssh.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Where to, as whom, and what to do there."""
        parser = super().get_parser(prog_name)
        parser.add_argument('cluster', metavar='<cluster>',
                            help='Name or id')
        parser.add_argument('--node', metavar='<node>',
                            help='Not the login node but this one')
        parser.add_argument(
            '--login-user', metavar='<name>',
            help="User on the node; default: you, when you are a user of "
                 "the cluster, else its first user, else the node's own")
        parser.add_argument('--identity', metavar='<file>',
                            help='Private key to log in with; default: '
                                 f"ssh's own, and {OWN_KEY} if it is there")
        parser.add_argument('--print-only', action='store_true',
                            help='Print the ssh command, do not run it')
        parser.usage = (f'{prog_name} [-h] [--node <node>] [--login-user '
                        '<name>]\n  [--identity <file>] [--print-only] '
                        '<cluster> [-- <command> ...]')
        # All after -- is the command, its options too; argparse would look
        # at those.
        parse = parser.parse_args

        def parse_args(argv: Sequence[str]) -> argparse.Namespace:
            words = list(argv)
            cut = words.index('--') if '--' in words else len(words)
            parsed_args: argparse.Namespace = parse(words[:cut])
            parsed_args.command = words[cut + 1:]
            return parsed_args

        parser.parse_args = parse_args  # type: ignore[assignment]
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """One request, two with --node."""
        cluster = self.api.get_cluster(parsed_args.cluster)
        login = cluster.login
        target = login
        if parsed_args.node:
            node = self.api.get_node(parsed_args.cluster, parsed_args.node)
            target = node.ssh and {
                **node.ssh, 'address': node.ssh['host'], 'node': node.name}
        if not target or not target.get('host_key'):
            raise exceptions.CommandError(
                f'Cluster {cluster.name} is {cluster.status}: '
                f'{parsed_args.node or "its login node"} is not up')
        user = (parsed_args.login_user or _user(cluster.parameters or {})
                or target.get('user') or 'root')
        if parsed_args.print_only:
            file = _kept(cluster.id)
            file.write_text(known_hosts(target, login))
            argv = arguments(target, login, user, str(file), parsed_args)
            self.app.stdout.write(f'{shlex.join(argv)}\n')
            return
        with tempfile.TemporaryDirectory(prefix='hpc-ssh-') as folder:
            file = pathlib.Path(folder, 'known_hosts')
            file.write_text(known_hosts(target, login))
            argv = arguments(target, login, user, str(file), parsed_args)
            self.exit_code = _run(argv)


def known_hosts(*places: Mapping[str, Any] | None) -> str:
    """The lines by which ssh knows nodes."""
    return ''.join(sorted({
        f'{_host(place)} {place["host_key"].strip()}\n'
        for place in places if place and place.get('host_key')}))


def arguments(target: Mapping[str, Any], login: Mapping[str, Any] | None,
              user: str, file: str, parsed_args: argparse.Namespace
              ) -> list[str]:
    """The whole ssh command."""
    checks = ['-o', f'UserKnownHostsFile={file}',
              '-o', 'GlobalKnownHostsFile=/dev/null',
              '-o', 'StrictHostKeyChecking=yes']
    identity = []
    if parsed_args.identity:
        identity = ['-i', os.path.expanduser(parsed_args.identity),
                    '-o', 'IdentitiesOnly=yes']
    elif OWN_KEY.expanduser().exists():
        identity = ['-i', str(OWN_KEY.expanduser())]
    argv = ['ssh', *checks, *identity]
    if target.get('via'):
        via = _via(target['via'])
        # The login node's key is known; an operator's own jump host is
        # known to the user, or not at all.
        ours = login and (via['address'], via['port']) == (
            login['address'], int(login.get('port') or 22))
        argv += ['-o', 'ProxyCommand=' + shlex.join(
            ['ssh', *(checks if ours else []), *identity, '-W', '[%h]:%p',
             '-p', str(via['port']), '-l', via['user'] or user,
             via['address']])]
    argv += ['-p', str(target.get('port') or 22), '-l', user,
             target['address']]
    command = parsed_args.command
    # ssh joins words with spaces for a shell there; quoted, they arrive
    # as they were given. One word is taken for a line of shell.
    if len(command) > 1:
        command = [shlex.join(command)]
    return [*argv, '--', *command] if command else argv


def _run(argv: list[str]) -> int:
    """Run it; Ctrl-C is for what runs there, not for us."""
    # A handler, unlike SIG_IGN, is not handed on to what we run.
    before = signal.signal(signal.SIGINT, lambda *args: None)
    try:
        return subprocess.run(argv, check=False).returncode
    except FileNotFoundError:
        raise exceptions.CommandError('There is no ssh here') from None
    finally:
        signal.signal(signal.SIGINT, before)


def _host(place: Mapping[str, Any]) -> str:
    port = int(place.get('port') or 22)
    address = str(place['address'])
    return address if port == 22 else f'[{address}]:{port}'


def _via(text: str) -> dict[str, Any]:
    """The parts of ``user@host[:port]``."""
    user, _, rest = text.rpartition('@')
    host, colon, port = rest.rpartition(':')
    if not colon or (':' in host and not host.startswith('[')):
        host, port = rest, '22'
    return {'user': user, 'address': host.strip('[]'), 'port': int(port)}


def _user(parameters: Mapping[str, Any]) -> str:
    """You, when you are a user of the cluster; else its first user."""
    names = [str(one.get('name')) for one in parameters.get('users') or []
             if isinstance(one, dict)]
    with contextlib.suppress(KeyError, OSError):
        if getpass.getuser() in names:
            return getpass.getuser()
    return names[0] if names else ''


def _kept(cluster_id: str) -> pathlib.Path:
    """A private file that is still there when the command is used."""
    folder = pathlib.Path(os.environ.get('XDG_CACHE_HOME')
                          or '~/.cache').expanduser() / 'hpcdirect'
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f'known_hosts-{cluster_id}'
