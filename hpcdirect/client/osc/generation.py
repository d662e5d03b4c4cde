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


"""Generations of a cluster: looked at, compared, gone back to, cloned."""

from __future__ import annotations

import argparse
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect.client.osc import base
from hpcdirect.client.osc import change
from hpcdirect.client.osc import differences
from hpcdirect.client.osc import label
from hpcdirect.client.osc import values

_SHOWN = ('generation', 'operation', 'status', 'user_id', 'user_name',
          'deployment_id', 'blueprint', 'blueprint_version', 'parameters',
          'node_groups', 'elements', 'deleted', 'created_at')


class ListGeneration(base.Lister):
    """List what was wanted of a cluster, change by change"""

    arguments: ClassVar = base.CLUSTER
    columns: ClassVar = {
        'Generation': 'generation', 'Operation': 'operation',
        'Status': 'status', 'User': 'user', 'Created': 'created_at'}
    more: ClassVar = {
        'Blueprint': 'blueprint', 'Version': 'blueprint_version',
        'Deployment': 'deployment_id', 'User ID': 'user_id'}
    filters: ClassVar = {
        'operation': 'Only generations made by this operation'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        return self.table(parsed_args, self.api.generations,
                          cluster=parsed_args.cluster)


class ShowGeneration(base.ShowOne):
    """Show what was wanted of a cluster once"""

    arguments: ClassVar = {
        **base.CLUSTER,
        'generation': {
            'type': int, 'metavar': '<generation>',
            'help': 'As hpc cluster generation list shows it'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = self.api.get_generation(parsed_args.cluster,
                                        parsed_args.generation)
        return base.pairs(found, _SHOWN)


class DiffCluster(base.Lister):
    """Show what differs between two generations of a cluster

    Between the last two, when none is said; with one, between that and the
    newest.
    """

    arguments: ClassVar = base.CLUSTER

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which ones."""
        parser = super().get_parser(prog_name)
        for name in ('before', 'after'):
            parser.add_argument(name, type=int, nargs='?',
                                metavar=f'<{name}>', help='Generation')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, and one before when the newest is meant."""
        after, before = parsed_args.after, parsed_args.before
        if after is None:
            after = self.api.get_cluster(parsed_args.cluster).generation
        if before is None:
            before = after - 1
        if before < 1:
            raise exceptions.CommandError(
                'There was no generation before 1')
        found = self.api.get_generation(parsed_args.cluster, after,
                                        against=before)['differences']
        if not found:
            self.say(f'Nothing differs between {before} and {after}')
        return (('Kind', 'Subject', f'Generation {before}',
                 f'Generation {after}'),
                ([one['kind'], base.cell(one['subject']),
                  differences.Side(one['before'], one['after']),
                  differences.Side(one['after'], one['before'])]
                 for one in found))


class RollbackCluster(change.ChangeCommand):
    """Have all as it was wanted at an earlier generation

    Parameters, version, elements and nodes; machines that are there stay.
    """

    arguments: ClassVar = {
        **base.CLUSTER,
        'generation': {
            'type': int, 'metavar': '<generation>',
            'help': 'As hpc cluster generation list shows it'}}

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Back to where."""
        parser = super().get_parser(prog_name)
        change.add_force(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless --wait needs more."""
        body: dict[str, Any] = {'generation': parsed_args.generation}
        if parsed_args.force:
            body['force'] = True
        return self.change(parsed_args, body)


class UpgradeCluster(change.ChangeCommand):
    """Have a cluster of another version of its blueprint

    Machines that are there stay, and only what is otherwise in the version
    is put on, changed or taken off.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which version."""
        parser = super().get_parser(prog_name)
        # --version is the program's own, wherever it stands.
        parser.add_argument('--to', metavar='<version>',
                            help='Version; the highest when not said')
        change.add_force(parser)
        values.add_parameter_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request; two before, when no version is said."""
        version = parsed_args.to
        if version is None:
            cluster = self.api.get_cluster(parsed_args.cluster)
            version = self.api.get_blueprint(cluster.blueprint).version
            if version == cluster.blueprint_version:
                self.say(f'{version} is the highest version there is')
        body: dict[str, Any] = {'version': version}
        given = values.parameters(parsed_args)
        if given:
            body['parameters'] = given
        if parsed_args.force:
            body['force'] = True
        return self.change(parsed_args, body)


class CloneCluster(change.ChangeCommand):
    """Make a cluster like another one

    Its parameters, version, elements and nodes; not its data and secrets.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which one, and what is to be otherwise."""
        parser = super().get_parser(prog_name)
        parser.add_argument('name', metavar='<new name>',
                            help='What to call it')
        parser.add_argument('--generation', type=int, metavar='<number>',
                            help='As it was wanted then')
        parser.add_argument('--backend', metavar='<name>',
                            help='What is to make the machines')
        label.add_options(parser)
        values.add_parameter_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless --wait needs more."""
        model: dict[str, Any] = {'cluster': parsed_args.cluster}
        if parsed_args.generation is not None:
            model['generation'] = parsed_args.generation
        body = {'name': parsed_args.name, 'clone': model,
                **label.said(parsed_args)}
        given = values.parameters(parsed_args)
        if given:
            body['parameters'] = given
        if parsed_args.backend is not None:
            body['backend'] = parsed_args.backend
        if parsed_args.dry_run:
            return self.planned({'create': body})
        return self.finish(self.api.create_cluster(**body), parsed_args)
