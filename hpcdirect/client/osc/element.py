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

"""``openstack hpc element ...``"""

from __future__ import annotations

import argparse
from typing import ClassVar

from hpcdirect.client import resources
from hpcdirect.client.osc import base

_SHOWN = ('name', 'version', 'label', 'description', 'runner', 'requires',
          'conflicts', 'needs', 'roles', 'verbs', 'parameters', 'secrets',
          'data', 'outputs', 'digest')


class ListElement(base.Lister):
    """List what can be put on clusters"""

    columns: ClassVar = {
        'Name': 'name', 'Version': 'version', 'Label': 'label',
        'Runner': 'runner'}
    more: ClassVar = {
        'Description': 'description', 'Requires': 'requires',
        'Conflicts': 'conflicts', 'Roles': 'roles', 'Verbs': 'verbs'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        return self.table(parsed_args, self.api.elements)


class ShowElement(base.ShowOne):
    """Show an element"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which one."""
        parser = super().get_parser(prog_name)
        parser.add_argument('element', metavar='<name>[@<version>]')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = resources.plain(self.api.get_element(parsed_args.element))
        return base.pairs(found, _SHOWN)
