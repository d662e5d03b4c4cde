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

"""The contract of a blueprint source, and what sources of files share."""

from __future__ import annotations

import abc
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import hashlib
import os
import pathlib
from typing import TypeVar

from hpcdirect import exception
from hpcdirect.blueprints import content
from hpcdirect.blueprints import folders
from hpcdirect.blueprints import load
from hpcdirect.blueprints.folders import none
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element

T = TypeVar('T')

#: Gives the element of a ``name`` or ``name@version``, from any source.
Elements = Callable[[str], Element]
#: Gives the blueprint that another one is made from, from any source.
Parents = Callable[[str], Blueprint]


@dataclasses.dataclass(frozen=True)
class Ref:
    """One version of a blueprint or an element that a source has.

    :param kind: ``blueprint`` or ``element``.
    :param version: empty when it could not be read.
    """

    kind: str
    name: str
    version: str


class Source(abc.ABC):
    """Finds blueprints and elements. Reads only.

    Caching, which source wins, and which version is the highest are the
    catalogue's. A source only says what there is and reads it.
    """

    @abc.abstractmethod
    def list(self, kind: str) -> Iterable[Ref]:
        """What there is of a kind, broken ones among them."""

    @abc.abstractmethod
    def load_element(self, name: str, version: str | None = None) -> Element:
        """Read an element; without a version the highest.

        :raises NotFound: there is none of that name and version.
        :raises BlueprintInvalid: it is written wrongly.
        """

    @abc.abstractmethod
    def load_blueprint(self, name: str, version: str | None = None,
                       elements: Elements | None = None,
                       parents: Parents = none) -> Blueprint:
        """Read a blueprint; without a version the highest.

        :param elements: where its elements come from; without it, from
            this source alone.
        :param parents: where what it is made from comes from; without it,
            from nowhere.
        :raises NotFound: there is none of that name and version.
        :raises BlueprintInvalid: it, or one of its elements, is written
            wrongly.
        """

    @abc.abstractmethod
    def watch_token(self) -> str:
        """Changes when anything changed."""


class FolderSource(Source):
    """What lies in folders that hold ``blueprints/`` and ``elements/``.

    What was read is kept, and read again only when a file of it changed.
    """

    _kept: Kept | None = None

    @abc.abstractmethod
    def roots(self) -> Sequence[pathlib.Path]:
        """Those folders; the first that has a version of a name wins."""

    def list(self, kind: str) -> Iterable[Ref]:
        """What there is of a kind, broken ones among them."""
        found = (Ref(kind, entry.name, entry.version)
                 for entry in self._entries(kind))
        return tuple(dict.fromkeys(found))

    def load_element(self, name: str, version: str | None = None) -> Element:
        """Read an element; without a version the highest."""
        return self._memory.element(self._folder('element', name, version))

    def load_blueprint(self, name: str, version: str | None = None,
                       elements: Elements | None = None,
                       parents: Parents = none) -> Blueprint:
        """Read a blueprint; without a version the highest."""
        return self._memory.blueprint(
            self._folder('blueprint', name, version),
            elements or self._own_element, parents)

    def watch_token(self) -> str:
        """Name, time, size and inode of every file, in one digest."""
        return _token(*(root / f'{kind}s' for root in self.roots()
                        for kind in folders.FILES))

    @property
    def _memory(self) -> Kept:
        if self._kept is None:
            self._kept = Kept()
        return self._kept

    def _own_element(self, ref: str) -> Element:
        return self.load_element(*folders.split(ref))

    def _entries(self, kind: str) -> Sequence[folders.Entry]:
        parents = [root / f'{kind}s' for root in self.roots()]
        return self._memory.entries(kind, parents)

    def _folder(self, kind: str, name: str, version: str | None
                ) -> pathlib.Path:
        entries = self._entries(kind)
        entry = folders.pick(entries, name, version)
        if entry is None:
            raise exception.NotFound(
                resource=kind.capitalize(),
                ident=f'{name}@{version}' if version else name,
                known=sorted({one.name for one in entries}))
        return entry.folder


class Kept:
    """What was read of folders, for as long as their files stay as they are.

    An element counts with the modules that all elements beside it share; a
    blueprint, with the elements and the parent that it was read with.
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[str, Sequence[folders.Entry]]] = {}
        self._elements: dict[pathlib.Path, tuple[str, Element]] = {}
        self._blueprints: dict[pathlib.Path, tuple[
            str, Mapping[str, Element], Mapping[str, Blueprint],
            Blueprint]] = {}

    def entries(self, kind: str, parents: Iterable[pathlib.Path]
                ) -> Sequence[folders.Entry]:
        """What of a kind lies in some folders."""
        where = [*parents]
        files = [file for parent in where
                 for file in sorted(parent.glob(f'*/{folders.FILES[kind]}'))]
        token = _token(*files)
        known = self._entries.get(kind)
        if known is None or known[0] != token:
            known = token, folders.ordered(
                entry for parent in where
                for entry in folders.scan(parent, kind))
            self._entries[kind] = known
        return known[1]

    def element(self, folder: pathlib.Path) -> Element:
        """The element in a folder."""
        token = _token(folder, folder.resolve().parent / content.MODULES)
        known = self._elements.get(folder)
        if known is None or known[0] != token:
            known = token, load.load_element(folder)
            self._elements[folder] = known
        return known[1]

    def blueprint(self, folder: pathlib.Path, elements: Elements,
                  parents: Parents) -> Blueprint:
        """The blueprint in a folder."""
        token = _token(folder)
        known = self._blueprints.get(folder)
        parents = _once(parents)
        if known is None or known[0] != token or not (
                _same(known[1], elements) and _same(known[2], parents)):
            asked: dict[str, Element] = {}
            above: dict[str, Blueprint] = {}
            known = token, asked, above, load.load_blueprint(
                folder, _noting(elements, asked), _noting(parents, above))
            self._blueprints[folder] = known
        return known[3]


def _once(give: Callable[[str], T]) -> Callable[[str], T]:
    """The same, asked once; else each link doubles what a broken one costs."""
    answers: dict[str, T | exception.HPCDirectError] = {}

    def given(ref: str) -> T:
        if ref not in answers:
            try:
                answers[ref] = give(ref)
            except exception.HPCDirectError as exc:
                answers[ref] = exc
        answer = answers[ref]
        if isinstance(answer, exception.HPCDirectError):
            raise answer
        return answer

    return given


def _noting(give: Callable[[str], T], noted: dict[str, T]
            ) -> Callable[[str], T]:
    """The same, and it notes what it gives."""
    def given(ref: str) -> T:
        noted[ref] = give(ref)
        return noted[ref]

    return given


def _same(noted: Mapping[str, T], give: Callable[[str], T]) -> bool:
    """Whether what is given now is the very same as what was given before."""
    try:
        return all(give(ref) is one for ref, one in noted.items())
    except exception.HPCDirectError:
        return False


def _token(*places: pathlib.Path) -> str:
    """Name, time, size and inode of every file of some, in one digest."""
    total = hashlib.sha256()
    for place in places:
        for file in sorted(_files(place)):
            total.update(file.encode(errors='surrogateescape'))
    return total.hexdigest()


def _files(place: pathlib.Path) -> Iterator[str]:
    """A line for each file of a folder, or for the one file it is."""
    walked = os.walk(place) if place.is_dir() else [
        (str(place.parent), [], [place.name])]
    for top, inner, files in walked:
        inner[:] = [name for name in inner if name != '__pycache__']
        for name in files:
            try:
                stat = os.stat(os.path.join(top, name))
            except OSError:  # gone since, or a link to nowhere
                continue
            yield (f'{top}/{name}\0{stat.st_mtime_ns}\0{stat.st_size}\0'
                   f'{stat.st_ino}\n')
