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

"""``openstack hpc node ...`` and ``openstack hpc layer list``"""

from __future__ import annotations

import argparse
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.osc import change
from hpcdirect.client.osc import progress

_SHOWN = ('id', 'name', 'group', 'incarnation', 'status', 'closed', 'address',
          'ssh', 'fault', 'ref', 'layers', 'created_at', 'updated_at')


class ListNode(base.Lister):
    """List a cluster's nodes"""

    arguments: ClassVar = base.OF_CLUSTER
    columns: ClassVar = {
        'Name': 'name', 'Group': 'group', 'Status': 'status',
        'Address': 'address'}
    more: ClassVar = {
        'ID': 'id', 'Incarnation': 'incarnation', 'Closed': 'closed',
        'Fault': 'fault', 'SSH': 'ssh', 'Layers': 'layers',
        'Created': 'created_at'}
    filters: ClassVar = {
        'group': 'Only nodes of this group',
        'status': 'Only nodes in this status'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        return self.table(parsed_args, self.api.nodes,
                          cluster=parsed_args.cluster)


class ShowNode(base.ShowOne):
    """Show a node and what stands on it"""

    arguments: ClassVar = {
        **base.OF_CLUSTER,
        'node': {'metavar': '<node>', 'help': 'Name, such as compute-0'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = resources.plain(self.api.get_node(parsed_args.cluster,
                                                  parsed_args.node))
        return base.pairs(found, _SHOWN)


class ReplaceNode(change.ChangeCommand):
    """Give nodes another machine, under the same names

    Work is moved off first where an element knows how; the new machine gets
    every layer that the old one had.
    """

    arguments: ClassVar = {
        **base.OF_CLUSTER,
        'node': {
            'metavar': '<node>', 'nargs': '+',
            'help': 'Name, such as compute-0'},
        '--force': {
            'action': 'store_true',
            'help': 'Although data that is on the old machine only is lost'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request, and one to learn the nodes' groups."""
        found = self.api.get_cluster(parsed_args.cluster)
        groups: dict[str, dict[str, Any]] = {}
        for name in parsed_args.node:
            group = next((group['name'] for group in found.node_groups or []
                          if name in group['slots']), None)
            if group is None:
                raise exceptions.CommandError(
                    f'{parsed_args.cluster} has no node {name}')
            asked = groups.setdefault(group, {'replace': []})
            asked['replace'].append(name)
            if parsed_args.force:
                asked['force'] = True
        if parsed_args.dry_run:
            return self.planned({'cluster': parsed_args.cluster,
                                 'change': {'node_groups': groups}})
        changed = self.api.change_cluster(parsed_args.cluster,
                                          node_groups=groups)
        ident = (changed.deployment or {}).get('id')
        if ident and (parsed_args.wait or parsed_args.follow):
            self.exit_code, _ = progress.wait(self.api, ident, parsed_args)
        rows = {node.name: f'{node.status}, machine {node.incarnation}'
                for node in self.api.nodes(changed.id)}
        return base.pairs(rows, rows)


class ListLayer(base.Lister):
    """List what stands on a cluster's nodes"""

    arguments: ClassVar = base.OF_CLUSTER
    columns: ClassVar = {
        'Node': 'node', 'Element': 'element', 'Version': 'version',
        'Role': 'role', 'State': 'state', 'Verified': 'verified'}
    more: ClassVar = {
        'ID': 'id', 'Position': 'position', 'Run': 'run_id',
        'Digest': 'digest', 'Updated': 'updated_at'}
    filters: ClassVar = {
        'node': 'Only on this node', 'element': 'Only of this element',
        'state': 'Only in this state'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        return self.table(parsed_args, self.api.layers,
                          cluster=parsed_args.cluster)
