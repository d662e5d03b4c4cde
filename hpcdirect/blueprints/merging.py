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

"""A blueprint that is made from another one: what it changes, merged into it.

Mappings are merged as RFC 7396 (JSON merge patch) says, elements by their
name; any other list, and a wire, is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
import dataclasses
import json

from hpcdirect.blueprints import document
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.document import Document
from hpcdirect.blueprints.document import Path
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import entries
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import text

#: What a blueprint never takes from another one.
OWN = ('name', 'version', 'label', 'description')
#: What an entry of ``elements`` says of the list, not of the element.
_ABOUT = ('before', 'remove')
_FROM: Path = ('from',)
_ELEMENTS: Path = ('elements',)


def merged(parent: Document, child: Document
           ) -> tuple[Document, list[Finding]]:
    """What a blueprint and the one that it is made from say together.

    :param parent: of a valid blueprint, itself composed or not.
    :param child: fits ``schema.composed``.
    :returns: that, without ``from``; and what is wrong with the changes.
    :raises BlueprintInvalid: it is too large.
    """
    made = Document(child.file, None, {_FROM: child.origin(_FROM)},
                    parent.parents | {parent.file.parent})
    merge = _Merge(made)
    data = members(merge.patched(
        _Part(parent, (), _without(parent.data, OWN)),
        _Part(child, (), _without(child.data, _FROM)), ()))
    made.data = {key: data[key] for key in (*OWN, *data) if key in data}
    nodes = sum(1 + (path != () and isinstance(path[-1], str))
                for path in made.origins)  # a member's key is one as well
    if nodes > document.MAX_NODES \
            or len(json.dumps(made.data)) > document.MAX_BYTES:
        raise BlueprintInvalid([made.finding(_FROM, (
            'With what it is made from, it has more than '
            f'{document.MAX_NODES} values or is larger than 1 MiB.'))])
    return made, merge.findings


def _without(said: JSON, names: Collection[str | int]) -> dict[str, JSON]:
    return {key: value for key, value in members(said).items()
            if key not in names}


@dataclasses.dataclass(frozen=True)
class _Part:
    """A value somewhere in a document.

    :param value: what is there, as far as it matters.
    """

    source: Document
    path: Path
    value: JSON

    def __getitem__(self, key: str | int) -> _Part:
        inner = entries(self.value)[key] if isinstance(key, int) \
            else members(self.value)[key]
        return _Part(self.source, (*self.path, key), inner)

    def __iter__(self) -> Iterator[_Part]:
        """The entries of a list."""
        return (self[number] for number in range(len(entries(self.value))))

    def emptied(self) -> _Part:
        """An empty mapping in its place."""
        return dataclasses.replace(self, value={})

    @property
    def where(self) -> str:
        """``file:line``."""
        return self.source.where(*self.path)


class _Merge:
    """Puts one document together; notes where all of it comes from."""

    def __init__(self, made: Document) -> None:
        self.made = made
        self.findings: list[Finding] = []

    def kept(self, part: _Part, path: Path) -> JSON:
        """A value as it is in one of the documents."""
        self.made.origins[path] = part.source.origin(part.path)
        if isinstance(part.value, dict):
            return {key: self.kept(part[key], (*path, key))
                    for key in part.value}
        if isinstance(part.value, list):
            return [self.kept(one, (*path, number))
                    for number, one in enumerate(part)]
        return part.value

    def patched(self, old: _Part, new: _Part, path: Path) -> JSON:
        """A value of the parent as the child changes it."""
        if path == _ELEMENTS:
            return self._elements(old, new)
        if not isinstance(new.value, dict) or parameters.is_wire(new.value):
            return self.kept(new, path)
        if not isinstance(old.value, dict) or parameters.is_wire(old.value):
            old = old.emptied()
        self.made.origins.setdefault(path, new.source.origin(new.path))
        found, known = {}, members(old.value)
        for key in {**known, **new.value}:
            place = (*path, key)
            if key not in new.value:
                found[key] = self.kept(old[key], place)
            elif new.value[key] is not None:
                found[key] = self.patched(
                    old[key] if key in known else old.emptied(),
                    new[key], place)
            elif key not in known:
                self._lacks(new[key], f'"{key}" to take away', old, (
                    key, known))
        return found

    def _lacks(self, said: _Part, what: str, old: _Part,
               meant: tuple[str, Collection[str]]) -> None:
        """Find that something is not there.

        :param meant: a name, and those that it could have been.
        """
        # To look for what is alike takes time, and nobody reads that many.
        instead = wording.similar(*meant) if len(
            self.findings) < wording.MOST else ''
        self.findings.append(said.source.finding(
            said.path, f'There is no {what} in {old.where}{instead}.'))

    # -- elements ---------------------------------------------------------

    def _elements(self, old: _Part, new: _Part) -> list[JSON]:
        """The elements of the parent, changed, and those that are added."""
        known = {_name(one): one for one in old}
        order = [*known]
        changes: dict[str, _Part] = {}
        for change in new:
            name = _name(change)
            if name in changes:
                self.findings.append(change.source.finding(
                    change.path, f'{name} is listed twice.'))
                continue
            changes[name] = change
            if 'remove' not in members(change.value):
                self._put(order, change, old)
            elif name in order:
                order.remove(name)
            else:
                self._lacks(change, f'element "{name}" to take away', old, (
                    name, order))
        self.made.origins[_ELEMENTS] = new.source.origin(new.path)
        return [self._changed(known.get(name), changes[name],
                              (*_ELEMENTS, number)) if name in changes
                else self.kept(known[name], (*_ELEMENTS, number))
                for number, name in enumerate(order)]

    def _put(self, order: list[str], change: _Part, old: _Part) -> None:
        """Give an element its place among the others, in *order*."""
        name = _name(change)
        before = text(members(change.value).get('before'))
        if not before and name in order:
            return
        others = [other for other in order if other != name]
        if before in others:
            others.insert(others.index(before), name)
        else:
            others.append(name)
            if before:
                self._lacks(change['before'],
                            f'element "{before}" that {name} could be before',
                            old, (before, order))
        order[:] = others

    def _changed(self, old: _Part | None, new: _Part, path: Path
                 ) -> JSON:
        """An element that the child changes or adds."""
        said = _without(new.value, _ABOUT)
        if old is not None and '@' not in text(said['name']):
            # It only says which element is meant; the version stays.
            said['name'] = old['name'].value
        return self.patched(old or new.emptied(), dataclasses.replace(
            new, value=said), path)


def _name(element: _Part) -> str:
    return text(element['name'].value).partition('@')[0]
