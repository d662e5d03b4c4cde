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

"""Reads one YAML file safely, and remembers the line of everything in it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import math
import pathlib
from typing import Any

import yaml

from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.jsontypes import JSON

#: What a file may have at most; real ones stay far below.
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_NODES = 20000
#: Of a whole number: what a double can hold.
MAX_BITS = 1023
#: Letters of a value that a finding shows.
_SHOWN = 80
#: What PyYAML raises: also for a tag and a text that do not fit.
UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError,
              TypeError, RecursionError)

_PLAIN = ('tag:yaml.org,2002:map', 'tag:yaml.org,2002:seq')

Path = tuple[str | int, ...]
#: Where a value is said: a file, and a line of it, counted from 1.
Origin = tuple[pathlib.Path, int]


class Document:
    """A file's content as plain JSON values, and where each of them is.

    :param file: the path by which the file is named in findings.
    :param origins: path of a value -> where it is said.
    :param parents: folders of the blueprints that it is made from.
    """

    def __init__(self, file: pathlib.Path, data: JSON,
                 origins: dict[Path, Origin],
                 parents: frozenset[pathlib.Path] = frozenset()) -> None:
        self.file = file
        self.data = data
        self.origins = origins
        self.parents = parents

    def origin(self, path: Path) -> Origin:
        """Where a value is said, or the nearest thing around it."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, (self.file, 1))

    def where(self, *path: str | int) -> str:
        """``file:line`` of a value, or of the nearest thing around it."""
        file, line = self.origin(path)
        return f'{file}:{line}'

    def finding(self, path: Iterable[str | int], message: str) -> Finding:
        """A finding about the value at *path*."""
        if message.endswith('?.'):  # it ended in a question already
            message = message[:-1]
        return Finding(message, self.where(*path))

    def told(self, finding: Finding) -> Finding:
        """A finding that names this file, also when another one is at fault.

        What a parent says is told at the line that names the parent; the
        message has the place where it is said.
        """
        file = pathlib.Path(finding.where.rpartition(':')[0])
        if file.parent not in self.parents:
            return finding
        return self.finding(
            ('from',), f'{finding.message} It comes from {finding.where}.')


#: libyaml's, where PyYAML has it: ten times as fast.
SafeLoader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


class _Events(yaml.composer.Composer, SafeLoader):
    """Nodes composed here of what libyaml, where it is there, parsed."""

    def __init__(self, stream: bytes) -> None:
        super(yaml.composer.Composer, self).__init__(stream)
        yaml.composer.Composer.__init__(self)


class _Loader(_Events):
    """Stops at what a hostile file is made of, before it is in memory."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int
                     ) -> yaml.Node | None:
        event = self.peek_event()
        mark = event.start_mark
        if getattr(event, 'anchor', None) is not None:
            raise _Refused('Anchors and aliases (&, *) are not allowed; '
                           'write the value out.', mark)
        if self.depth > MAX_DEPTH:
            raise _Refused(f'Nested deeper than {MAX_DEPTH} levels.', mark)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _Refused(f'More than {MAX_NODES} values.', mark)
        self.depth += 1
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
            return node
        finally:
            self.depth -= 1


# A date has no JSON; left a string, it is what its author wrote.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers
            if tag not in ('tag:yaml.org,2002:timestamp',
                           'tag:yaml.org,2002:merge',
                           'tag:yaml.org,2002:value')]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


class _Refused(yaml.MarkedYAMLError):
    """Valid YAML that we do not take."""

    def __init__(self, message: str, mark: yaml.Mark | None) -> None:
        super().__init__(problem=message, problem_mark=mark)


def read(file: pathlib.Path) -> Document:
    """Read a YAML file.

    :raises BlueprintInvalid: it is missing, too large, or no plain YAML.
    """
    try:
        with file.open('rb') as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        raise BlueprintInvalid([Finding(
            f'Cannot be read: {exc.strerror}.', str(file))]) from exc
    if len(content) > MAX_BYTES:
        raise BlueprintInvalid([Finding(
            'Larger than 1 MiB.', f'{file}:1')])
    return parse(content, file)


def parse(content: bytes, file: pathlib.Path) -> Document:
    """Make a document of a file's content.

    :raises BlueprintInvalid: it is not plain YAML.
    """
    try:
        return _parse(content, file)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        finding = Finding(
            ' '.join(filter(None, (exc.context, exc.problem))),
            f'{file}:{mark.line + 1 if mark else 1}')
    except UNREADABLE as exc:
        finding = Finding(f'Not valid YAML: {" ".join(str(exc).split())}',
                          f'{file}:1')
    raise BlueprintInvalid([finding])


def _parse(content: bytes, file: pathlib.Path) -> Document:
    loader = _Loader(content)
    try:
        node = loader.get_single_node()
        if node is None:
            raise _Refused('The file is empty.', None)
        document = Document(file, None, {})
        findings: list[Finding] = []
        document.data = _value(loader, node, document, (), findings)
    finally:
        loader.dispose()
    if findings:
        raise BlueprintInvalid(findings)
    return document


def _value(loader: _Loader, node: yaml.Node, document: Document, path: Path,
           findings: list[Finding]) -> JSON:
    """The plain value of a node; notes the lines on the way."""
    document.origins.setdefault(
        path, (document.file, node.start_mark.line + 1))
    if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN:
        raise _Refused(f'Tag {node.tag} is not allowed.', node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, document, (*path, number), findings)
                for number, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, JSON] = {}
        for key, item in _entries(node, document, findings):
            document.origins[(*path, key.value)] = (
                document.file, key.start_mark.line + 1)
            found[key.value] = _value(loader, item, document,
                                      (*path, key.value), findings)
        return found
    try:
        value: JSON = loader.construct_object(node, deep=True)
    except yaml.YAMLError:
        raise
    except UNREADABLE:
        value = math.nan
    if not _is_plain(value):
        findings.append(Finding(
            f'"{node.value[:_SHOWN]}" is not a JSON value.',
            f'{document.file}:{node.start_mark.line + 1}'))
    return value


def _is_plain(value: object) -> bool:
    """Whether every program that reads JSON can read it."""
    if isinstance(value, int):
        return value.bit_length() <= MAX_BITS
    return value is None or isinstance(value, str) or (
        isinstance(value, float) and math.isfinite(value))


def _entries(node: yaml.MappingNode, document: Document,
             findings: list[Finding]
             ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """The entries of a mapping whose keys are text and come once."""
    seen: dict[str, int] = {}
    for key, item in node.value:
        line = key.start_mark.line + 1
        where = f'{document.file}:{line}'
        if key.tag != 'tag:yaml.org,2002:str':
            text = getattr(key, 'value', '') if isinstance(
                key, yaml.ScalarNode) else 'this key'
            findings.append(Finding(
                f'Keys must be text; put {text} in quotes.', where))
        elif key.value in seen:
            findings.append(Finding(
                f'"{key.value}" is given twice, first in line '
                f'{seen[key.value]}.', where))
        else:
            seen[key.value] = line
            yield key, item
