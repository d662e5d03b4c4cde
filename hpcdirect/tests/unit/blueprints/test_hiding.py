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

"""Secret parameters: what is shown, what is kept, how they are declared."""

import pathlib

import fixtures
import testtools

from hpcdirect import digests
from hpcdirect.blueprints import load
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import wording
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.tests.unit.blueprints import folders

SECRET = {'type': 'string', 'minLength': 8, 'x-secret': True}
BOX = {digests.SEALED: 'x'}
SCHEMA = {'type': 'object', 'properties': {
    'word': SECRET, 'name': {'type': 'string'},
    'all': {'type': 'array', 'items': {'type': 'object', 'properties': {
        'word': SECRET}}},
    'each': {'type': 'object', 'additionalProperties': SECRET}}}
VALUE = {'word': 'w', 'name': 'n', 'all': [{'word': 'v', 'x': 1}],
         'each': {'a': 'u', 'b': ''}, 'other': BOX}
MARKED = {'properties': {
    'licence': {'type': 'string', 'x-secret': True},
    'login': {'properties': {'word': {'format': 'password'},
                             'name': {'type': 'string'}}},
    'keys': {'items': {'x-secret': True}},
    'bundle': {'x-secret': True},
    'plain': {'type': 'string'}}}
GIVEN = {'licence': 'one', 'login': {'word': 'two', 'name': 'ann'},
          'keys': ['three', ''], 'plain': 'x', 'other': 1,
          'bundle': {'a': ['four', 5], 'b': {'c': 'six'}}}


class HidingTest(testtools.TestCase):

    def test_shown(self):
        stars = parameters.HIDDEN
        self.assertEqual(
            {'licence': stars, 'login': {'word': stars, 'name': 'ann'},
             'keys': [stars, ''], 'plain': 'x', 'other': 1, 'bundle': stars},
            parameters.hidden(MARKED, GIVEN))

    def test_what_is_not_given_is_not_said_to_be(self):
        self.assertEqual({'licence': ''},
                         parameters.hidden(MARKED, {'licence': ''}))
        self.assertEqual(['a'], parameters.hidden(None, ['a']))

    def test_secrets(self):
        self.assertEqual({'one', 'two', 'three', 'four', 'six'},
                         set(parameters.secrets(MARKED, GIVEN)))

    def test_hidden(self):
        stars = parameters.HIDDEN
        self.assertEqual(
            {'word': stars, 'name': 'n', 'all': [{'word': stars, 'x': 1}],
             'each': {'a': stars, 'b': ''}, 'other': stars},
            parameters.hidden(SCHEMA, VALUE))
        self.assertEqual({**VALUE, 'other': stars},
                         parameters.hidden({}, VALUE))

    def test_sealed_and_opened(self):
        closed = parameters.replaced(SCHEMA, VALUE,
                                 lambda one: {digests.SEALED: one})
        self.assertEqual({digests.SEALED: 'v'}, closed['all'][0]['word'])
        self.assertEqual(closed, parameters.replaced(SCHEMA, closed, str))
        self.assertEqual(VALUE | {'other': 'x'}, digests.opened(
            closed, lambda box: box[digests.SEALED]))
        del closed['each']['b']
        self.assertEqual([], list(wording.findings(SCHEMA, closed)))

    def test_findings_do_not_tell(self):
        for value in ('short', 12345678, ['a-long-word']):
            (_, said), = wording.findings(SCHEMA, {'word': value})
            self.assertNotIn('short', said)
            self.assertNotIn('123', said)
            self.assertNotIn('long', said)


class DeclaredTest(testtools.TestCase):
    """What an author is told."""

    def findings(self, blueprint, element):
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        folder = folders.write_tree(root, blueprint,
                                    (folders.MUNGE, element))

        def element_of(ref):
            return load.load_element(root / 'elements' / ref)

        try:
            load.load_blueprint(folder, element_of)
        except BlueprintInvalid as exc:
            return [finding.message for finding in exc.findings]
        return []

    def secret(self, theirs, ours, **more):
        """Partition is what the two schemas say."""
        element = folders.changed(folders.SLURM, 'parameters', 'properties',
                                  'partition', to=theirs)
        blueprint = folders.changed(
            folders.BLUEPRINT, 'parameters', 'properties', 'partition',
            to=ours)
        for path, value in more.items():
            blueprint = folders.changed(blueprint, *path.split('__'),
                                        to=value)
        return self.findings(blueprint, element)

    def test_well(self):
        self.assertEqual([], self.secret(SECRET, SECRET))
        self.assertEqual([], self.secret({'type': 'string'}, SECRET))

    def test_both_ends(self):
        self.assertIn('mark parameter partition x-secret',
                      self.secret(SECRET, {'type': 'string'})[0])

    def test_how(self):
        short = {'type': 'string', 'x-secret': True}
        self.assertIn('minLength', ' '.join(self.secret(short, SECRET)))
        said = {**SECRET, 'default': 'everybody'}
        self.assertIn('could read its default', ' '.join(
            self.secret({'type': 'string'}, said)))
        deep = {'type': 'string', 'anyOf': [SECRET]}
        self.assertIn('that counts below', ' '.join(
            self.secret({'type': 'string'}, deep)))

    def test_all_parameters_at_once(self):
        for more in ({'default': True}, {'x-secret': True}):
            said = self.findings(folders.changed(
                folders.BLUEPRINT, 'parameters', to={
                    **folders.BLUEPRINT['parameters'], **more}),
                folders.SLURM)
            self.assertIn('parameters', ' '.join(said))

    def test_machines(self):
        said = self.secret(
            {'type': 'string'}, SECRET, infrastructure={'local': {'groups': {
                'head': {'memory_mib': 256, 'x': {'parameter': 'partition'}},
                'compute': {}}}})
        self.assertIn('machines are described openly', ' '.join(said))
