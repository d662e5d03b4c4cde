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

"""What the ``openstack hpc`` commands have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import itertools
import re
import sys
import textwrap
from typing import Any
from typing import ClassVar
from typing import NoReturn

from cliff import columns
from keystoneauth1 import exceptions as ksa_exceptions
from openstack import exceptions as sdk_exceptions
from osc_lib import exceptions as osc_exceptions
from osc_lib.command import command

from hpcdirect.client import errors

#: The exit codes besides 0: usage or HTTP, deployment failed, timed out.
WRONG, FAILED, TIMED_OUT = 1, 2, 3

#: What the service's ids look like.
_ID = re.compile('[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}')

#: Characters of a line in a cell of a table, and failures that it names.
WIDEST, _FAILURES = 90, 3

#: Options of filters that the service knows by another word.
_OPTIONS = {'q': 'search'}

#: Of which cluster a command is; see :attr:`Base.arguments`.
CLUSTER: Mapping[str, Mapping[str, Any]] = {
    'cluster': {'metavar': '<cluster>', 'help': 'Name or id'}}
#: The same of a command that is about something of a cluster: where the
#: cluster is a filter it is --cluster, so that is understood here as well.
OF_CLUSTER: Mapping[str, Mapping[str, Any]] = {
    'cluster': {'metavar': '<cluster>', 'nargs': '?',
                'help': 'Name or id; or give it by --cluster'},
    '--cluster': {'dest': 'named', 'metavar': '<cluster>',
                  'help': 'Name or id, in place of the argument'}}

Columns = tuple[tuple[str, ...], Any]


class _Paragraphs(argparse.HelpFormatter):
    """Keeps a description's paragraphs apart."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return '\n\n'.join(super(_Paragraphs, self)._fill_text(
            paragraph, width, indent) for paragraph in text.split('\n\n'))


class Base(command.Command):
    """Turns errors into one plain message, and results into exit codes."""

    auth_required = True
    exit_code = 0
    #: Whether it goes without one of OF_CLUSTER.
    of_any: ClassVar[bool] = False
    #: What it takes: name -> how argparse is told.
    arguments: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """A parser that exits with 1: 2 is a deployment that failed."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        usual: Any = parser.formatter_class
        kept: Any = type('Formatter', (_Paragraphs, usual), {})
        parser.formatter_class = kept

        def error(message: str) -> NoReturn:
            parser.print_usage(sys.stderr)
            parser.exit(WRONG, f'{parser.prog}: error: {message}\n')

        vars(parser).update(error=error, parse_args=functools.partial(
            self._parsed, parser))
        for name, words in self.arguments.items():
            parser.add_argument(name, **words)
        return parser

    def _parsed(self, parser: argparse.ArgumentParser,
                words: Sequence[str] | None = None,
                into: argparse.Namespace | None = None) -> argparse.Namespace:
        """What a command line says."""
        words = list(sys.argv[1:] if words is None else words)
        places = [one for one in parser._actions if not one.option_strings]
        for one in places[:-1]:
            # The first of several arguments would be taken for the cluster.
            if one.dest == 'cluster' and '--cluster' in (
                    word.partition('=')[0] for word in words):
                one.nargs = argparse.SUPPRESS
        # Options may stand between arguments: "user create lab --sudo ann".
        found: argparse.Namespace = parser.parse_intermixed_args(words, into)
        if '--cluster' in self.arguments:
            said = [name for name in (found.cluster, found.named) if name]
            if len(said) > 1 or not (said or self.of_any):
                parser.error('say once which cluster: as <cluster>, or by '
                             '--cluster')
            found.cluster = said[0] if said else None
        return found

    @property
    def api(self) -> Any:
        """The service's proxy; see hpcdirect.client.proxy."""
        manager: Any = self.app.client_manager
        return manager.hpc_cluster

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Do the command; its own exit code, or WRONG with one message."""
        try:
            return int(super().run(parsed_args) or self.exit_code)
        except (sdk_exceptions.SDKException,
                ksa_exceptions.ClientException) as exc:
            raise osc_exceptions.CommandError(errors.text(exc)) from exc

    def say(self, text: str) -> None:
        """A line for people, on stderr."""
        print(text, file=sys.stderr, flush=True)


class ShowOne(Base, command.ShowOne):
    """A command that shows one thing."""


class Drawing(ShowOne):
    """A command that draws one thing; in JSON or YAML it is as it is told."""

    def drawn(self, found: Mapping[str, Any]) -> Iterator[str]:
        """The lines of the drawing."""
        raise NotImplementedError

    def produce_output(self, parsed_args: argparse.Namespace,
                       column_names: Any, data: Any) -> int:
        """A drawing in place of a table."""
        if parsed_args.formatter != 'table':
            return int(super().produce_output(parsed_args, column_names,
                                              data) or 0)
        found = dict(zip(column_names, data, strict=True))
        self.app.stdout.write(''.join(
            f'{errors.clean(line)}\n' for line in self.drawn(found)))
        return 0


class Lister(Base, command.Lister):
    """A command that lists things, page by page."""

    #: column -> attribute; the second ones only with --long.
    columns: ClassVar[Mapping[str, str]] = {}
    more: ClassVar[Mapping[str, str]] = {}
    #: Filters: option -> help.
    filters: ClassVar[Mapping[str, str]] = {}
    #: What the service takes of pages and order; nothing of a list that it
    #: gives whole.
    paged: ClassVar[tuple[str, ...]] = ('limit', 'marker', 'sort')
    #: Whether it can be asked of every project.
    every_project: ClassVar[bool] = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The options that every list has, and the filters."""
        parser = super().get_parser(prog_name)
        parser.add_argument('--long', action='store_true',
                            help='List more columns')
        self._add_pages(parser)
        if self.every_project:
            add_all_projects(parser)
        for name, help_text in self.filters.items():
            words = _OPTIONS.get(name, name).replace('_', '-')
            parser.add_argument(f'--{words}', dest=name,
                                metavar=f'<{words}>', help=help_text)
        return parser

    def _add_pages(self, parser: argparse.ArgumentParser) -> None:
        if 'limit' in self.paged:
            parser.add_argument('--limit', type=int, metavar='<number>',
                                help='The most to list; default all')
        if 'marker' in self.paged:
            parser.add_argument('--marker', metavar='<id>',
                                help='List what comes after this one')
        # cliff's own --sort-column sorts what is shown; this one asks the
        # service, which matters with --limit.
        if 'sort' in self.paged:
            parser.add_argument('--sort', metavar='<key>[:<direction>]',
                                help='Sort by these keys, comma separated')

    def query(self, parsed_args: argparse.Namespace) -> dict[str, Any]:
        """What to ask the service for."""
        names = [*self.paged, *self.filters]
        found = {name: getattr(parsed_args, name) for name in names}
        if found.get('cluster'):
            found['cluster'] = self.cluster_id(found['cluster'])
        return {**(all_projects(parsed_args) if self.every_project else {}),
                **{name: value for name, value in found.items()
                   if value is not None}}

    def cluster_id(self, name: str) -> str:
        """The id of a cluster; an id is one, also when it is gone."""
        return name if _ID.fullmatch(name) \
            else str(self.api.get_cluster(name).id)

    def table(self, parsed_args: argparse.Namespace,
              fetch: Callable[..., Iterable[Any]], **query: Any) -> Columns:
        """The columns and rows of a list."""
        shown = {**self.columns, **(self.more if parsed_args.long else {})}
        asked = {**self.query(parsed_args), **query}
        found = itertools.islice(fetch(**asked), asked.get('limit'))
        rows = ([cell(getattr(one, name)) for name in shown.values()]
                for one in found)
        return tuple(shown), rows


def add_all_projects(parser: argparse.ArgumentParser
                     ) -> argparse.ArgumentParser:
    """The option to ask for every project's."""
    parser.add_argument('--all-projects', action='store_true',
                        help='Of every project (admin only)')
    return parser


def all_projects(parsed_args: argparse.Namespace) -> dict[str, str]:
    """What to ask the service for, by that option."""
    return {'all_projects': 'true'} if parsed_args.all_projects else {}


def cell(value: Any) -> Any:
    """A value as it stands in a table: readable there, whole in JSON."""
    if isinstance(value, (dict, list)):
        return Nested(value)
    if not isinstance(value, str):
        return value
    text = errors.clean(value)
    return Text(text) if len(value) > WIDEST or '\n' in value else text


class Number(columns.FormattableColumn[float | None]):
    """A number: itself in JSON, ``-`` in a table when there is none."""

    def human_readable(self) -> str:
        """The number or a dash."""
        return '-' if self._value is None else str(self._value)


class Text(columns.FormattableColumn[str]):
    """A long text: itself in JSON, lines that can be read in a table."""

    def human_readable(self) -> str:
        """The text, folded."""
        return _folded(self._value)


class Failures(columns.FormattableColumn[Any]):
    """Why a deployment failed: in a table, where and what, a line each."""

    def human_readable(self) -> str:
        """The first few; all of them are in JSON."""
        found: Any = self._value or []
        lines = [': '.join(filter(None, (
            ' on '.join(str(one[name]) for name in ('element', 'node')
                        if one.get(name)) or one.get('step'),
            one.get('message')))) for one in found[:_FAILURES]]
        if len(found) > _FAILURES:
            lines.append(f'and {len(found) - _FAILURES} more')
        return '\n'.join(_folded(errors.clean(line)) for line in lines)


class Outputs(columns.FormattableColumn[Any]):
    """What a cluster offers people: in a table, a line each."""

    def human_readable(self) -> str:
        """Title and value; never folded, to be copied."""
        return '\n'.join(
            errors.clean(f'{one["title"]}: {one["value"]}').replace('\n', ' ')
            for one in self._value or ())


def _folded(text: str) -> str:
    """Lines that a table has room for, also in a pipe."""
    return '\n'.join(folded for line in text.splitlines() for folded in (
        textwrap.wrap(line, WIDEST) or ['']))


class Nested(columns.FormattableColumn[Any]):
    """A mapping or list: itself in JSON, a line for each part in a table."""

    def human_readable(self) -> str:
        """``name: value`` for each, what is inside that in one line."""
        value: Any = self._value
        if isinstance(value, list):
            words = all(isinstance(one, str) for one in value)
            return _folded((', ' if words else '\n').join(
                map(_line, value)))
        return _folded('\n'.join(f'{_line(name)}: {_line(one)}'
                                 for name, one in value.items()))


def _line(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        return ', '.join(f'{name} {_line(one)}' for name, one
                         in value.items() if one not in (None, '', [], {}))
    if isinstance(value, list):
        return ' '.join(map(_line, value))
    return errors.clean(value).replace('\n', ' ')


_COLUMNS: Mapping[str, Callable[[Any], Any]] = {
    'failures': Failures, 'titled_outputs': Outputs}


def pairs(found: Mapping[str, Any], names: Iterable[str]) -> Columns:
    """The two columns of a show command."""
    wanted = [name for name in names if name in found]
    return tuple(wanted), tuple(
        _COLUMNS.get(name, cell)(found[name]) for name in wanted)
