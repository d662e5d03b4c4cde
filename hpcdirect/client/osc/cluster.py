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

"""``openstack hpc cluster ...``"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
import sys
from typing import Any
from typing import ClassVar

from osc_lib import exceptions
from osc_lib.command import command

from hpcdirect.client import errors
from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.osc import change
from hpcdirect.client.osc import label
from hpcdirect.client.osc import progress
from hpcdirect.client.osc import values


class ListCluster(base.Lister):
    """List clusters"""

    every_project = True
    columns: ClassVar = {
        'ID': 'id', 'Name': 'name', 'Status': 'status',
        'Blueprint': 'blueprint', 'Nodes': 'nodes'}
    more: ClassVar = {
        'Version': 'blueprint_version', 'Backend': 'backend',
        'Reason': 'status_reason', 'Login': 'login_address',
        'Tags': 'tags', 'Protected': 'protected',
        'Expires': 'expires_at',
        'Project': 'project', 'Project ID': 'project_id',
        'User': 'user', 'User ID': 'user_id', 'Created': 'created_at'}
    filters: ClassVar = {
        'name': 'Only the cluster of this name',
        'q': 'Only clusters whose name holds this, in any case',
        'status': 'Only clusters in one of these, comma separated',
        'user': 'Only clusters that this user made, by id, or "me"',
        'expires_before': 'Only clusters that go by themselves before this '
                          'moment, ISO 8601',
        'blueprint': 'Only clusters of this blueprint',
        'backend': 'Only clusters of this backend',
        'tags': 'Only clusters that carry all of these, comma separated'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        return self.table(parsed_args, lambda **asked: map(
            _Row, self.api.clusters(**asked)))


class _Row:
    """A cluster with what a list says of it in few words."""

    def __init__(self, cluster: resources.Cluster) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    @property
    def nodes(self) -> str:
        """Nodes that are up, of those wanted."""
        groups = self._cluster.node_groups or []
        ready = sum(group.get('ready') or 0 for group in groups)
        return f'{ready}/{sum(group.get("count") or 0 for group in groups)}'

    @property
    def project(self) -> str:
        """What people call the project: the name, or the id."""
        return str(self._cluster.project_name or self._cluster.project_id)

    @property
    def login_address(self) -> str:
        """Where people log in."""
        return (self._cluster.login or {}).get('address') or ''


class ShowCluster(base.ShowOne):
    """Show a cluster"""

    arguments: ClassVar = base.CLUSTER

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = resources.plain(self.api.get_cluster(parsed_args.cluster))
        return base.pairs(found, change.SHOWN)


class CreateCluster(change.ChangeCommand):
    """Create a cluster from a blueprint"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """What to make it from."""
        parser = super().get_parser(prog_name)
        parser.add_argument('--blueprint', required=True,
                            metavar='<name>[@<version>]',
                            help='What to make it from')
        parser.add_argument('--backend', metavar='<name>',
                            help='What is to make the machines')
        label.add_options(parser)
        values.add_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless --user or --wait needs more."""
        given = values.parameters(parsed_args)
        if parsed_args.user:
            schema = self.api.get_blueprint(parsed_args.blueprint).parameters
            given['users'] = values.users(parsed_args.user, schema or {},
                                          given.get('users', []))
        body = {'name': parsed_args.cluster, 'parameters': given,
                'blueprint': parsed_args.blueprint,
                **label.said(parsed_args)}
        if parsed_args.backend is not None:
            body['backend'] = parsed_args.backend
        if parsed_args.dry_run:
            return self.planned({'create': body})
        return self.finish(self.api.create_cluster(**body), parsed_args)


class UpdateCluster(change.ChangeCommand):
    """Change a cluster's parameters or description"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """What to change."""
        parser = super().get_parser(prog_name)
        parser.add_argument('--description', metavar='<text>',
                            help='What it is for, in your own words')
        parser.add_argument('--plan', metavar='<id>',
                            help='Do just what this plan has shown')
        change.add_force(parser)
        values.add_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless --user or --wait needs more."""
        given = values.parameters(parsed_args)
        if parsed_args.user:
            cluster = self.api.get_cluster(parsed_args.cluster)
            schema = self.api.get_blueprint(
                f'{cluster.blueprint}@{cluster.blueprint_version}'
            ).parameters or {}
            known = given.get('users',
                              (cluster.parameters or {}).get('users', []))
            given['users'] = values.users(parsed_args.user, schema, known)
        body: dict[str, Any] = {'parameters': given} if given else {}
        if parsed_args.plan:
            body['plan'] = parsed_args.plan
        if not body and parsed_args.description is None:
            raise exceptions.CommandError(
                'Nothing to change: give --parameter, --parameter-file, '
                '--user, --plan or --description')
        if parsed_args.force:
            body['force'] = True
        if parsed_args.description is not None and not parsed_args.dry_run:
            body['description'] = parsed_args.description
        return self.change(parsed_args, body)


class ScaleCluster(change.ChangeCommand):
    """Change how many nodes a cluster has"""

    arguments: ClassVar = {
        **base.CLUSTER,
        '--group': {
            'metavar': '<group>=<count>', 'action': 'append', 'default': [],
            'help': 'Nodes wanted in a group, or +<n> or -<n> to what is '
                    'wanted now (repeat for several)'},
        '--remove-node': {
            'metavar': '<node>', 'action': 'append', 'default': [],
            'help': 'Remove just this node (repeat for several)'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless it depends on what is wanted now."""
        wanted = dict(map(_count, parsed_args.group))
        removed = parsed_args.remove_node
        if not wanted and not removed:
            raise exceptions.CommandError(
                'Nothing to change: give --group or --remove-node')
        groups: dict[str, Any] = {}
        if removed or any(sign for _, sign in wanted.values()):
            cluster = self.api.get_cluster(parsed_args.cluster)
            known = {group['name']: group for group in cluster.node_groups}
            groups = _without(removed, known)
        else:
            known = {}
        for name, (number, sign) in wanted.items():
            if name in groups:
                raise exceptions.CommandError(
                    f'Give either --group {name} or --remove-node of it')
            if sign and name not in known:
                raise exceptions.CommandError(
                    f'There is no group {name}; there is: '
                    f'{", ".join(known)}')
            now = known[name]['count'] if sign else 0
            groups[name] = {'count': now + number}
        return self.change(parsed_args, {'node_groups': groups})


def _count(text: str) -> tuple[str, tuple[int, bool]]:
    """Group, number, and whether it is one to add."""
    name, equals, number = text.partition('=')
    try:
        if name and equals:
            return name, (int(number), number[:1] in ('+', '-'))
    except ValueError:
        pass
    raise exceptions.CommandError(
        f'--group {text}: write <group>=<number>, =+<number> or =-<number>')


def _without(nodes: Iterable[str], known: dict[str, Any]) -> dict[str, Any]:
    """The groups that lose nodes, with the slots that they keep."""
    groups: dict[str, Any] = {}
    for node in nodes:
        owner = next((name for name, group in known.items()
                      if node in group['slots']), None)
        if owner is None:
            raise exceptions.CommandError(f'There is no node {node}')
        kept = groups.get(owner, {'slots': known[owner]['slots']})['slots']
        groups[owner] = {'slots': [one for one in kept if one != node]}
    return groups


class RetryCluster(change.ChangeCommand):
    """Try again what failed"""

    operation = 'retry'

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """Two requests: the second for the cluster as it is then."""
        if parsed_args.dry_run:
            return self.foreseen(parsed_args.cluster)
        deployment = self.api.retry_cluster(parsed_args.cluster,
                                            self.operation)
        if parsed_args.wait or parsed_args.follow:
            self.exit_code, _ = progress.wait(self.api, deployment.id,
                                              parsed_args)
        cluster = self.api.get_cluster(parsed_args.cluster)
        return base.pairs(resources.plain(cluster), change.SHOWN)

    def foreseen(self, cluster: str) -> base.Columns:
        """What it would do: all that is not as it is wanted."""
        return self.planned({'cluster': cluster, 'change': {}})


class RepairCluster(RetryCluster):
    """Look as a check does, and mend what is not as wanted, nothing else"""

    operation = 'repair'


class CancelCluster(RetryCluster):
    """End what is under way, between two tasks; a retry goes on from there"""

    operation = 'cancel'

    def foreseen(self, cluster: str) -> base.Columns:
        """What would be ended."""
        found = resources.plain(self.api.get_cluster(cluster))
        under_way = found.get('deployment') or {}
        if under_way.get('status') not in ('QUEUED', 'RUNNING'):
            self.exit_code = base.WRONG
            self.say('Nothing is under way')
        return base.pairs(found, ('id', 'name', 'status', 'deployment'))


class CheckCluster(base.Base, command.Lister):
    """Say what is not as it is wanted; nothing is changed

    Every layer is verified on its nodes, machines are compared with the
    cloud's. Waits for the answer; the exit code is 2 when something
    disagrees. What is no fault but good to know, such as a node that somebody
    has closed in Slurm, is told on standard error.
    """

    arguments: ClassVar = base.CLUSTER

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which one."""
        parser = super().get_parser(prog_name)
        progress.add_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """Check, wait, and show each disagreement."""
        deployment = self.api.retry_cluster(parsed_args.cluster, 'check')
        self.exit_code, found = progress.wait(self.api, deployment.id,
                                              parsed_args)
        for layer in self.api.layers(parsed_args.cluster):
            if layer.note:
                self.say(f'{layer.node}, {layer.element}: {layer.note}')
        return ('Node', 'Layer', 'What disagrees', 'Run'), [
            [base.cell(one[name] or '') for name in (
                'node', 'element', 'message', 'run_id')]
            for one in found.get('failures') or []]


class DeleteCluster(base.Base):
    """Delete clusters and all that is on them"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which ones."""
        parser = super().get_parser(prog_name)
        parser.add_argument('clusters', nargs='+', metavar='<cluster>',
                            help='Name or id')
        parser.add_argument('--yes', action='store_true',
                            help='Do not ask, even on a terminal')
        change.add_dry_run(parser)
        progress.add_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """One request for each; all are begun before any is waited for."""
        names = parsed_args.clusters
        if parsed_args.dry_run:
            for name in names:
                self._foretell(name)
            return
        if not parsed_args.yes and sys.stdin.isatty():
            self.app.stderr.write(f'Delete {", ".join(names)} and all that '
                                  f'is on them? [y/N] ')
            self.app.stderr.flush()
            if sys.stdin.readline().strip().lower() not in ('y', 'yes'):
                self.say('Nothing deleted')
                self.exit_code = base.WRONG
                return
        begun = []
        for name in names:
            try:
                cluster = self.api.delete_cluster(name)
            except Exception as exc:
                self.say(f'{name}: {errors.text(exc)}')
                if 'cluster_protected' in errors.codes(exc):
                    self.say('  openstack hpc cluster set --unprotect '
                             + name)
                self.exit_code = base.WRONG
                continue
            self.say(f'Deleting cluster {name}')
            begun.append((name, (cluster.deployment or {}).get('id')))
        if parsed_args.wait or parsed_args.follow:
            for name, ident in begun:
                self._wait(name, ident, parsed_args)

    def _foretell(self, name: str) -> None:
        """Say what the deletion of a cluster would do."""
        found = self.api.plan(cluster=name, delete=True)
        if found['refused']:
            self.exit_code = base.WRONG
        self.app.stdout.write(f'{name}:\n' + ''.join(
            f'  {errors.clean(change.line(entry))}\n'
            for entry in found['changes']))

    def _wait(self, name: str, ident: str | None,
              parsed_args: argparse.Namespace) -> None:
        code = 0
        if ident:
            code, _ = progress.wait(self.api, ident, parsed_args)
        if code == 0:
            self.say(f'Cluster {name} is deleted')
        self.exit_code = self.exit_code or code
