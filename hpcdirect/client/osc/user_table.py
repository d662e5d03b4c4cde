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

"""Users from a table that a spreadsheet or a directory service has written."""

from __future__ import annotations

from collections.abc import Iterator
import csv
import io
import re
from typing import Any

from osc_lib import exceptions

from hpcdirect import sshkeys
from hpcdirect.client import textfiles
from hpcdirect.client.osc import moment

COLUMNS = ('name', 'key', 'uid', 'groups', 'shell', 'sudo', 'expires')
_DELIMITERS = ',;\t|'
_YES = ('yes', 'y', 'true', 't', '1', 'on', 'x')
_NO = ('no', 'n', 'false', 'f', '0', 'off', '-')


def read(file: str) -> dict[str, dict[str, Any]]:
    """The users of a table in a file.

    :param file: its name, ``-`` for standard input.
    :raises CommandError: as :func:`parse`, or it cannot be read.
    """
    try:
        text = textfiles.read(file)
    except ValueError as exc:
        raise exceptions.CommandError(f'--from-csv {file}: {exc}') from exc
    return parse(text, file)


def parse(text: str, file: str) -> dict[str, dict[str, Any]]:
    """The users of a table: name -> fields of the account.

    Cells are separated by commas, semicolons, tabs or bars, whichever
    separates the names of the columns in the first line.

    :param file: what to call it.
    :raises CommandError: all that is wrong, with the number of each line.
    """
    users: dict[str, dict[str, Any]] = {}
    wrong: list[str] = []
    for line, row in _rows(text, file):
        problems: list[str] = []
        name = row.get('name', '')
        if not name:
            problems.append('no name')
        elif name in users:
            problems.append(f'{name} is there twice')
        users[name] = _fields(row, problems)
        wrong += [f'{file}:{line}: {problem}' for problem in problems]
    if wrong:
        raise exceptions.CommandError('\n'.join(wrong))
    return users


def _rows(text: str, file: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number of the line, and column -> cell, of all that has cells."""
    # A spreadsheet may say in a line of its own what it separates cells by.
    said = re.match(r'sep=(.)\r?\n', text)
    body = text[said.end():] if said else text
    first = next(iter(body.splitlines()), '')
    delimiter = said[1] if said else max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(body, newline=''), delimiter=delimiter,
                        strict=True, skipinitialspace=True)
    offset = 1 if said else 0
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        wrong = [name for name in names if name not in COLUMNS]
        if wrong or 'name' not in names or len(set(names)) < len(names):
            raise exceptions.CommandError(
                f'{file}:{1 + offset}: the first line names the columns, '
                f'each once, of which there are {", ".join(COLUMNS)}; name '
                'must be there'
                + (f'; not known: {", ".join(map(repr, wrong))}' if wrong
                   else ''))
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if len(cells) > len(names) and any(cells[len(names):]):
                raise exceptions.CommandError(
                    f'{file}:{reader.line_num + offset}: {len(cells)} cells '
                    f'for {len(names)} columns; a cell that has '
                    f'{delimiter!r} in it goes in double quotes')
            if any(cells):
                yield reader.line_num + offset, dict(
                    zip(names, cells, strict=False))
    except csv.Error as exc:
        raise exceptions.CommandError(
            f'{file}:{reader.line_num + offset}: {exc}') from exc


def _fields(row: dict[str, str], problems: list[str]) -> dict[str, Any]:
    """The fields of an account; what is wrong goes to *problems*."""
    said: dict[str, Any] = {}
    if row.get('key'):
        if sshkeys.is_private(row['key']):
            problems.append('key ' + sshkeys.is_private(row['key']))
        said['keys'] = [line.strip() for line in row['key'].splitlines()]
    if row.get('uid'):
        if re.fullmatch('[0-9]+', row['uid']):
            said['uid'] = int(row['uid'])
        else:
            problems.append('uid is not a number')
    if row.get('groups'):
        said['groups'] = [one for one in re.split(r'[ ,;]+', row['groups'])
                          if one]
    if row.get('shell'):
        said['shell'] = row['shell']
    if row.get('sudo'):
        word = row['sudo'].lower()
        said['sudo'] = word in _YES
        if word not in (*_YES, *_NO):
            problems.append(f'sudo is {row["sudo"]!r}; write yes or no')
    if row.get('expires'):
        try:
            said['expires_at'] = moment.parse(row['expires'])
        except exceptions.CommandError as exc:
            problems.append(f'expires: {exc}')
    return said
