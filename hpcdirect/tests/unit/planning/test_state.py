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

import dataclasses
import json

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.planning.state import Account
from hpcdirect.planning.state import ElementChoice
from hpcdirect.planning.state import Slot
from hpcdirect.planning.state import State

WORD = st.text('abc-1', min_size=1, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(WORD, inner, max_size=3), max_leaves=6)
VALUES = st.dictionaries(WORD, JSON, max_size=3)
#: What a release to come may write beside what is known.
OTHERS = st.dictionaries(WORD.map('new_{}'.format), JSON, max_size=2)
SLOTS = st.lists(st.builds(Slot, WORD, st.integers(1, 9)), max_size=3,
                 unique_by=lambda one: one.name).map(tuple)
CHOICES = st.lists(st.builds(
    ElementChoice, WORD, version=WORD | st.just(''), parameters=VALUES,
    roles=st.none() | st.dictionaries(WORD, st.lists(WORD, max_size=2).map(
        tuple), max_size=2), off=st.booleans(), on=st.booleans(),
    others=OTHERS), max_size=3).map(tuple)
WORDS = st.lists(WORD, max_size=2).map(tuple)
THERE = st.builds(
    Account, st.integers(1000, 2000), st.sampled_from(('on', 'off')),
    keys=WORDS, groups=WORDS, shell=WORD, sudo=st.booleans(),
    expires_at=st.none() | WORD, since=st.integers(0, 3), others=OTHERS)
GONE = st.builds(
    Account, st.integers(1000, 2000), st.just('gone'),
    home=st.sampled_from(('keep', 'purge')), end_jobs=st.booleans(),
    others=OTHERS)
STATES = st.builds(
    State, WORD, WORD, WORD | st.just(''), VALUES,
    st.dictionaries(WORD, SLOTS, max_size=3), CHOICES,
    st.dictionaries(WORD, WORD, max_size=2),
    st.dictionaries(WORD, THERE | GONE, max_size=3), WORD | st.just(''),
    st.booleans(), OTHERS)


class StateTest(testtools.TestCase):

    @hypothesis.given(STATES)
    def test_it_is_read_as_it_was_written(self, state):
        text = json.dumps(state.to_json())
        read = State.from_json(json.loads(text))
        self.assertEqual(state, read)
        # What was signed is signed still.
        self.assertEqual(text, json.dumps(read.to_json()))
        self.assertEqual(state.digest, read.digest)

    @hypothesis.given(JSON)
    def test_what_is_no_state_is_kept_whole(self, value):
        read = State.from_json(value)
        self.assertIn(json.dumps(value), json.dumps(read.to_json()))
        self.assertNotEqual(State().digest, read.digest)
        self.assertEqual({}, read.slots)

    @hypothesis.given(STATES, st.sampled_from(
        ('blueprint', 'version', 'parameters', 'groups', 'deleted')))
    def test_without_a_member(self, state, name):
        said = state.to_json()
        del said[name]
        self.assertNotEqual(state.digest, State.from_json(said).digest)

    def test_what_an_earlier_release_wrote(self):
        """Each member as it was written then, when it was written."""
        old = {
            'blueprint': 'slurm', 'version': '1.0.0', 'digest': 'd',
            'parameters': {'count': 2}, 'deleted': False,
            'groups': {'head': [{'name': 'head-0', 'incarnation': 1}]}}
        for more in (
                {}, {'name': 'n'}, {'digests': {'hpcc@1': 'e'}},
                {'elements': [{'name': 'hpcc', 'version': '1', 'roles': {}},
                              {'name': 'slurm', 'off': True},
                              {'name': 'munge', 'on': True, 'parameters': {
                                  'word': 1}}]},
                {'users': {
                    'ann': {'keys': ['k'], 'groups': [], 'shell': '/bin/sh',
                            'sudo': False, 'expires_at': None, 'state': 'on',
                            'uid': 1, 'since': 3},
                    'bob': {'uid': 2, 'state': 'gone', 'home': 'keep',
                            'end_jobs': False}}}):
            self.assertEqual({**old, **more},
                             State.from_json({**old, **more}).to_json())

    def test_choice(self):
        state = State(elements=(ElementChoice('a', '1', off=True),))
        self.assertEqual('a@1', state.choice('a').ref)
        self.assertEqual(ElementChoice('b'), state.choice('b'))
        self.assertEqual('b', state.choice('b').ref)

    def test_nothing_of_it_changes(self):
        state = State(groups={'a': (Slot('a-0'),)})
        self.assertRaises(dataclasses.FrozenInstanceError, setattr, state,
                          'deleted', True)
