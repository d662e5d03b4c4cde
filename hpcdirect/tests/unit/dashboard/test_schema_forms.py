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

import hypothesis
import testtools

from hpcdirect.blueprints import parameters
from hpcdirect.dashboard import schema_forms
from hpcdirect.tests.unit.dashboard import forms


class AnySchemaTest(testtools.TestCase):

    @forms.SETTINGS
    @hypothesis.given(forms.forms())
    def test_what_is_shown_comes_back(self, form):
        schema, values = form
        data = schema_forms.typed(schema, values)
        reading = schema_forms.read(schema, forms.sent(data))
        self.assertEqual({}, reading.errors)
        # With the defaults that the service puts in, as it does.
        wanted = parameters.fill(schema, values)
        self.assertEqual(
            schema_forms.canonical(wanted),
            schema_forms.canonical(parameters.fill(schema, reading.values)))


class OwnBlueprintsTest(testtools.TestCase):
    """The forms of the blueprints in the tree."""

    def test_as_they_are_they_say_nothing(self):
        for name, schema in forms.blueprints().items():
            data = schema_forms.typed(schema, {})
            self.assertEqual({}, schema_forms.read(schema, data).values, name)

    def test_a_table_of_people(self):
        schema = forms.blueprints()['slurm']
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
