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

"""``openstack hpc deployment ...``"""

from __future__ import annotations

import argparse
from typing import ClassVar

from osc_lib.command import command

from hpcdirect.client import errors
from hpcdirect.client import resources
from hpcdirect.client import watch
from hpcdirect.client.osc import base
from hpcdirect.client.osc import progress

_SHOWN = ('id', 'cluster_id', 'project_id', 'operation', 'generation',
          'status', 'phase', 'reason', 'progress', 'steps', 'failures',
          'user_id', 'user_name', 'created_at', 'started_at', 'finished_at')


class ListDeployment(base.Lister):
    """List attempts to bring clusters to what is wanted"""

    every_project = True
    columns: ClassVar = {
        'ID': 'id', 'Operation': 'operation', 'Status': 'status',
        'Created': 'created_at', 'Finished': 'finished_at'}
    more: ClassVar = {
        'Cluster': 'cluster_id', 'Project ID': 'project_id',
        'Generation': 'generation', 'Reason': 'reason', 'User': 'user',
        'User ID': 'user_id', 'Progress': 'progress'}
    filters: ClassVar = {
        'cluster': 'Only of this cluster, by name or id',
        'status': 'Only in this status', 'operation': 'Only of this operation'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        return self.table(parsed_args, self.api.deployments)


class ShowDeployment(base.ShowOne):
    """Show an attempt, its steps and why it failed"""

    arguments: ClassVar = {
        'deployment': {
            'metavar': '<id>', 'help': 'As hpc deployment list shows it'},
        '--plan': {'action': 'store_true', 'help': 'Show the plan as well'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = resources.plain(
            self.api.get_deployment(parsed_args.deployment))
        for text in errors.failures(found.get('failures') or [],
                                    str(found['cluster_id'])):
            self.say(text)
        return base.pairs(found, (
            *_SHOWN, *(['plan'] if parsed_args.plan else [])))


class ShowProgress(base.Base, command.Lister):
    """Show the steps of an attempt: on how many nodes, and how long

    What is expected is how long such a step took in the project before.
    """

    arguments: ClassVar = {
        'deployment': {
            'metavar': '<id>', 'help': 'As hpc deployment list shows it'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = self.api.get_progress(parsed_args.deployment)
        self.say(f'{found["operation"]}: {found["status"]}, '
                 f'{progress.how_far(found["progress"])}')
        return (
            'Step', 'Element', 'Status', 'Nodes', 'Running on', 'Failed on',
            'Seconds', 'Expected'), [(
                step['kind'], step['element'], step['status'],
                f'{step["done"]}/{step["nodes"]}',
                base.cell(step['running']), base.cell(step['failed']),
                _rounded(watch.seconds(step)), _rounded(step['expected']))
            for step in found['steps']]


def _rounded(seconds: float | None) -> base.Number:
    return base.Number(None if seconds is None else round(seconds, 1))
