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

"""openstack hpc cluster group ..."""

from __future__ import annotations

import argparse
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect.client.osc import base
from hpcdirect.client.osc import change
from hpcdirect.client.osc import values


class ListGroup(base.Lister):
    """List a cluster's node groups, and those it could have"""

    arguments: ClassVar = base.CLUSTER
    paged = ()
    columns: ClassVar = {
        'Name': 'name', 'Label': 'label', 'Nodes': 'count', 'Ready': 'ready',
        'Fewest': 'min_count', 'Most': 'max_count'}
    more: ClassVar = {'Slots': 'slots'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """Two requests: the blueprint says what there could be."""
        def fetch(**query: Any) -> Any:
            cluster = self.api.get_cluster(parsed_args.cluster)
            blueprint = self.api.get_blueprint(
                f'{cluster.blueprint}@{cluster.blueprint_version}')
            known = {group['name']: group for group in blueprint.node_groups}
            return (argparse.Namespace(**{**known.get(group['name'], {
                'label': '', 'min_count': None, 'max_count': None}), **group})
                for group in cluster.node_groups)

        return self.table(parsed_args, fetch)


class AddGroup(change.ChangeCommand):
    """Give a cluster a group of nodes that it has none of

    Which groups there can be is the blueprint's to say; see "cluster group
    list". Nodes that are there go on with what they do.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which group, of how many."""
        parser = super().get_parser(prog_name)
        parser.add_argument('group', metavar='<group>',
                            help='Name of the node group')
        parser.add_argument('--count', metavar='<nodes>', type=int, default=1,
                            help='How many (default: 1)')
        values.add_parameter_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """The change, once it is clear that there are none yet."""
        cluster = self.api.get_cluster(parsed_args.cluster)
        there = {group['name']: group['count']
                 for group in cluster.node_groups}
        if there.get(parsed_args.group):
            raise exceptions.CommandError(
                f'{cluster.name} has {there[parsed_args.group]} nodes of '
                f'group {parsed_args.group}; for more of them: openstack hpc '
                f'cluster scale {cluster.name} --group '
                f'{parsed_args.group}=+{parsed_args.count}')
        if parsed_args.count < 1:
            raise exceptions.CommandError('--count: at least 1')
        body: dict[str, Any] = {'node_groups': {
            parsed_args.group: {'count': parsed_args.count}}}
        given = values.parameters(parsed_args)
        if given:
            body['parameters'] = given
        return self.change(parsed_args, body)


class RemoveGroup(change.ChangeCommand):
    """Take all nodes of a group off a cluster

    A group that the blueprint needs nodes of is refused.
    """

    arguments: ClassVar = {
        **base.CLUSTER,
        'group': {'metavar': '<group>', 'help': 'Name of the node group'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, unless --wait needs more."""
        return self.change(parsed_args, {
            'node_groups': {parsed_args.group: {'count': 0}}})
