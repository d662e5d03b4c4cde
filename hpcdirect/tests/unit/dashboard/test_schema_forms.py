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

"""Forms from schemas: what is shown, sent back and read is the same."""

import itertools
import os
import pathlib

import hypothesis
from hypothesis import strategies as st
import testtools
import yaml

from hpcdirect.blueprints import parameters
from hpcdirect.dashboard import schema_forms

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


class AnySchemaTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(forms())
    def test_what_is_shown_comes_back(self, form):
        schema, values = form
        data = schema_forms.typed(schema, values)
        reading = schema_forms.read(schema, sent(data))
        self.assertEqual({}, reading.errors)
        # With the defaults that the service puts in, as it does.
        wanted = parameters.fill(schema, values)
        self.assertEqual(
            schema_forms.canonical(wanted),
            schema_forms.canonical(parameters.fill(schema, reading.values)))
        # Drawn, it has what was sent: nothing more and nothing less.
        drawn = schema_forms.sections(schema, data)
        self.assertEqual(data, {field.name: field.text
                                for field in fields(drawn)})

    @SETTINGS
    @hypothesis.given(forms(), st.data())
    def test_whatever_is_typed_is_read_or_refused(self, form, data):
        schema, values = form
        shown = schema_forms.typed(schema, values)
        typed = {name: data.draw(st.one_of(st.just(text), TEXTS))
                 for name, text in shown.items()}
        reading = schema_forms.read(schema, typed)
        drawn = list(fields(schema_forms.sections(
            schema, typed, reading.errors)))
        self.assertEqual(typed, {field.name: field.text for field in drawn})
        self.assertEqual(
            set(reading.errors),
            {field.path for field in drawn if field.error})


class OwnBlueprintsTest(testtools.TestCase):
    """The forms of the blueprints in the tree."""

    def schemas(self):
        for file in sorted(ROOT.glob('blueprints/*/blueprint.yaml')):
            yield file.parent.name, yaml.safe_load(
                file.read_text())['parameters']

    def test_nothing_is_left_to_json(self):
        for name, schema in self.schemas():
            data = schema_forms.typed(schema, {})
            self.assertEqual({}, schema_forms.read(schema, data).values, name)
            for field in fields(schema_forms.sections(schema, data)):
                self.assertNotEqual('json', field.kind, field.path)
                self.assertNotEqual(field.path, field.title)
                for cell in field.blank:
                    self.assertNotEqual('json', cell.kind, cell.path)

    def test_a_table_of_people(self):
        schema = dict(self.schemas())['slurm']
        data = schema_forms.typed(schema, {'compute_count': 4}) | {
            'users:rows': '',
            'users.0.name:line': '', 'users.0.sudo:flag': 'false',
            'users.2.name:line': 'ada', 'users.2.sudo:flag': 'true',
            'users.2.keys:lines': 'ssh-ed25519 A a\r\n\r\nssh-rsa B b\r\n',
            'users.7.name:line': 'bob', 'users.7.uid:number': 'many'}
        reading = schema_forms.read(schema, data)
        # The first row is nobody; the last one has an error, not a hole.
        self.assertEqual({'compute_count': 4, 'users': [
            {'name': 'ada', 'sudo': True,
             'keys': ['ssh-ed25519 A a', 'ssh-rsa B b']},
            {'name': 'bob'}]}, reading.values)
        self.assertEqual({'users.7.uid': 'This is not a number.'},
                         reading.errors)
        self.assertEqual('users.2.name', reading.field(
            '$.create.parameters.users[0].name'))
        self.assertEqual('users.7.uid', reading.field(
            '$.parameters.users[1].uid'))
        self.assertEqual('users', reading.field('$.parameters.users'))
        self.assertEqual('', reading.field('$.create.name'))

    def test_sections_are_in_order(self):
        schema = {'properties': {
            'b': {'x-group': 'Two', 'x-order': 1},
            'a': {'x-group': 'One', 'x-order': 2},
            'c': {'x-group': 'One', 'x-order': 1, 'x-advanced': True},
            'd': {'x-group': 'Two'}, 'e': {'x-group': 'Two', 'x-order': 0}}}
        found = schema_forms.sections(schema, schema_forms.typed(schema, {}),
                                      {'c': 'wrong'})
        self.assertEqual(
            [('Two', ['e', 'b', 'd'], [], False),
             ('One', ['a'], ['c'], True)],
            [(one.title, [field.path for field in one.fields],
              [field.path for field in one.advanced], one.opened)
             for one in found])


class SecretTest(testtools.TestCase):

    def test_a_secret_is_never_shown(self):
        schema = {'properties': {'word': {
            'type': 'string', 'x-secret': True, 'minLength': 8}}}
        for value in ('open sesame', '******'):
            data = schema_forms.typed(schema, {'word': value})
            self.assertEqual({'word:secret': ''}, data)
        typed = {'word:secret': 'open sesame'}
        self.assertEqual({'word': 'open sesame'},
                         schema_forms.read(schema, typed).values)
        (section,) = schema_forms.sections(schema, typed)
        self.assertEqual('', section.fields[0].text)
