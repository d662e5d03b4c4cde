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
from collections.abc import Iterator
import contextlib
import signal
import types
from typing import Any
from typing import ClassVar
from typing import NoReturn

from osc_lib import exceptions

from hpcdirect.client import errors
from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.osc import values

_SHOWN = ('name', 'version', 'label', 'description', 'runner', 'requires',
          'conflicts', 'needs', 'roles', 'verbs', 'parameters', 'secrets',
          'data', 'outputs', 'exporters', 'grade', 'trial', 'digest')


class ListElement(base.Lister):
    """List what can be put on clusters"""

    columns: ClassVar = {
        'Name': 'name', 'Version': 'version', 'Label': 'label',
        'Grade': 'grade'}
    more: ClassVar = {
        'Description': 'description', 'Runner': 'runner',
        'Requires': 'requires',
        'Conflicts': 'conflicts', 'Roles': 'roles', 'Verbs': 'verbs'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        return self.table(parsed_args, self.api.elements)


class ShowElement(base.ShowOne):
    """Show an element"""

    arguments: ClassVar = {
        'element': {
            'metavar': '<name>[@<version>]', 'help': 'Name of the element'}}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = resources.plain(self.api.get_element(parsed_args.element))
        return base.pairs(found, _SHOWN)


class TestElement(base.Lister):
    """Try an element on throw-away nodes of this machine; see what it leaves

    Puts it on, verifies it, puts it on again, takes it off, and compares the
    nodes with what they were. Grade A: nothing is left but logs and caches
    of the package tools; C: what is listed is left; D: it cannot be taken
    off. Exit code 0 when all are A, else 2. Needs root, and no service.
    """

    auth_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """What to try, and how; the options of other lists make no sense."""
        parser = super(base.Lister, self).get_parser(prog_name)
        parser.add_argument(
            'elements', metavar='<element>', nargs='+',
            help='Folder of an element, or its name; several are tried one '
                 'after the other on the same nodes')
        parser.add_argument(
            '--with', dest='below', metavar='<element>', action='append',
            default=[],
            help='Have this one stand below it, besides those it requires '
                 '(repeat for several); default: what its file says')
        values.add_parameter_options(parser, 'element')
        parser.add_argument(
            '--role', metavar='<role>=<group>[,<group>]', action='append',
            default=[],
            help='Which nodes play a role, head or compute; default: the '
                 'head what there is one of, compute nodes the rest')
        parser.add_argument(
            '--compute', metavar='<count>', type=int, default=1,
            help='Compute nodes besides the one head; default 1')
        parser.add_argument(
            '--elements', dest='search', metavar='<folder>', action='append',
            default=[], help='Look for elements here first (repeat for '
                             'several)')
        parser.add_argument(
            '--together', action='store_true',
            help='Try them as one stack, not each by itself')
        parser.add_argument(
            '--record', action='store_true',
            help='Keep the grade in the folder of the element, in grade.yaml')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One row for each trial."""
        # Only this command makes nodes itself; the others must not become
        # slower for it, and need nothing of the service.
        try:
            from hpcdirect import trials
        except ImportError as exc:
            raise exceptions.CommandError(
                'Testing elements needs the service\'s own packages, '
                f'pip install hpcdirect[service]: {exc}') from exc

        if parsed_args.record and parsed_args.together:
            raise exceptions.CommandError(
                '--record: a grade is that of one element, not of a stack')
        if parsed_args.compute < 1:
            raise exceptions.CommandError('--compute: one at least')
        with _ended_kindly(), trials.complaints(exceptions.CommandError):
            found = list(trials.tried(trials.Asked(
                parsed_args.elements, parsed_args.search, parsed_args.below,
                values.parameters(parsed_args), _roles(parsed_args.role),
                parsed_args.together, parsed_args.compute,
                parsed_args.record), self.say))
        self.exit_code = 0 if all(one['passed'] for one in found
                                  ) else base.FAILED
        columns = ('Element', 'Grade', 'Left', 'Failures', 'Seconds',
                   'Packages', 'MiB', 'Data', 'Tested With')
        return columns, [[
            errors.clean(one['element']), one['grade'], _Left(one['left']),
            base.cell(one['failures']), _Seconds(one['seconds']),
            one['packages'], one['mib'], base.cell(one['data']),
            base.cell(one['with'])] for one in found]


class _Left(base.Nested):
    """What is left by role, a line each in a table."""

    def human_readable(self) -> str:
        """Each role, and below it what is left on its nodes."""
        return '\n'.join(line for role, lines in self._value.items()
                         for line in (f'{role}:', *map(errors.clean, lines)))


class _Seconds(base.Nested):
    """Verb and seconds."""

    def human_readable(self) -> str:
        """A verb a line."""
        return '\n'.join(f'{verb} {seconds}'
                         for verb, seconds in self._value.items())


def _roles(texts: list[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        role, equals, groups = text.partition('=')
        if not role or not equals or not groups:
            raise exceptions.CommandError(
                f'--role {text}: write <role>=<group>[,<group>]')
        found[role] = tuple(groups.split(','))
    return found


@contextlib.contextmanager
def _ended_kindly() -> Iterator[None]:
    """Take the nodes away also when this process is asked to end."""
    def end(number: int, frame: types.FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before: Any = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        raise exceptions.CommandError(
            'Ended before it was over; the nodes are gone.') from None
    finally:
        signal.signal(signal.SIGTERM, before)
