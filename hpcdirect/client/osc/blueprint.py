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

"""``openstack hpc blueprint ...``"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any
from typing import ClassVar

from osc_lib import exceptions

from hpcdirect.client import errors
from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.osc import values

_SHOWN = ('name', 'version', 'label', 'description', 'fields', 'versions',
          'backends', 'node_groups', 'elements', 'login', 'typical', 'in_use',
          'parameters', 'outputs', 'digest')


class ListBlueprint(base.Lister):
    """List what clusters can be made from"""

    columns: ClassVar = {
        'Name': 'name', 'Version': 'version', 'Label': 'label'}
    more: ClassVar = {
        'Description': 'description', 'Fields': 'fields',
        'Versions': 'versions', 'Backends': 'backends',
        'Node Groups': 'node_groups',
        'Elements': 'elements', 'Usually': 'typical',
        'In Use': 'in_use'}
    filters: ClassVar = {
        'q': 'Only those whose name, label, description or a field holds '
             'this, in any case',
        'field': 'Only those that are for this, such as genomics'}

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        return self.table(parsed_args, self.api.blueprints)


class ShowBlueprint(base.ShowOne):
    """Show a blueprint, its parameters or its readme"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which one, and what of it."""
        parser = super().get_parser(prog_name)
        parser.add_argument('blueprint', metavar='<name>[@<version>]',
                            help='Name, and a version unless it is the newest')
        which = parser.add_mutually_exclusive_group()
        which.add_argument('--parameters', action='store_true',
                           help='Only what can be chosen, one a row')
        which.add_argument('--readme', action='store_true',
                           help='Only the readme, as it is')
        which.add_argument('--icon', action='store_true',
                           help='Only the icon, as SVG')
        which.add_argument('--template', action='store_true',
                           help='Only what the cloud will be asked for, such '
                                'as the HOT that Heat gets')
        parser.add_argument('--backend', metavar='<name>',
                            help='Whose template; default the first that is '
                                 'enabled')
        values.add_parameter_options(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Readme, icon and template are text, so no table goes around them."""
        if parsed_args.template:
            query = {'parameters': json.dumps(
                values.parameters(parsed_args))}
            if parsed_args.backend:
                query['backend'] = parsed_args.backend
            text = self.api.get_template(parsed_args.blueprint,
                                         **query)['template']
        elif parsed_args.readme or parsed_args.icon:
            found = self.api.get_blueprint(parsed_args.blueprint)
            text = (found.icon if parsed_args.icon else found.readme) or ''
        else:
            return super().run(parsed_args)
        self.app.stdout.write(f'{text.rstrip()}\n')
        return 0

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """One request."""
        found = resources.plain(self.api.get_blueprint(parsed_args.blueprint))
        if not parsed_args.parameters:
            return base.pairs(found, _SHOWN)
        schema = found.get('parameters') or {}
        required = schema.get('required', [])
        said = sorted(schema.get('properties', {}).items(),
                      key=lambda item: item[1].get('x-order', 1000))
        return (tuple(name for name, _ in said),
                tuple(_parameter(one, name in required)
                      for name, one in said))


def _parameter(schema: dict[str, Any], required: bool) -> str:
    """What a parameter takes, in one line."""
    parts = [str(schema.get('type', 'any'))]
    if 'minimum' in schema or 'maximum' in schema:
        parts.append(f'{schema.get("minimum", "")}..'
                     f'{schema.get("maximum", "")}')
    if 'enum' in schema:
        parts.append(' | '.join(map(str, schema['enum'])))
    parts.append('required' if required and 'default' not in schema
                 else f'default {schema.get("default")}')
    title = schema.get('title') or schema.get('description')
    return f'{", ".join(parts)}{f" ({title})" if title else ""}'


class ValidateBlueprint(base.Lister):
    """Check the folder of a blueprint or an element, without any service"""

    auth_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which folder; the options of other lists make no sense here."""
        parser = super(base.Lister, self).get_parser(prog_name)
        parser.add_argument('folder', metavar='<folder>',
                            help='It holds blueprint.yaml or element.yaml')
        return _with_folders(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> base.Columns:
        """All findings; exit code 1 when there is one."""
        # Only this command and the next one read blueprints themselves; the
        # others must not become slower for it.
        from hpcdirect.blueprints import validate

        found = validate.validate_folder(
            parsed_args.folder, parsed_args.elements, parsed_args.blueprints)
        self.exit_code = base.WRONG if found else 0
        if not found:
            self.say(f'{parsed_args.folder} is valid')
        return ('Where', 'Finding'), [
            (errors.clean(one.where), errors.clean(one.message))
            for one in found]


def _with_folders(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser, told where the parts of a blueprint are looked for."""
    parser.add_argument(
        '--elements', metavar='<folder>', action='append', default=[],
        help='Look for elements here first (repeat for several); '
             'default: beside the blueprint, then what is installed')
    parser.add_argument(
        '--blueprints', metavar='<folder>', action='append', default=[],
        help='Look here first for blueprints that others are made from '
             '(repeat for several); default: beside the blueprint, then what '
             'is installed')
    return parser


class ExportBlueprint(base.Base):
    """Write a blueprint whole to a folder of its own, without any service

    A blueprint that is made from another one is written with all that it has
    from there, and with it every element that it names and the modules of
    those. What is written needs nothing else.
    """

    auth_required = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which one, and where to."""
        parser = super().get_parser(prog_name)
        parser.add_argument('blueprint', metavar='<blueprint>',
                            help='Folder of a blueprint on this machine, or '
                                 '<name>[@<version>] of one that is '
                                 'installed or in ./blueprints')
        parser.add_argument('folder', metavar='<folder>',
                            help='Made, with blueprints/ and elements/ in it')
        return _with_folders(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Say where it is; exit code 1 with all that is wrong with it."""
        from hpcdirect import exception
        from hpcdirect.blueprints import export
        from hpcdirect.blueprints import validate

        try:
            found = validate.read_blueprint(
                validate.find_folder(parsed_args.blueprint,
                                     parsed_args.blueprints),
                parsed_args.elements, parsed_args.blueprints)
            export.write(found, pathlib.Path(parsed_args.folder))
        except exception.Invalid as exc:
            raise exceptions.CommandError(errors.clean(
                '\n'.join(map(str, exc.findings)))) from exc
        except OSError as exc:
            raise exceptions.CommandError(errors.clean(
                f'{exc.filename2 or exc.filename}: {exc.strerror}'
                if exc.strerror else exc)) from exc
        self.say(f'{found.ref} is in {parsed_args.folder}')
