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


"""openstack hpc plan ..."""

from __future__ import annotations

import argparse
from typing import ClassVar

from hpcdirect.client.osc import base
from hpcdirect.client.osc import change


class ShowPlan(base.ShowOne):
    """Show a plan again, and whether it still holds"""

    arguments: ClassVar = {
        'plan': {'metavar': '<id>', 'help': 'As --dry-run shows it'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        return change.shown(self.api.get_plan(parsed_args.plan))
