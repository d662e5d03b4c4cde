#!/usr/bin/env python3
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

"""Measure how well the code can be lived in, and compare it with limits.

    house.py             one line for each figure; exit code 1 if one is over
    house.py --verbose   and what is behind it: files, functions, names
    house.py --json      the same for programs, to compare two commits

Everything is read from the syntax tree of ``hpcdirect`` without its tests,
but the walk of a request: that one is run, and needs what the functional
tests need. How a figure is counted stands in the docstring of its function.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
import dataclasses
import functools
import hashlib
import json
import pathlib
import re
import sys
from types import FrameType

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'hpcdirect'
sys.path.insert(0, str(ROOT))

#: The rooms whose signatures should say what they take and give.
TYPED_ROOMS = ('blueprints', 'planning', 'api')
#: Two plain labels of a cluster; see :func:`files_of_a_field`.
FIELD, LIKE_IT = 'description', 'protected'
#: What more than one class was named, for different things.
AMBIGUOUS = ('Order', 'Wanted', 'Place', 'Account', 'Machine', 'Progress',
             'Change', 'Difference', 'Step', 'Plan', 'User', 'Project',
             'Deployment')
#: A shorter file is like its neighbours by its form alone.
SHORT = 10

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the sheet.

    :ivar value: what was measured.
    :ivar limit: what it must not be over; None when it is only told.
    :ivar details: what stands behind it.
    """

    name: str
    value: float
    limit: float | None = None
    details: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def __str__(self) -> str:
        verdict = '' if self.limit is None else (
            'holds' if self.holds else 'OVER')
        limit = '-' if self.limit is None else f'{self.limit:g}'
        return f'{self.value:8g} {limit:>6} {verdict:6}{self.name}'


# -- the syntax tree ------------------------------------------------------

@functools.cache
def modules() -> dict[str, ast.Module]:
    """Path below the package -> tree; all of it without its tests."""
    return {name: ast.parse(text(name)) for path in sorted(
        PACKAGE.rglob('*.py')) if not (name := str(
            path.relative_to(PACKAGE))).startswith('tests/')}


def text(name: str) -> str:
    return (PACKAGE / name).read_text()


def room_of(name: str) -> str:
    """The folder that a module is in, or the module itself."""
    return name.partition('/')[0]


def functions(room: str = '') -> Iterator[tuple[str, Function]]:
    """Every function with a name to find it by; of a room, or of all."""
    for name, tree in modules().items():
        if room in ('', room_of(name)):
            yield from _functions(tree, f'{name}:')


def _functions(node: ast.AST, before: str
               ) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        inside = before
        if isinstance(child, Function):
            yield before + child.name, child
            inside = f'{before}{child.name}.<locals>.'
        elif isinstance(child, ast.ClassDef):
            inside = f'{before}{child.name}.'
        yield from _functions(child, inside)


def _docstring(node: ast.AST) -> ast.stmt | None:
    """The statement that is the docstring of a module, class or function."""
    if isinstance(node, ast.Module | ast.ClassDef | Function) \
            and ast.get_docstring(node, clean=False) is not None:
        return node.body[0]
    return None


def code_lines(tree: ast.AST) -> set[int]:
    """Numbers of the lines that nodes of the tree stand on, no docstrings.

    Of a node with statements in it that is the first line, and what those
    stand on: so neither comments count, nor empty lines, nor a bare ``else:``.
    """
    found: set[int] = set()
    pending = [tree]
    while pending:
        node = pending.pop()
        docstring = _docstring(node)
        pending += [child for child in ast.iter_child_nodes(node)
                    if child is not docstring]
        holds = isinstance(node, ast.Match) \
            or isinstance(getattr(node, 'body', None), list)
        first, last = (getattr(node, where, None)
                       for where in ('lineno', 'end_lineno'))
        if first and last:
            found.update(range(first, (first if holds else last) + 1))
    return found


# -- the walk of a request ------------------------------------------------

def walk() -> Row:
    """Files of the package that POST /v1/clusters enters until its 202.

    With the fake backend, and not the very first request: the catalogue was
    read from disk before. Files in which a function is called count, those
    that are only imported do not.
    """
    from hpcdirect.tests.functional import api

    entered: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == 'call' and frame.f_code.co_name != '<module>':
            entered.add(frame.f_code.co_filename)

    with api.Api() as fixture:
        fixture.create('first')
        sys.setprofile(note)
        try:
            fixture.create('second', description='A cluster.')
        finally:
            sys.setprofile(None)
    found = sorted(name for name in modules()
                   if str(PACKAGE / name) in entered)
    return Row('files on the walk of POST /v1/clusters', len(found), 24,
               tuple(found))


# -- figures of the tree --------------------------------------------------

def _names(tree: ast.AST) -> set[str]:
    """Every name in it: of variables, attributes, arguments, strings."""
    said: set[object] = set()
    for node in ast.walk(tree):
        for part in ('id', 'attr', 'arg', 'value'):
            word = getattr(node, part, None)
            said.add(word if isinstance(word, str) else None)
    return {word for word in said if isinstance(word, str)}


def files_of_a_field() -> Row:
    """Files of the service to edit for one more plain field of a cluster.

    Those that name both ``description`` and ``protected``, as a name or as a
    whole string; and one migration. ``description`` alone is a word of JSON
    Schema and of blueprints as well, and who names ``protected`` alone does
    something about it; who names both only passes plain fields on. Client
    and portal are not counted, nor are migrations that there are.
    """
    found = [name for name, tree in modules().items()
             if room_of(name) not in ('client', 'dashboard')
             and '/migrations/' not in name
             and {FIELD, LIKE_IT} <= _names(tree)]
    return Row('files edited for one more field of a cluster',
               len(found) + 1, 4, (*found, 'one migration'))


def longest_function() -> Row:
    """The most lines of a function, from ``def`` on: :func:`code_lines`."""
    sizes = sorted(((sum(line >= function.lineno
                         for line in code_lines(function)), name)
                    for name, function in functions()), reverse=True)
    return Row('lines of the longest function', sizes[0][0], 40, tuple(
        f'{lines} {name}' for lines, name in sizes if lines > 40))


def largest_module() -> Row:
    """The most lines of a file, with its licence."""
    sizes = sorted(((len(text(name).splitlines()), name)
                    for name in modules()), reverse=True)
    return Row('lines of the largest module', sizes[0][0], 400, tuple(
        f'{lines} {name}' for lines, name in sizes if lines > 400))


def _arguments(function: Function) -> list[ast.arg]:
    given = function.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs]


def many_arguments() -> Row:
    """Functions that take more than five arguments by name.

    ``self`` and ``cls`` are not counted, nor are ``*args`` and ``**kwargs``.
    """
    found = []
    for name, function in functions():
        taken = [one.arg for one in _arguments(function)]
        number = len(taken) - (taken[:1] in (['self'], ['cls']))
        if number > 5:
            found.append(f'{number} {name}')
    return Row('functions with more than five arguments', len(found), 0,
               tuple(sorted(found, reverse=True)))


def _classes() -> Iterator[tuple[str, str]]:
    """Name and module of every class."""
    return ((node.name, name) for name, tree in modules().items()
            for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _words(node: ast.AST) -> set[str]:
    """The names in a type, also in one that is written as text."""
    return {word for name in _names(node)
            for word in re.findall(r'\w+', name)}


@functools.cache
def _aliases() -> list[tuple[str, str, set[str]]]:
    """Names that modules give to types: module, name, names in the type."""
    found = []
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(
                    node.value, ast.Name | ast.Subscript | ast.BinOp):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign) and node.value \
                    and 'TypeAlias' in _names(node.annotation):
                targets = [node.target]
            else:
                continue
            found += [(module, target.id, _words(node.value))
                      for target in targets if isinstance(target, ast.Name)]
    return found


@functools.cache
def aliases_of_any(module: str) -> frozenset[str]:
    """``Any``, and names of the package that are put together from it.

    By name, wherever it is used; one that is a class elsewhere counts in the
    module that says it.
    """
    classes = {name for name, _ in _classes()}
    found = {'Any'}
    while more := {name for where, name, names in _aliases()
                   if names & found and (name not in classes
                                         or where == module)} - found:
        found |= more
    return frozenset(found)


def vague_signatures(room: str) -> Row:
    """Percent of signatures in a room that say Any, or an alias of it."""
    every = list(functions(room))
    if not every:
        raise LookupError(f'There is no function in {room}/.')
    vague = [name for name, function in every if any(
        said and _words(said) & aliases_of_any(name.partition(':')[0])
        for said in (function.returns, *(
            one.annotation for one in ast.walk(function.args)
            if isinstance(one, ast.arg))))]
    return Row(f'percent of signatures in {room}/ that say Any',
               round(100 * len(vague) / len(every), 1), 25,
               tuple(vague))


def tries() -> Row:
    """``try`` in the controllers of the API."""
    found = [f'{name}:{node.lineno}' for name, tree in modules().items()
             if name.startswith('api/controllers/')
             for node in ast.walk(tree) if isinstance(node, ast.Try)]
    return Row('try in api/controllers', len(found), 0, tuple(found))


def ambiguous_names() -> Row:
    """Words of a list that are classes in more than one module.

    ``client/resources.py`` and ``api/controllers`` are left out: what stands
    there is the same thing, as the SDK sees it and as it is served.
    """
    places = defaultdict(list)
    for name, module in _classes():
        if not module.startswith(('client/resources.py', 'api/controllers/')):
            places[name].append(module)
    found = [f'{word}: {", ".join(places[word])}' for word in AMBIGUOUS
             if len(set(places[word])) > 1]
    return Row('names of classes with two meanings', len(found), 0,
               tuple(found))


def ignores() -> Row:
    """``# type: ignore``."""
    found = [f'{name}:{number}' for name in modules()
             for number, line in enumerate(text(name).splitlines(), 1)
             if re.search(r'#\s*type:\s*ignore', line)]
    return Row('type ignores', len(found), 5, tuple(found))


def undocumented() -> Row:
    """Functions without docstring whose names nowhere begin with ``_``.

    What is inside of a function is not public. What overrides another method
    may have its docstring there, which no tree tells: it is counted.
    """
    found = [name for name, function in functions()
             if not ast.get_docstring(function)
             and not re.search('[:.][_<]', name)]
    return Row('public functions without docstring', len(found),
               details=tuple(found))


def lines_of_code() -> Row:
    """Lines of the package that :func:`code_lines` finds."""
    rooms = Counter[str]()
    for name, tree in modules().items():
        rooms[room_of(name)] += len(code_lines(tree))
    return Row('lines of code', sum(rooms.values()), details=tuple(
        f'{number} {room}' for room, number in rooms.most_common()))


# -- YAML -----------------------------------------------------------------

@functools.cache
def documents() -> dict[pathlib.Path, list[str]]:
    """Every YAML file that is shipped -> its lines that say something."""
    return {path.relative_to(ROOT): [
        line.strip() for line in path.read_text().splitlines()
        if line.strip() and not line.lstrip().startswith('#')]
        for folder in ('blueprints', 'elements')
        for path in sorted((ROOT / folder).rglob('*'))
        if path.suffix in ('.yaml', '.yml') and path.is_file()}


def lines_of_yaml() -> Row:
    """Lines of blueprints/ and elements/ without empty ones and comments."""
    return Row('lines of YAML', sum(map(len, documents().values())))


def equal_documents() -> Row:
    """YAML files that another one is equal to, byte for byte."""
    alike = defaultdict(list)
    for path in documents():
        alike[hashlib.sha256((ROOT / path).read_bytes()).digest()].append(
            str(path))
    found = [' = '.join(paths) for paths in alike.values() if len(paths) > 1]
    return Row('YAML files that are copies of another',
               sum(len(paths) - 1 for paths in alike.values()), 0,
               tuple(found))


def like_documents() -> Row:
    """YAML files of which over 60 % of lines stand in a sibling.

    A sibling is the file of the same name in another blueprint or element.
    A line counts as often as it stands in both. Left out are files of less
    than ten lines, and ``grade.yaml``, which a program writes.
    """
    found = []
    for path, lines in documents().items():
        shares = [(_share(lines, others), str(other))
                  for other, others in documents().items()
                  if other != path and other.parts[0] == path.parts[0]
                  and other.parts[2:] == path.parts[2:]]
        share, other = max(shares, default=(0.0, ''))
        if share > 0.6 and len(lines) >= SHORT and path.name != 'grade.yaml':
            found.append(f'{100 * share:.0f} % of {path} in {other}')
    return Row('YAML files of which over 60 % stand in a sibling',
               len(found), 0, tuple(found))


def _share(lines: list[str], others: list[str]) -> float:
    both = (Counter(lines) & Counter(others)).total()
    return both / len(lines) if lines else 0.0


# -- the sheet ------------------------------------------------------------

FIGURES: tuple[Callable[[], Row], ...] = (
    walk, files_of_a_field, longest_function, largest_module, many_arguments,
    *(functools.partial(vague_signatures, room) for room in TYPED_ROOMS),
    tries, ambiguous_names, ignores, undocumented, equal_documents,
    like_documents, lines_of_code, lines_of_yaml)


def main(arguments: list[str] | None = None) -> int:
    """Print the sheet.

    :returns: 1 when a figure is over its limit, otherwise 0.
    """
    parser = argparse.ArgumentParser(
        description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--verbose', action='store_true',
                        help='also what is behind each figure')
    parser.add_argument('--json', action='store_true',
                        help='print it as JSON')
    given = parser.parse_args(arguments)
    rows = [figure() for figure in FIGURES]
    if given.json:
        print(json.dumps([{**dataclasses.asdict(row), 'holds': row.holds}
                          for row in rows], indent=1))
    else:
        print('   value  limit')
        for row in rows:
            print(row, *row.details if given.verbose else (),
                  sep=f'\n{"":24}')
    return int(not all(row.holds for row in rows))


if __name__ == '__main__':
    raise SystemExit(main())
