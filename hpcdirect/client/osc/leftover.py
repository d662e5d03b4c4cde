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

"""``openstack hpc leftover list``"""

from __future__ import annotations

import argparse
from typing import ClassVar

from hpcdirect.client import errors
from hpcdirect.client.osc import base


class ListLeftover(base.Lister):
    """List what clouds have of clusters that are no more (admin only)

    "hpcdirect-manage leftovers --sweep" takes it away. What is just
    being made or deleted is listed for a moment, too. A backend that
    cannot tell says why on standard error.
    """

    arguments: ClassVar = {
        '--backend': {'metavar': '<name>', 'help': 'Only of this backend'}}
    paged = ()

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = self.api.leftovers(parsed_args.backend)
        for backend in found:
            if backend['reason']:
                self.say(errors.clean(backend['reason']))
                self.exit_code = base.WRONG
        names = ['cluster_id', 'kind', 'ref', 'known',
                 *(['project_id'] if parsed_args.long else [])]
        return ('Backend', 'Cluster ID', 'Kind', 'Reference', 'Known',
                *(['Project ID'] if parsed_args.long else [])), [
            (backend['name'], *(base.cell(one[name]) for name in names))
            for backend in found for one in backend['leftovers']]
