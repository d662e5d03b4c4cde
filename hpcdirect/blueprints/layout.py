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

"""How a form lays parameters out, by words beside what they take.

They change nothing about a cluster, and forms make do with anything. So a
wrong one is told to authors, and keeps no blueprint out of the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from hpcdirect.blueprints import element_check
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.document import Document
from hpcdirect.exception import Finding

#: What a form can offer: what the cloud has, and the user's own key pairs.
SOURCES = ('images', 'keypairs', 'networks', 'node-types')

#: Word -> what it takes.
_LAYOUT: Mapping[str, Mapping[str, Any]] = {
    'x-group': {'type': 'string', 'minLength': 1, 'maxLength': 40},
    'x-order': {'type': 'number'},
    'x-advanced': {'type': 'boolean'},
    'x-source': {'enum': list(SOURCES)},
}
#: Those that say what a change means, and what nobody is to read.
_OTHERS = ('x-secret', 'x-update', 'x-update-groups', 'x-update-reason')


def findings(source: Document) -> Iterator[Finding]:
    """What is wrong with the words that lay out a document's parameters.

    :param source: a blueprint or an element that is otherwise well.
    """
    for path, schema in element_check.schemas(
            source.data.get('parameters', {}), ('parameters',)):
        for word in schema:
            if word.startswith('x-'):
                for message in _wrong(word, schema):
                    name = path[-1] if len(path) > 1 else 'all'
                    yield source.finding(
                        (*path, word), f'{word} of {name} {message}.')


def _wrong(word: str, schema: Mapping[str, Any]) -> Iterator[str]:
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
