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

"""Schemas as blueprints may have them, values of them, and a browser."""

import itertools
import os
import pathlib

import hypothesis
from hypothesis import strategies as st

from hpcdirect.blueprints import validate

ROOT = pathlib.Path(__file__).parents[4]
SETTINGS = hypothesis.settings(
    max_examples=int(os.environ.get('HPCDIRECT_EXAMPLES', '100')),
    deadline=None, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))

NAMES = st.from_regex(r'[a-z][a-z0-9_]{0,5}', fullmatch=True)
# With what browsers, forms and templates are known to stumble over.
TEXTS = st.one_of(st.text(), st.sampled_from(
    ['', ' ', 'a\nb', '\n', 'a\r\nb', '\r', '\0', '\ud800', '{$ 1+1 $}',
     '0', 'true', 'null', '<b>']))
NUMBERS = st.one_of(st.integers(), st.integers(10**400, 10**401),
                    st.floats(allow_nan=False, allow_infinity=False))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(
        st.one_of(NAMES, TEXTS), inner, max_size=4)), max_leaves=8)


@st.composite
def leaves(draw):
    """A property's schema, and a value that is likely to be of its kind."""
    kind, values = draw(st.sampled_from([
        ('string', TEXTS), ('integer', st.integers()), ('number', NUMBERS),
        ('boolean', st.booleans()), ('null', st.none()), (None, JSON),
        ('array', st.lists(JSON, max_size=3)), (['string', 'null'], TEXTS)]))
    schema = {} if kind is None else {'type': kind}
    if draw(st.booleans()):
        schema['enum'] = draw(st.lists(values, min_size=1, max_size=3))
        values = st.sampled_from(schema['enum'])
    if draw(st.booleans()):
        schema['default'] = draw(st.one_of(values, JSON))
    return schema, draw(st.one_of(values, JSON))


@st.composite
def tables(draw):
    """A list of texts or objects, and what may be in it."""
    if draw(st.booleans()):
        schema = {'type': 'array', 'items': {'type': 'string'}}
        values = draw(st.lists(TEXTS, max_size=4))
    else:
        cells = draw(st.dictionaries(
            st.one_of(NAMES, TEXTS), leaves(), max_size=3))
        schema = {'type': 'array', 'items': {
            'type': 'object', 'properties': {
                name: cell for name, (cell, _) in cells.items()}}}
        rows = {name: value for name, (_, value) in cells.items()}
        values = [{name: rows[name] for name in draw(
            st.lists(st.sampled_from(list(rows)), unique=True))}
            if rows else {} for _ in range(draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        schema['default'] = draw(st.one_of(st.just([]), st.just(values), JSON))
    return schema, values


@st.composite
def forms(draw):
    """A blueprint's parameters, and values of some of them."""
    fields = draw(st.dictionaries(NAMES, st.one_of(leaves(), tables()),
                                  max_size=4))
    schema = {'type': 'object', 'additionalProperties': False, 'properties': {
        name: inner for name, (inner, _) in fields.items()}}
    return schema, {name: value for name, (_, value) in fields.items()
                    if draw(st.booleans())}


def sent(data):
    """As a browser sends it: lines end in two letters, in UTF-8."""
    return {name: text.replace('\n', '\r\n').encode().decode()
            for name, text in data.items()}


def fields(drawn):
    """Every field of a form that is sent, tables' cells too."""
    for section in drawn:
        for field in section.fields + section.advanced:
            yield field
            yield from itertools.chain(*field.rows)


def blueprints():
    """The parameters of the blueprints in the tree: name -> schema."""
    return {file.parent.name: dict(
                validate.read_blueprint(file.parent).parameters)
            for file in sorted(ROOT.glob('blueprints/*/blueprint.yaml'))}
