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

"""Secret parameters are sealed before anything is written."""

import json
import pathlib
import types

from cryptography import fernet
import fixtures
import testtools

from hpcdirect import digests
from hpcdirect import exception
from hpcdirect.blueprints import load
from hpcdirect.conductor.vault import Vault
from hpcdirect.exception import Invalid
from hpcdirect.keys import KeyRing
from hpcdirect.orders.parts import Parts
from hpcdirect.orders.parts import boxed
from hpcdirect.orders.parts import refuse_seals
from hpcdirect.orders.parts import unsealed
from hpcdirect.planning import elements
from hpcdirect.planning import sizing
from hpcdirect.planning import wanted
from hpcdirect.tests.unit.blueprints import folders

SECRET = {'type': 'string', 'minLength': 8, 'x-secret': True}
WORDS = ('first-word', 'second-word')


class SealingTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        element = folders.changed(folders.SLURM, 'parameters', 'properties',
                                  'partition', to=SECRET)
        self.folder = root / 'elements'
        self.blueprint = load.load_blueprint(folders.write_tree(
            root, folders.changed(
                folders.BLUEPRINT, 'parameters', 'properties', 'partition',
                to={**SECRET, 'x-update': 'reapply'}),
            (folders.MUNGE, element)), self.element)
        self.keys = KeyRing([fernet.Fernet.generate_key()])
        self.parts = Parts(
            None, None, self.keys, None, types.SimpleNamespace(
                blueprint=lambda ref: self.blueprint, element=self.element),
            {})

    def element(self, ref):
        return load.load_element(self.folder / ref.partition('@')[0])

    def first(self, word=WORDS[0]):
        return self.parts.sealed(sizing.first(
            self.blueprint, {'partition': word}))

    def changed(self, state, word):
        """As a PATCH does."""
        body = self.parts.with_known_seals(state, {
            'parameters': {'partition': word}})
        return self.parts.sealed(sizing.with_parameters(
            state, self.blueprint, body['parameters']), state)

    def opened(self, state):
        return unsealed(self.keys, state.parameters)['partition']

    def test_sealed(self):
        state = self.first()
        self.assertNotIn(WORDS[0], json.dumps(state.to_json()))
        self.assertEqual(WORDS[0], self.opened(state))

    def test_the_same_again_is_no_change(self):
        state = self.first()
        self.assertEqual(state, self.changed(state, WORDS[0]))
        other = self.changed(state, WORDS[1])
        self.assertNotIn(WORDS[1], json.dumps(other.to_json()))
        self.assertEqual(WORDS[1], self.opened(other))
        # Back to what it was, out of a box of then.
        again = self.parts.sealed(self.first(WORDS[1]), other)
        self.assertEqual(other.parameters, again.parameters)

    def test_what_is_given_is_checked(self):
        error = self.assertRaises(Invalid, self.changed, self.first(), 'no')
        self.assertIn('is a secret', str(error.findings))
        self.assertRaises(Invalid, refuse_seals, {
            'parameters': {'users': [{'x': {digests.SEALED: 'y'}}]}})
        refuse_seals({'parameters': {'partition': 'x-sealed'}})

    def test_of_an_element(self):
        before = self.first()
        state = elements.changed(
            before, self.blueprint, {'slurm': {'parameters': {
                'partition': WORDS[1]}}}, self.element)
        kept = self.parts.sealed(state, before)
        self.assertNotIn(WORDS[1], json.dumps(kept.to_json()))
        body = self.parts.with_known_seals(kept, {'elements': {
            'slurm': {'parameters': {'partition': WORDS[1]}},
            'munge': None}})
        self.assertEqual(kept.elements[0].parameters,
                         body['elements']['slurm']['parameters'])
        again = elements.changed(
            kept, self.blueprint, {'slurm': body['elements']['slurm']},
            self.element)
        self.assertEqual(kept, self.parts.sealed(again, kept))

    def test_the_conductor_opens_it(self):
        state = self.first()
        slurm = wanted.build(self.blueprint, state, {
            name: wanted.Member(name, name.rpartition('-')[0], 1, '192.0.2.1')
            for name in sizing.slot_names(state)}, {}).element('slurm')
        self.assertNotIn(WORDS[0], repr(slurm.variables))
        values, hidden = Vault(self.keys, 'c').opened(slurm.variables)
        self.assertEqual(WORDS[0], values['partition'])
        self.assertEqual(4, values['slots'])
        self.assertEqual((WORDS[0],), hidden)

    def test_a_box_is_known_by_its_mark_alone(self):
        box = boxed(self.keys, WORDS[0])
        other = boxed(self.keys, WORDS[0])
        self.assertNotIn(WORDS[0], json.dumps(box))
        self.assertEqual(WORDS[0], unsealed(self.keys, box))
        anew = {**box, digests.SEALED: self.keys.encrypt_json(
            WORDS[0], digests.about(box[digests.MARK]))}
        self.assertNotEqual(box, anew)
        self.assertEqual(digests.digest_of({'a': [box]}),
                         digests.digest_of({'a': [anew]}))
        self.assertNotEqual(digests.digest_of(box), digests.digest_of(other))
        # A seal opens in its own place only.
        self.assertRaises(exception.Unavailable, unsealed, self.keys,
                          {**box, digests.SEALED: other[digests.SEALED]})
