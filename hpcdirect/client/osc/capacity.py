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

"""``hpc capacity``: what a project could have"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any
from typing import ClassVar

from osc_lib.command import command

from hpcdirect.client import errors
from hpcdirect.client import grants
from hpcdirect.client.osc import base

_COLUMNS = ('Backend', 'Kind', 'Name', 'Free', 'Used', 'Total')


class ShowCapacity(base.Base, command.Lister):
    """Show what machines could be had now, and the project's quotas

    A dash is a number that nothing limits or nobody counts. A
    backend that cannot tell says why on standard error.
    """

    arguments: ClassVar = {
        '--long': {'action': 'store_true', 'help': 'List more columns'},
        '--project': {
            'metavar': '<project>',
            'help': 'Name or id; default the one that you are logged in '
                    'to (admin only)'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        query = {}
        if parsed_args.project:
            manager: Any = self.app.client_manager
            query['project_id'] = grants.find(manager.sdk_connection,
                                              parsed_args.project).id
        found = self.api.capacity(**query)['backends']
        for backend in found:
            if backend['reason']:
                self.say(errors.clean(backend['reason']))
        more = ('Traits',) if parsed_args.long else ()
        return (*_COLUMNS, *more), [
            tuple(map(base.cell, row[:len(_COLUMNS) + len(more)]))
            for backend in found for row in _rows(backend)]


def _rows(backend: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for kind in backend['node_types']:
        yield (backend['name'], 'machines', kind['name'],
               base.Number(kind['free']),
               _less(kind['total'], kind['free']), base.Number(kind['total']),
               kind['traits'])
    for quota in backend['quotas']:
        yield (backend['name'], 'quota', quota['name'],
               _less(quota['limit'], quota['used']),
               base.Number(quota['used']), base.Number(quota['limit']), [])


def _less(most: int | None, some: int | None) -> base.Number:
    """The rest, when both are known; nothing is less than none."""
    if most is None or some is None:
        return base.Number(None)
    return base.Number(max(0, most - some))
