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

"""``openstack hpc stall list``"""

from __future__ import annotations

import argparse
from typing import ClassVar

from hpcdirect.client.osc import base


class ListStall(base.Lister):
    """List clusters in whose work nothing moves (admin only)

    unattended: no conductor holds it, or can go on with it. silent: one
    holds it, and writes nothing. forgotten: it is said to be at work, and
    nothing is to be done for it.
    """

    arguments: ClassVar = {
        '--seconds': {
            'type': float, 'metavar': '<number>',
            'help': 'For how long nothing has moved at least; default 300'}}
    paged = ()
    columns: ClassVar = {
        'Cluster': 'cluster', 'Kind': 'kind', 'Seconds': 'seconds',
        'Operation': 'operation', 'Step': 'step', 'Reason': 'reason'}
    more: ClassVar = {
        'Expected': 'expected', 'Overdue': 'waited', 'Since': 'since',
        'Conductor': 'conductor', 'Status': 'status',
        'Cluster ID': 'cluster_id', 'Deployment': 'deployment_id',
        'Project': 'project_name', 'Project ID': 'project_id'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        shown = {**self.columns, **(self.more if parsed_args.long else {})}
        return tuple(shown), [
            tuple(base.cell(one[name]) for name in shown.values())
            for one in self.api.stalls(parsed_args.seconds)]
