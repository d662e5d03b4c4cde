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

"""Checks a folder that somebody is writing, without any service."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import functools
import pathlib
import sys

from hpcdirect.blueprints import document
from hpcdirect.blueprints import element_check
from hpcdirect.blueprints import folders
from hpcdirect.blueprints import load
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.document import Document
from hpcdirect.blueprints.folders import Parents
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members

#: What a form can offer: what the cloud has, and the user's own key pairs.
SOURCES = ('images', 'keypairs', 'networks', 'node-types')

#: Word -> what it takes.
_LAYOUT: Mapping[str, Object] = {
    'x-group': {'type': 'string', 'minLength': 1, 'maxLength': 40},
    'x-order': {'type': 'number'},
    'x-advanced': {'type': 'boolean'},
    'x-source': {'enum': list(SOURCES)},
}
#: Those that say what a change means, and what nobody is to read.
_OTHERS = ('x-secret', 'x-update', 'x-update-groups', 'x-update-reason')


def default_search(folder: pathlib.Path, kind: str = 'element'
                   ) -> list[pathlib.Path]:
    """Where elements are looked for: beside the blueprint, then installed.

    :param kind: or ``blueprint``, for those that others are made from.
    """
    return [folder.resolve().parent.parent / f'{kind}s',
            pathlib.Path(__file__).resolve().parents[2] / f'{kind}s',
            pathlib.Path(sys.prefix, 'share', 'hpcdirect', f'{kind}s')]


def validate_folder(path: str | pathlib.Path,
                    search: Iterable[str | pathlib.Path] = (),
                    blueprints: Iterable[str | pathlib.Path] = ()
                    ) -> list[Finding]:
    """Everything that is wrong with a blueprint's or an element's folder.

    :param search: folders of elements to look in before the usual ones.
    :param blueprints: the same, for the blueprints that it is made from.
    """
    folder = pathlib.Path(path)
    try:
        if (folder / 'blueprint.yaml').is_file():
            source = read_blueprint(folder, search, blueprints).source
        elif (folder / 'element.yaml').is_file():
            load.load_element(folder)
            source = document.read(folder / 'element.yaml')
        else:
            return [Finding('There is neither a blueprint.yaml nor an '
                            'element.yaml in this folder.', str(folder))]
    except BlueprintInvalid as exc:
        return list(exc.findings)
    return [source.told(one) for one in _layout(source)]


def _layout(source: Document) -> Iterator[Finding]:
    """What is wrong with the words that lay out a document's parameters.

    They change nothing about a cluster, and forms make do with anything. So
    a wrong one is told to authors, and keeps no blueprint out of the
    catalogue.

    :param source: a blueprint or an element that is otherwise well.
    """
    for path, schema in element_check.schemas(
            members(source.data).get('parameters'), ('parameters',)):
        for word in schema:
            if word.startswith('x-'):
                for message in _wrong(word, schema):
                    name = path[-1] if len(path) > 1 else 'all'
                    yield source.finding(
                        (*path, word), f'{word} of {name} {message}.')


def _wrong(word: str, schema: Object) -> Iterator[str]:
    if word in _LAYOUT:
        for _, message in wording.findings(_LAYOUT[word], schema[word]):
            yield message
    elif word not in _OTHERS:
        yield 'is no word of ours' + wording.similar(
            word, (*_LAYOUT, *_OTHERS))
    items = schema.get('items')
    kind = items.get('type') if schema.get('type') == 'array' \
        and isinstance(items, Mapping) else schema.get('type')
    if word == 'x-source' and kind != 'string':
        yield 'goes with a text, or a list of texts'


def read_blueprint(folder: pathlib.Path,
                   search: Iterable[str | pathlib.Path] = (),
                   blueprints: Iterable[str | pathlib.Path] = ()
                   ) -> Blueprint:
    """The blueprint in a folder, whole; parameters as above.

    :raises BlueprintInvalid: with every finding.
    """
    find = functools.cache(Finder(
        [*map(pathlib.Path, search), *default_search(folder)]))
    entry = folders.entry(folder.resolve(), 'blueprint')
    return load.load_blueprint(folder, find, parents(
        [*map(pathlib.Path, blueprints), folder.resolve().parent,
         *default_search(folder, 'blueprint')],
        find).of(entry.name, entry.version))


def find_folder(named: str, blueprints: Iterable[str | pathlib.Path] = ()
                ) -> pathlib.Path:
    """Where the blueprint lies that somebody names.

    :param named: its folder, or ``name`` or ``name@version``.
    :param blueprints: folders of blueprints to look in before the usual
        ones: ``blueprints`` here, what is installed.
    :raises Invalid: there is none.
    """
    if (pathlib.Path(named) / folders.FILES['blueprint']).is_file():
        return pathlib.Path(named)
    entries = [entry for parent in dict.fromkeys((
        *map(pathlib.Path, blueprints),
        *default_search(pathlib.Path('x/x'), 'blueprint')))
        for entry in folders.scan(parent, 'blueprint')]
    entry = folders.pick(folders.ordered(entries), *folders.split(named))
    if entry is None:
        known = wording.similar(named, {one.name for one in entries})
        raise Invalid([Finding(f'There is no blueprint "{named}", and no '
                               f'folder of one{known}.')])
    return entry.folder


def parents(where: Iterable[pathlib.Path], find: load.Elements
            ) -> Parents[pathlib.Path]:
    """Gives the blueprints in folders, those of the first folder first.

    :param find: gives their elements.
    """
    found: dict[tuple[str, str], pathlib.Path] = {}
    for parent in where:
        for entry in folders.scan(parent.resolve(), 'blueprint'):
            found.setdefault((entry.name, entry.version), entry.folder)
    return Parents(found, lambda folder, others: load.load_blueprint(
        folder, find, others))


class Finder:
    """Finds elements in folders, those of the first folder first."""

    def __init__(self, parents: Iterable[pathlib.Path]) -> None:
        self._entries = [entry for parent in parents
                         for entry in folders.scan(parent, 'element')]

    def __call__(self, ref: str) -> Element:
        """The element of a ``name`` or ``name@version``."""
        entry = folders.pick(self._entries, *folders.split(ref))
        if entry is None:
            raise NotFound(resource='Element', ident=ref,
                           known=sorted({one.name for one in self._entries}))
        return load.load_element(entry.folder)
