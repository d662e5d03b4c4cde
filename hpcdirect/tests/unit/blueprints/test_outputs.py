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

"""What a blueprint may say of what its clusters offer people."""

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Output
from hpcdirect.tests.unit.blueprints import folders
from hpcdirect.tests.unit.blueprints import test_load

ADDRESS = {'output': 'slurm.address'}
GOOD = {
    'page': {'title': 'Page', 'kind': 'url', 'value': 'http://$at:$port/',
             'with': {'at': ADDRESS, 'port': {'output': 'munge.port'}}},
    'submit': {'title': 'Submit', 'kind': 'command', 'description': 'So.',
               'value': 'sbatch -p $partition > $$HOME/log',
               'with': {'partition': {'parameter': 'partition'}},
               'when': {'parameter': 'scheduler'}},
}


class OutputsTest(test_load.FolderTest):

    def wrong(self, **output):
        """What is found wrong in an output that is otherwise."""
        return self.findings('outputs', {'page': {
            **GOOD['page'], **output}})

    def test_good(self):
        found = self.blueprint(folders.changed(
            folders.BLUEPRINT, 'outputs', to=GOOD))
        page, submit = found.outputs
        self.assertEqual(('page', 'url', 'Page'), (page.name, page.kind,
                                                   page.title))
        self.assertEqual({'parameter': 'scheduler'}, submit.when)

    def test_none(self):
        self.assertEqual((), self.blueprint().outputs)

    def test_wires_end_somewhere(self):
        self.assertEqual([
            'There is no output "slurm.adress"; did you mean '
            '"slurm.address"?'], self.wrong(**{'with': {
                'at': {'output': 'slurm.adress'},
                'port': {'output': 'munge.port'}}}))
        self.root = self.root / 'other'
        self.assertEqual(
            ['There is no parameter "partitions"; did you mean '
             '"partition"?'],
            self.wrong(when={'parameter': 'partitions'}))

    def test_names(self):
        for number, (value, message) in enumerate((
                ('http://$at/', 'There is no $port in it, which "with" '
                 'names.'),
                ('http://$at:$port/$x', '"with" does not say what $x is.'),
                ('http://$at:$port/?$', 'A "$" stands before what is not a '
                 'name; write "$$" for a dollar.'),
                ('javascript:$at:$port', 'A url begins with http:// or '
                 'https://.'),
                ('http://', None))):
            self.root = self.root / str(number)
            said = self.wrong(value=value)
            self.assertTrue(said)
            if message:
                self.assertEqual([message], said)

    def test_a_command_is_one_line(self):
        self.assertEqual(['A command is one line.'], self.wrong(
            kind='command', value='$at\n$port'))

    def test_shape(self):
        found = self.findings('outputs', {
            'Page': {'title': '', 'kind': 'link'},
            'two': {'title': 'T', 'kind': 'text', 'value': 'x',
                    'with': {'a': {'output': 'x.y', 'parameter': 'z'}}}})
        for words in ('kind', 'value', 'title', 'not a name'):
            self.assertTrue(any(words in one for one in found), found)
        self.assertGreaterEqual(len(found), 5)

    def test_no_secret(self):
        data = folders.changed(
            folders.BLUEPRINT, 'parameters', 'properties', 'word', to={
                'type': 'string', 'minLength': 8, 'x-secret': True})
        exc = self.assertRaises(
            test_load.exception.BlueprintInvalid, self.blueprint,
            folders.changed(data, 'outputs', to={'word': {
                'title': 'Word', 'kind': 'text', 'value': '$word',
                'with': {'word': {'parameter': 'word'}}}}))
        self.assertEqual(['Parameter word is secret, and outputs are shown.'],
                         self.said(exc))

    def told(self, given, known):
        found = self.blueprint(folders.changed(
            folders.BLUEPRINT, 'outputs', to=GOOD))
        return {one['name']: one['value'] for one in parameters.told(
            found.outputs, given, known)}

    def test_shown_when_all_is_known(self):
        given = {'partition': 'a b; rm', 'scheduler': True}
        known = {'slurm.address': '10.0.0.1', 'munge.port': 1234}
        self.assertEqual({
            'page': 'http://10.0.0.1:1234/',
            'submit': "sbatch -p 'a b; rm' > $HOME/log"},
            self.told(given, known))
        self.root = self.root / 'off'
        self.assertEqual({}, self.told({**given, 'scheduler': False},
                                       {'munge.port': 1234}))

    def test_what_is_put_in_stays_in_its_place(self):
        one = Output('p', 'P', 'url', 'http://h/$x', wires={
            'x': {'parameter': 'x'}})
        for text in ('a b', '"><b>', '\n', '?q#f', '../..', '$x'):
            (found,) = parameters.told([one], {'x': text}, {})
            self.assertRegex(found['value'], r'^http://h/[A-Za-z0-9%.$]*$')
