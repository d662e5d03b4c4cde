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

"""``hpc cluster config``"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
import os
import pathlib
import re
import shlex
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect.client import places
from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.osc import ssh
from hpcdirect.client.places import Place

#: How a file of ours begins; what begins otherwise is not overwritten.
MARK = '# Written by "openstack hpc cluster config'


class ConfigCluster(base.Base):
    """Write what ssh or Ansible needs to reach a cluster's nodes

    An ssh_config names every node <cluster>-<node>, and the login node also
    <cluster>: "ssh -F <file> <cluster>", or a line "Include <file>" at the
    top of ~/.ssh/config. An inventory names every node <node>.<cluster>, in
    the groups <cluster> and <cluster>_<node group>, with "_" for "-". The
    nodes' host keys go to a file beside it. Write it again when nodes have
    come, gone or been replaced.
    """

    arguments: ClassVar = base.CLUSTER

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """What to write, as whom, and where to."""
        parser = super().get_parser(prog_name)
        kind = parser.add_mutually_exclusive_group()
        kind.add_argument('--ssh', action='store_true',
                          help='An ssh_config (default)')
        kind.add_argument('--inventory', action='store_true',
                          help='An inventory of Ansible, YAML')
        parser.add_argument(
            '--user', '--login-user', metavar='<name>',
            help='User on the nodes; default: you, when you are a user of '
                 "the cluster, else its first user, else the nodes' own")
        parser.add_argument('--identity', metavar='<file>',
                            help='Private key to log in with; default: '
                                 f"ssh's own, and {ssh.OWN_KEY} if it is "
                                 'there')
        parser.add_argument(
            '--output', metavar='<file>',
            help='Where to; default standard output. Host keys go to '
                 '<file>.known_hosts; without --output, to a file in the '
                 'cache folder of yours')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Three requests; two with --user."""
        cluster = self.api.get_cluster(parsed_args.cluster)
        found = [resources.plain(one) for one in self.api.nodes(cluster.id)]
        try:
            known = places.nodes(cluster.id, found)
            user = places.user(
                parsed_args.user,
                ssh.accounts(self.api, cluster.id, parsed_args.user),
                next(iter(known.values()), Place('', '')))
            writer = _Writer(cluster, known, user, parsed_args)
        except places.Strange as exc:
            raise exceptions.CommandError(str(exc)) from exc
        if not known:
            raise exceptions.CommandError(
                f'Cluster {cluster.name} is {cluster.status}: none of its '
                'nodes is up')
        for name in sorted({one['name'] for one in found} - set(known)):
            self.say(f'Node {name} is left out: it is not up')
        groups = {one['name']: one['group'] for one in found}
        text = (writer.inventory(groups) if parsed_args.inventory
                else writer.ssh_config())
        _write(writer.keys, places.known_hosts(known.values()))
        if parsed_args.output:
            _write(writer.file, text)
        else:
            self.app.stdout.write(text)


class _Writer:
    """Makes the text."""

    def __init__(self, cluster: resources.Cluster,
                 known: Mapping[str, Place], user: str,
                 parsed_args: argparse.Namespace) -> None:
        self._cluster = cluster
        self._known = known
        self._login = (cluster.login or {}).get('node')
        self._user = user
        self._identity = parsed_args.identity
        self.keys = ssh.kept(cluster.id)
        if parsed_args.output:
            self.file = _ours(pathlib.Path(
                parsed_args.output).expanduser().absolute())
            self.keys = self.file.with_name(f'{self.file.name}.known_hosts')
        self._head = (f'{MARK} {cluster.name}" for cluster {cluster.id}\n')

    def ssh_config(self) -> str:
        """What ssh reads with -F or Include."""
        return self._head + ''.join(
            '\n' + ''.join(f'{indent}{line}\n' for indent, line in zip(
                ('', *['    '] * 20), self._block(name, place),
                strict=False)) for name, place in self._known.items())

    def _block(self, name: str, place: Place) -> Iterable[str]:
        own = f'{self._cluster.name}-{name}'
        yield (f'Host {self._cluster.name} {own}' if name == self._login
               else f'Host {own}')
        yield f'HostName {place.host}'
        yield f'Port {place.port}'
        yield f'User {self._user}'
        for option in ssh.checks(place, str(self.keys))[1::2]:
            yield option.replace('=', ' ', 1)
        if self._identity:
            path = os.path.abspath(os.path.expanduser(self._identity))
            yield f'IdentityFile {ssh.quoted(path)}'
            yield 'IdentitiesOnly yes'
        elif ssh.OWN_KEY.expanduser().exists():
            yield f'IdentityFile {ssh.quoted(str(ssh.OWN_KEY.expanduser()))}'
        if place.way is not None:
            way = place.way
            yield 'ProxyJump ' + (
                f'{self._cluster.name}-{way.name}' if way.alias else
                f'{way.user or self._user}@[{way.host}]:{way.port}')

    def inventory(self, groups: Mapping[str, str]) -> str:
        """What Ansible reads with -i.

        Hosts and groups carry the cluster's name, and so does nothing hold
        for all hosts: whoever reads two inventories has the nodes of both.

        :param groups: node -> its node group.
        """
        import yaml

        cluster = self._cluster.name
        children: dict[str, Any] = {}
        for name in self._known:
            group = children.setdefault(
                _group(f'{cluster}_{groups[name]}'), {'hosts': {}})
            group['hosts'][f'{name}.{cluster}'] = self._host(
                self._known[name])
        return self._head + yaml.safe_dump(
            {_group(cluster): {'vars': {'ansible_user': self._user},
                               'children': children}},
            sort_keys=False, width=10000)

    def _host(self, place: Place) -> dict[str, Any]:
        file = str(self.keys)
        key = ssh.identity(self._identity)
        options = [*ssh.checks(place, file), *key,
                   *ssh.through(place, self._user, file, key)]
        return {'ansible_host': place.host, 'ansible_port': place.port,
                'ansible_ssh_common_args': shlex.join(options)}


def _group(name: str) -> str:
    """A name as Ansible wants groups to have it."""
    return re.sub('[^A-Za-z0-9_]', '_', name)


def _ours(file: pathlib.Path) -> pathlib.Path:
    """The same; CommandError when it is there and none of ours."""
    try:
        if file.exists() and not file.read_text('utf-8').startswith(MARK):
            raise exceptions.CommandError(
                f'{file} was not written by this command and is left as it '
                'is; name another file')
    except (OSError, UnicodeError) as exc:
        raise exceptions.CommandError(f'{file}: {exc}') from exc
    return file


def _write(file: pathlib.Path, text: str) -> None:
    """Put a text in a file, all of it or nothing, for its owner's eyes."""
    draft = file.with_name(f'{file.name}.{os.getpid()}')
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                               0o600), 'w') as handle:
            handle.write(text)
        draft.replace(file)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise exceptions.CommandError(f'{file}: {exc.strerror}') from exc
