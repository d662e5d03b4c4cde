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

"""Where blueprints and elements lie, and which one is meant by a name.

Each lies in a folder NAME or NAME@VERSION; a blueprint may be made from
another one, which lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Generic
from typing import TypeVar

from hpcdirect.blueprints import document
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import members

#: kind -> the file that makes a folder one of that kind.
FILES = {'blueprint': 'blueprint.yaml', 'element': 'element.yaml'}

#: Longer numbers are no versions, and cost time to be read.
_DIGITS = 20
#: Blueprints that are each made from the next one; real ones are two.
MOST = 8

#: What tells blueprints apart to whoever reads them.
Key = TypeVar('Key')
#: Name and version.
Ident = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One blueprint or element, not yet read.

    :param version: empty when its file cannot be read.
    """

    kind: str
    name: str
    version: str
    folder: pathlib.Path


def version_key(version: str) -> tuple[int, ...]:
    """What versions are ordered by: 1.10 is higher than 1.9."""
    parts = [int(part) if part.isdecimal() and len(part) <= _DIGITS else -1
             for part in version.split('.')]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def scan(parent: pathlib.Path, kind: str) -> list[Entry]:
    """What of a kind lies in a folder, the highest version first."""
    try:
        folders = sorted(parent.iterdir())
    except OSError:
        return []
    return ordered(entry(folder, kind) for folder in folders
                   if (folder / FILES[kind]).is_file())


def ordered(entries: Iterable[Entry]) -> list[Entry]:
    """By name, then the highest version first; equal ones as they come."""
    found = sorted(entries, key=lambda entry: version_key(entry.version),
                   reverse=True)
    return sorted(found, key=lambda entry: entry.name)


def pick(entries: Iterable[Entry], name: str, version: str | None = None
         ) -> Entry | None:
    """The entry of that name and version, the first one that fits."""
    for entry in entries:
        if entry.name == name and version in (None, entry.version):
            return entry
    return None


def newest(versions: Iterable[str], wanted: str | None) -> str:
    """The version that is meant; '' when there is none.

    :param versions: those there are; '' is one that cannot be read, which
        may be any.
    :param wanted: ``1`` and ``1.2`` mean the highest that begins like this,
        ``1.2.3`` means itself; None is the highest of all.
    """
    parts = wanted.split('.') if wanted else []
    whole = len(parts) > 2
    return max((version for version in versions if parts == version.split(
        '.')[:None if whole else len(parts)]), key=version_key, default='')


def split(ref: str) -> tuple[str, str | None]:
    """``name`` or ``name@version`` in its parts."""
    name, _, version = ref.partition('@')
    return name, version or None


def entry(folder: pathlib.Path, kind: str) -> Entry:
    """What lies in a folder that has the file of its kind."""
    name, version = split(folder.name)
    if version is None:
        try:
            said = members(document.read(folder / FILES[kind]).data)
        except BlueprintInvalid:
            said = {}
        version = str(said.get('version', ''))
    return Entry(kind, name, version, folder)


# -- parents ----------------------------------------------------------------

class Parents(Generic[Key]):
    """Gives the blueprint that is meant by ``NAME@VERSION``.

    :param found: name and version of every blueprint -> what it is read by.
    :param load: reads the blueprint of that, with the parents for it.
    :param chain: the blueprints, each made from the next one, of which the
        last one asks.
    """

    def __init__(self, found: Mapping[Ident, Key],
                 load: Callable[[Key, Parents[Key]], Blueprint],
                 chain: tuple[Ident, ...] = ()) -> None:
        self._found = found
        self._load = load
        self._chain = chain

    def of(self, name: str, version: str) -> Parents[Key]:
        """The same, for a blueprint that asks."""
        return Parents(self._found, self._load,
                       (*self._chain, (name, version)))

    def __call__(self, ref: str) -> Blueprint:
        """The blueprint of ``name@version``; ``name@1`` is the highest 1.x.

        :raises NotFound: there is none.
        :raises BlueprintInvalid: it cannot be used.
        """
        name, wanted = split(ref)
        ident = name, newest(
            (version for other, version in self._found if other == name),
            wanted)
        if ident not in self._found:
            raise NotFound(resource='Blueprint', ident=ref, known=sorted(
                f'{other}@{version}' for other, version in self._found
                if version))
        if ident in self._chain:
            raise BlueprintInvalid([Finding(
                'It is made from itself: '
                + ' from '.join(map('@'.join, (*self._chain, ident))))])
        if len(self._chain) >= MOST:
            raise BlueprintInvalid([Finding(
                f'At most {MOST} blueprints can be made from each other.')])
        return self._load(self._found[ident], self.of(*ident))


def none(ref: str) -> Blueprint:
    """For blueprints that are all by themselves."""
    raise NotFound(resource='Blueprint', ident=ref, known=())
