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

"""``openstack hpc backend ...``"""

from __future__ import annotations

import argparse
from typing import ClassVar

from hpcdirect.client import errors
from hpcdirect.client.osc import base


class _Capacity(base.Nested):
    """Node types, and how many of each; null in JSON is no limit."""

    def human_readable(self) -> str:
        """A line for each type."""
        return '\n'.join(
            f'{errors.clean(name)}: {"no limit" if free is None else free}'
            for name, free in self._value.items())


class ListBackend(base.Lister):
    """List what makes machines, and how many could be had now"""

    columns: ClassVar = {
        'Name': 'name', 'Capacity': 'capacity', 'Reason': 'reason'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        return tuple(self.columns), [
            (one.name, _Capacity(one.capacity), base.cell(one.reason))
            for one in self.api.backends(**self.query(parsed_args))]


class ShowBackend(base.ShowOne):
    """Show what makes machines, and how many could be had now"""

    arguments: ClassVar = {
        'backend': {'metavar': '<name>', 'help': 'Name of the backend'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        one = self.api.get_backend(parsed_args.backend)
        return ('name', 'capacity', 'reason'), (
            one.name, _Capacity(one.capacity), base.cell(one.reason))
