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

"""The layout of a form: all that was sent, each thing at its place."""

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.dashboard import form_layout
from hpcdirect.dashboard import schema_forms
from hpcdirect.tests.unit.dashboard import forms


class AnySchemaTest(testtools.TestCase):

    @forms.SETTINGS
    @hypothesis.given(forms.forms())
    def test_it_has_what_was_sent(self, form):
        schema, values = form
        data = schema_forms.typed(schema, values)
        # Nothing more and nothing less.
        drawn = form_layout.sections(schema, data)
        self.assertEqual(data, {field.name: field.text
                                for field in forms.fields(drawn)})

    @forms.SETTINGS
    @hypothesis.given(forms.forms(), st.data())
    def test_whatever_is_typed_is_read_or_refused(self, form, data):
        schema, values = form
        shown = schema_forms.typed(schema, values)
        typed = {name: data.draw(st.one_of(st.just(text), forms.TEXTS))
                 for name, text in shown.items()}
        reading = schema_forms.read(schema, typed)
        drawn = list(forms.fields(form_layout.sections(
            schema, typed, reading.errors)))
        self.assertEqual(typed, {field.name: field.text for field in drawn})
        self.assertEqual(
            set(reading.errors),
            {field.path for field in drawn if field.error})


class OwnBlueprintsTest(testtools.TestCase):
    """The forms of the blueprints in the tree."""

    def test_nothing_is_left_to_json(self):
        for schema in forms.blueprints().values():
            data = schema_forms.typed(schema, {})
            for field in forms.fields(form_layout.sections(schema, data)):
                self.assertNotEqual('json', field.kind, field.path)
                self.assertNotEqual(field.path, field.title)
                for cell in field.blank:
                    self.assertNotEqual('json', cell.kind, cell.path)


class SectionsTest(testtools.TestCase):

    def test_sections_are_in_order(self):
        schema = {'properties': {
            'b': {'x-group': 'Two', 'x-order': 1},
            'a': {'x-group': 'One', 'x-order': 2},
            'c': {'x-group': 'One', 'x-order': 1, 'x-advanced': True},
            'd': {'x-group': 'Two'}, 'e': {'x-group': 'Two', 'x-order': 0}}}
        found = form_layout.sections(schema, schema_forms.typed(schema, {}),
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
        (section,) = form_layout.sections(
            schema, {'word:secret': 'open sesame'})
        self.assertEqual('', section.fields[0].text)
