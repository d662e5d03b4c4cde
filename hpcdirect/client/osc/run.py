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

"""``openstack hpc run ...``"""

from __future__ import annotations

import argparse
import re
from typing import ClassVar

from hpcdirect.client import errors
from hpcdirect.client import resources
from hpcdirect.client.osc import base

_SHOWN = ('id', 'cluster_id', 'project_id', 'deployment_id', 'step_id',
          'verb', 'element', 'nodes', 'status', 'cause', 'summary',
          'log_size', 'started_at', 'finished_at')


class ListRun(base.Lister):
    """List what runners did"""

    every_project = True
    columns: ClassVar = {
        'ID': 'id', 'Verb': 'verb', 'Element': 'element', 'Nodes': 'nodes',
        'Status': 'status', 'Started': 'started_at'}
    more: ClassVar = {
        'Cluster': 'cluster_id', 'Project ID': 'project_id',
        'Deployment': 'deployment_id',
        'Step': 'step_id', 'Cause': 'cause', 'Log Size': 'log_size',
        'Finished': 'finished_at'}
    filters: ClassVar = {
        'cluster': 'Only on this cluster, by name or id',
        'deployment': 'Only of this deployment', 'step': 'Only of this step',
        'status': 'Only in this status'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        return self.table(parsed_args, self.api.runs)


class ShowRun(base.ShowOne):
    """Show what a runner did"""

    arguments: ClassVar = {
        'run': {'metavar': '<id>', 'help': 'As hpc run list shows it'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = resources.plain(self.api.get_run(parsed_args.run))
        return base.pairs(found, _SHOWN)


class ShowRunLog(base.Base):
    """Print the log of a run"""

    arguments: ClassVar = {
        'run': {'metavar': '<id>', 'help': 'As hpc run list shows it'},
        '--follow': {
            'action': 'store_true', 'help': 'Go on until the run is over'},
        '--poll-interval': {
            'type': float, 'default': 1, 'metavar': '<seconds>',
            'help': 'Seconds between looks, default 1'}}

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """One request for each piece of the log."""
        live = self.app.stdout.isatty()
        for piece in self.api.run_log(
                parsed_args.run, follow=parsed_args.follow,
                poll_interval=parsed_args.poll_interval):
            # A file gets the log as it is; a terminal must not be told what
            # to do by a node.
            text = re.sub(r'\r+\n', '\n', piece)
            self.app.stdout.write(errors.clean(text) if live else piece)
            self.app.stdout.flush()
