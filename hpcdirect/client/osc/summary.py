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


"""openstack hpc summary show"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from hpcdirect.client.osc import base
from hpcdirect.client.osc import progress


class ShowSummary(base.ShowOne):
    """Show how many clusters stand how, and those that need somebody"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Adds --all-projects."""
        parser = super().get_parser(prog_name)
        return base.add_all_projects(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = self.api.summary(**base.all_projects(parsed_args))
        shown = {
            'clusters': found['clusters'], 'nodes': found['nodes'],
            'failing': {one['name']: _why(one) for one in found['failing']},
            'busy': {one['name']: _how_far(one) for one in found['busy']},
            'expiring': {one['name']: one['expires_at']
                         for one in found['expiring']},
            'lately': [' '.join(filter(None, (
                one['created_at'][:19], one['cluster'], one['operation'],
                one['status'], _by(one), one['reason'])))
                for one in found['lately']]}
        return base.pairs(shown, shown)


def _why(cluster: Mapping[str, Any]) -> str:
    first: Mapping[str, Any] = next(iter(cluster['failures']), {})
    return str(first.get('message') or cluster['status_reason']
               or cluster['status'])


def _by(deployment: Mapping[str, Any]) -> str:
    name = deployment.get('user_name') or deployment.get('user_id')
    return f'by {name}' if name else ''


def _how_far(cluster: Mapping[str, Any]) -> str:
    found = (cluster['deployment'] or {}).get('progress') or {}
    return ', '.join(filter(None, (
        cluster['status'], found.get('running'), progress.how_far(found))))
