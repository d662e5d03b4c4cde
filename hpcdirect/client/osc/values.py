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

"""Parameters as they are written on a command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
import contextlib
import json
import pathlib
import sys
from typing import Any

from osc_lib import exceptions

from hpcdirect import sshkeys
from hpcdirect.client import textfiles


def add_options(parser: argparse.ArgumentParser) -> None:
    """--parameter, --parameter-file and --user."""
    add_parameter_options(parser)
    parser.add_argument(
        '--user', metavar='<name>[,key=<file>][,sudo]', action='append',
        default=[],
        help='User of the cluster with a public key, put into the '
             'parameter "users" (repeat for several)')


def add_parameter_options(parser: argparse.ArgumentParser,
                          owner: str = 'blueprint') -> None:
    """--parameter and --parameter-file.

    :param owner: whose parameters they are, for the help.
    """
    parser.add_argument(
        '--parameter', metavar='<name>=<value>', action='append', default=[],
        help=f'Parameter of the {owner}; the value is read as YAML or '
             'JSON (repeat for several)')
    parser.add_argument(
        '--parameter-file', metavar='<file>', action='append', default=[],
        help='YAML or JSON file of parameters, - for standard input; '
             '--parameter wins (repeat for several)')


def parameters(parsed_args: argparse.Namespace) -> dict[str, Any]:
    """What the options say, the users apart."""
    found: dict[str, Any] = {}
    for file in parsed_args.parameter_file:
        found.update(_file(file))
    for text in parsed_args.parameter:
        name, equals, value = text.partition('=')
        if not equals or not name:
            raise exceptions.CommandError(
                f'--parameter {text}: write <name>=<value>')
        found[name] = parse(value, name)
    return found


def written(value: Any) -> str:
    """A value as ``--parameter`` takes it: plain where it can be."""
    if isinstance(value, str):
        with contextlib.suppress(exceptions.CommandError):
            if parse(value) == value:
                return value
    return json.dumps(value, ensure_ascii=False)


def parse(text: str, name: str = '') -> Any:
    """A value: JSON and YAML lists and mappings, numbers, or just text."""
    with contextlib.suppress(ValueError, RecursionError):
        return _json(text)
    structured = text.lstrip()[:1] in ('[', '{', '"', "'")
    try:
        value = _yaml(f'--parameter {name}', text)
    except exceptions.CommandError:
        if structured:
            raise
        return text
    if structured or (value is None and text.strip() == '~'):
        return value
    odd = isinstance(value, (dict, list)) or value is None or (
        isinstance(value, (int, float)) and ':' in text)
    return text if odd else value


def _json(text: str) -> Any:
    """What JSON says; not all of it is YAML: 1e20, or a DEL in a text.

    :raises ValueError, RecursionError: it says nothing.
    """
    def refuse(name: str) -> None:
        # NaN and Infinity, which Python reads and JSON lacks.
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def _file(name: str) -> dict[str, Any]:
    try:
        text = (sys.stdin.read() if name == '-'
                else pathlib.Path(name).read_text('utf-8'))
    except (OSError, UnicodeError) as exc:
        raise exceptions.CommandError(
            f'--parameter-file {name}: {exc}') from exc
    try:
        found = _json(text)
    except (ValueError, RecursionError):
        found = _yaml(f'--parameter-file {name}', text)
    if not isinstance(found, dict):
        raise exceptions.CommandError(
            f'--parameter-file {name}: it must be a mapping of parameters')
    return found


def _yaml(where: str, text: str) -> Any:
    """What YAML says, as plain as JSON.

    :raises CommandError: with where, and everything that is wrong.
    """
    from hpcdirect.blueprints import document
    from hpcdirect.exception import BlueprintInvalid

    try:
        return document.parse(text.encode(errors='surrogateescape'),
                              pathlib.Path(where)).data
    except BlueprintInvalid as exc:
        raise exceptions.CommandError('\n'.join(
            f'{finding.where}: {finding.message}'
            for finding in exc.findings)) from None


def users(texts: Iterable[str], schema: Mapping[str, Any],
          known: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The parameter ``users`` with some added, or changed by name.

    :param schema: the blueprint's parameters, which say what a user has.
    """
    said = schema.get('properties', {}).get('users')
    if not said:
        raise exceptions.CommandError(
            '--user: this blueprint has no parameter "users"')
    target = str(said.get('items', {}).get('$ref', ''))
    items = (schema.get('$defs', {}).get(target.rpartition('/')[2], {})
             if target else said.get('items', {}))
    found = {str(one.get('name')): dict(one) for one in known}
    for text in texts:
        user = _user(text, items.get('properties', {}))
        found[user['name']] = {**found.get(user['name'], {}), **user}
    return list(found.values())


def _user(text: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    name, *rest = text.split(',')
    user: dict[str, Any] = {'name': name}
    keys = []
    for part in rest:
        if part.startswith('key='):
            keys.append(_key(part[4:]))
        elif part == 'sudo':
            user[_property(properties, 'sudo', 'admin')] = True
        else:
            raise exceptions.CommandError(
                f'--user {text}: {part} is neither key=<file> nor sudo')
    if keys:
        place = _property(properties, 'keys', 'ssh_keys', 'public_keys',
                          'authorized_keys', 'key', 'ssh_key', 'public_key')
        several = properties.get(place, {}).get('type') != 'string'
        user[place] = keys if several else keys[0]
    return user


def _property(properties: Mapping[str, Any], *names: str) -> str:
    """The name that the blueprint uses for it."""
    return next((name for name in names if name in properties), names[0])


def _key(name: str) -> str:
    """A public key: of a file, and never the private one by mistake."""
    try:
        key = textfiles.read(name).strip()
    except ValueError as exc:
        raise exceptions.CommandError(f'--user: key {name}: {exc}') from exc
    problem = sshkeys.is_private(key) or (
        'is not one line' if len(key.splitlines()) != 1 else '')
    if problem:
        raise exceptions.CommandError(f'--user: key {name}: {problem}')
    return key
