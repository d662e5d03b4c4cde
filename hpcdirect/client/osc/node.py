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

from hpcdirect.client import resources
from hpcdirect.client.osc import base

_SHOWN = ('id', 'name', 'group', 'incarnation', 'status', 'address', 'ssh',
          'fault', 'ref', 'layers', 'created_at', 'updated_at')


class ListNode(base.Lister):
    """List a cluster's nodes"""

    columns: ClassVar = {
        'Name': 'name', 'Group': 'group', 'Status': 'status',
        'Address': 'address'}
    more: ClassVar = {
        'ID': 'id', 'Incarnation': 'incarnation', 'Fault': 'fault',
        'SSH': 'ssh', 'Layers': 'layers', 'Created': 'created_at'}
    filters: ClassVar = {
        'group': 'Only nodes of this group',
        'status': 'Only nodes in this status'}

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Of which cluster."""
        return _of_cluster(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        def fetch(**query: Any) -> Any:
            return self.api.nodes(parsed_args.cluster, **query)

        return self.table(parsed_args, fetch)


class ShowNode(base.ShowOne):
    """Show a node and what stands on it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which one."""
        parser = _of_cluster(super().get_parser(prog_name))
        parser.add_argument('node', metavar='<node>',
                            help='Name, such as compute-0')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = resources.plain(self.api.get_node(parsed_args.cluster,
                                                  parsed_args.node))
        return base.pairs(found, _SHOWN)


class ListLayer(base.Lister):
    """List what stands on a cluster's nodes"""

    columns: ClassVar = {
        'Node': 'node', 'Element': 'element', 'Version': 'version',
        'Role': 'role', 'State': 'state', 'Verified': 'verified'}
    more: ClassVar = {
        'ID': 'id', 'Position': 'position', 'Run': 'run_id',
        'Digest': 'digest', 'Updated': 'updated_at'}
    filters: ClassVar = {
        'node': 'Only on this node', 'element': 'Only of this element',
        'state': 'Only in this state'}

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Of which cluster."""
        return _of_cluster(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        def fetch(**query: Any) -> Any:
            return self.api.layers(parsed_args.cluster, **query)

        return self.table(parsed_args, fetch)


def _of_cluster(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument('cluster', metavar='<cluster>', help='Name or id')
    return parser
