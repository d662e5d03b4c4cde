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

"""Where blueprints and elements lie: NAME or NAME@VERSION, in a folder."""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
import pathlib

from hpcdirect.blueprints import document
from hpcdirect.exception import BlueprintInvalid

#: kind -> the file that makes a folder one of that kind.
FILES = {'blueprint': 'blueprint.yaml', 'element': 'element.yaml'}

#: Longer numbers are no versions, and cost time to be read.
_DIGITS = 20


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
            data = document.read(folder / FILES[kind]).data
            version = str(data['version'])
        except (BlueprintInvalid, KeyError, TypeError):
            version = ''
    return Entry(kind, name, version, folder)
