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

"""``openstack hpc event list``"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import json
from typing import Any
from typing import ClassVar

from hpcdirect.client import watch
from hpcdirect.client.osc import base
from hpcdirect.client.osc import progress


class ListEvent(base.Lister):
    """List what happened, or follow it as it happens"""

    arguments: ClassVar = {
        **base.OF_CLUSTER,
        'cluster': {**base.OF_CLUSTER['cluster'],
                    'help': 'Only of this cluster, by name or id'},
        '--follow': {
            'action': 'store_true',
            'help': 'Print one line for each event as it comes, with -f '
                    'json one object a line; ends with the deployment '
                    'that is under way, if there is one'},
        '--forever': {
            'action': 'store_true', 'help': 'With --follow: do not end'},
        '--poll-interval': {
            'type': float, 'default': 20, 'metavar': '<seconds>',
            'help': 'Longest wait of one request, default 20'}}
    of_any = every_project = True
    columns: ClassVar = {
        'At': 'at', 'Kind': 'kind', 'Node': 'node', 'Verb': 'verb',
        'Element': 'element', 'Task': 'task', 'Result': 'result',
        'Message': 'message'}
    more: ClassVar = {
        'ID': 'id', 'Level': 'level', 'Seconds': 'seconds',
        'Cluster': 'cluster_id', 'Project ID': 'project_id',
        'Deployment': 'deployment_id',
        'Run': 'run_id', 'Step': 'step_id'}
    filters: ClassVar = {
        'deployment': 'Only of this deployment', 'run': 'Only of this run',
        'level': 'Only of this level: info, warning or error'}

    def query(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """The filters, and the cluster."""
        found = super().query(parsed_args)
        if parsed_args.cluster:
            found['cluster'] = self.cluster_id(parsed_args.cluster)
        return found

    def run(self, parsed_args: argparse.Namespace) -> int:
        """What is followed is printed as it comes, in no table."""
        if not parsed_args.follow:
            return super().run(parsed_args)
        return base.Base.run(_Follow(self), parsed_args)

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request for each page."""
        return self.table(parsed_args, self.api.events)

    def follow(self, parsed_args: argparse.Namespace) -> None:
        """Print until there is an end, or Ctrl-C."""
        for event in self._coming(parsed_args):
            if parsed_args.formatter == 'json':
                line = json.dumps(event)
            else:
                line = (f'{str(event["at"])[:19]} {event["kind"]:10} '
                        f'{progress.describe(event)}')
            self.app.stdout.write(f'{line}\n')
            self.app.stdout.flush()

    def _coming(self, parsed_args: argparse.Namespace
                ) -> Iterator[dict[str, Any]]:
        query = self.query(parsed_args)
        query.pop('limit', None)
        query.pop('sort', None)
        marker = int(query.pop('marker', 0))
        reader = watch.Stubborn(self.api, complain=self.say)
        ending = '' if parsed_args.forever else self._under_way(query)
        wait = 0.0
        while True:
            over = bool(ending) and reader.read(
                f'/deployments/{ending}')['status'] in watch.OVER
            found, marker = watch.events(reader, query, marker,
                                         0 if over else wait)
            yield from found
            if over and not found:
                return
            if not found and wait < 1:
                reader.sleep(min(1.0, parsed_args.poll_interval))
            wait = parsed_args.poll_interval

    def _under_way(self, query: dict[str, Any]) -> str:
        """The deployment with which following ends, or ''."""
        if 'deployment' in query:
            return str(query['deployment'])
        if 'cluster' not in query:
            return ''
        deployment = self.api.get_cluster(query['cluster']).deployment or {}
        over = deployment.get('status') in watch.OVER
        return '' if over else str(deployment.get('id') or '')


class _Follow(base.Base):
    """The same command, without the table that a lister makes."""

    def __init__(self, lister: ListEvent) -> None:
        super().__init__(lister.app, lister.app_args)
        self._lister = lister

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Follow."""
        self._lister.follow(parsed_args)
