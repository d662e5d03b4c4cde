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
"""``openstack hpc service ...``"""

from __future__ import annotations

import argparse
from typing import ClassVar

from hpcdirect.client.osc import base


class ListService(base.Lister):
    """List the processes of the service, and which are up (admin only)

    A process is up when it was seen within three intervals. One that
    ended well is not listed.
    """

    columns: ClassVar = {
        'Binary': 'binary', 'Host': 'host', 'State': 'state',
        'Seen At': 'seen_at', 'Version': 'version'}
    more: ClassVar = {
        'ID': 'id', 'PID': 'pid', 'Started At': 'started_at',
        'Interval': 'interval'}
    filters: ClassVar = {
        'binary': 'Only this command, as hpcdirect-conductor',
        'host': 'Only on this machine',
        'state': 'Only those that are up, or down'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request a page."""
        return self.table(parsed_args, self.api.services)
