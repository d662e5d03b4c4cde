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

"""``hpc cluster ssh``"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect.client import places
from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.places import Place

#: A key kept for clusters alone; tried beside the user's other ones.
OWN_KEY = pathlib.Path('~/.config/hpcdirect/id_ed25519')


class Reaching(base.Base):
    """Goes to a node of a cluster by ssh."""

    arguments: ClassVar = base.CLUSTER

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which cluster, and as whom."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--user', '--login-user', dest='login_user', metavar='<name>',
            help="User on the node; default: you, when you are a user of "
                 "the cluster, else its first user, else the node's own")
        parser.add_argument('--identity', metavar='<file>',
                            help='Private key to log in with; default: '
                                 f"ssh's own, and {OWN_KEY} if it is there")
        parser.add_argument('--print-only', action='store_true',
                            help='Print the ssh command, do not run it')
        return parser

    def place(self, cluster: resources.Cluster, node: str | None,
              login_user: str | None) -> tuple[Place, str]:
        """Where to go, the whole way, and as whom.

        :param node: None for the login node.
        :raises CommandError: it is not up, or ssh should not see it.
        """
        try:
            target = self._target(cluster, node)
            return target, places.user(login_user, accounts(
                self.api, cluster.id, login_user), target)
        except places.Strange as exc:
            raise exceptions.CommandError(str(exc)) from exc

    def _target(self, cluster: resources.Cluster, node: str | None) -> Place:
        """Where to go; the whole way is known, if the cluster knows it."""
        login = cluster.login or {}
        name = node or login.get('node')
        found = [login] if login else []
        if node or login.get('via'):
            found = [resources.plain(one)
                     for one in self.api.nodes(cluster.id)]
        known = places.nodes(cluster.id, found)
        if node and not any(node == one.get('name') for one in found):
            raise exceptions.CommandError(
                f'Cluster {cluster.name} has no node {node}')
        if name not in known:
            raise exceptions.CommandError(
                f'Cluster {cluster.name} is {cluster.status}: '
                f'{node or "its login node"} is not up')
        return known[name]


class SshCluster(Reaching):
    """Log in to a cluster, or run a command there

    Nodes that cannot be reached from here are reached through the one that
    can. Their host keys come from the service, so that a node is known the
    first time it is met. The exit code is that of ssh.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Where to, and what to do there."""
        parser = super().get_parser(prog_name)
        parser.add_argument('--node', metavar='<node>',
                            help='Not the login node but this one')
        parser.usage = (f'{prog_name} [-h] [--node <node>] [--user '
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

        vars(parser)['parse_args'] = parse_args
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Two requests, without --user; one more for other nodes."""
        cluster = self.api.get_cluster(parsed_args.cluster)
        target, user = self.place(cluster, parsed_args.node,
                                  parsed_args.login_user)
        with knowing(target, cluster.id if parsed_args.print_only else ''
                     ) as file:
            argv = [*arguments(target, user, file, parsed_args.identity),
                    *_said(parsed_args.command)]
            if parsed_args.print_only:
                self.app.stdout.write(f'{shlex.join(argv)}\n')
            else:
                self.exit_code = _run(argv)


@contextlib.contextmanager
def knowing(target: Place, kept_for: str = '') -> Iterator[str]:
    """A file of known hosts that is there for as long as it is used.

    :param kept_for: the cluster for which it stays, when its use comes later.
    """
    with contextlib.ExitStack() as stack:
        file = kept(kept_for) if kept_for else pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory(
                prefix='hpc-ssh-')), 'known_hosts')
        remember(file, places.known_hosts([target]))
        yield str(file)


def accounts(api: Any, cluster_id: str, asked: str | None
             ) -> list[dict[str, Any]]:
    """The users of a cluster; none when it is said whom to log in as."""
    return [] if asked else list(api.users(cluster_id))


def checks(place: Place, file: str) -> list[str]:
    """Options by which ssh takes a host's key from a file, and no other.

    A site's own jump host is known to the user, or not at all.
    """
    if not place.alias:
        return []
    said = (f'HostKeyAlias={place.alias}',
            f'UserKnownHostsFile={quoted(file)}',
            'GlobalKnownHostsFile=/dev/null', 'StrictHostKeyChecking=yes')
    return [word for one in said for word in ('-o', one)]


def identity(file: str | None) -> list[str]:
    """Options that say what key to log in with."""
    if file:
        return ['-i', os.path.expanduser(file), '-o', 'IdentitiesOnly=yes']
    own = OWN_KEY.expanduser()
    return ['-i', str(own)] if own.exists() else []


def through(place: Place, user: str, file: str, key: list[str]) -> list[str]:
    """Options that lead ssh over the host on the way to a place, if any.

    Not ``-J``: that would check the key of the host on the way by other
    files than ours.
    """
    if place.way is None:
        return []
    who = user if place.way.alias else place.way.user or user
    return ['-o', 'ProxyCommand=' + shlex.join([
        'ssh', *checks(place.way, file), *key, '-W', '[%h]:%p',
        '-p', str(place.way.port), '-l', who, place.way.host])]


def arguments(target: Place, user: str, file: str, key_file: str | None,
              *more: str) -> list[str]:
    """The whole ssh command, but for what to run there.

    :param file: of known hosts.
    :param more: further options.
    """
    key = identity(key_file)
    return ['ssh', *checks(target, file), *key,
            *through(target, user, file, key), *more,
            '-p', str(target.port), '-l', user, target.host]


def _said(command: Sequence[str]) -> list[str]:
    """What to run there.

    ssh joins words with spaces for a shell there; quoted, they arrive as they
    were given. One word is taken for a line of shell.
    """
    if len(command) > 1:
        return ['--', shlex.join(command)]
    return ['--', *command] if command else []


def quoted(path: str) -> str:
    """A path as an ssh option or a line of its files takes it."""
    if '"' in path or '\n' in path:
        raise exceptions.CommandError(f'ssh cannot use the file {path!r}')
    escaped = path.replace('%', '%%')
    return f'"{escaped}"' if ' ' in path else escaped


def kept(cluster_id: str) -> pathlib.Path:
    """A private file that is still there when the command is used."""
    folder = pathlib.Path(os.environ.get('XDG_CACHE_HOME')
                          or '~/.cache').expanduser() / 'hpcdirect'
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f'known_hosts-{cluster_id}'


def remember(file: pathlib.Path, lines: str) -> None:
    """Put lines of known hosts in a file, for those of the same names."""
    old = file.read_text() if file.exists() else ''
    found: dict[str, Any] = {line.split()[0]: line for line
                             in f'{old}{lines}'.splitlines() if line.split()}
    file.write_text(''.join(f'{line}\n' for line in found.values()))


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
