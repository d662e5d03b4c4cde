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

"""Commands that a page shows: a shell and the client read them as meant."""

import argparse
import os
import shlex

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.client.osc import values
from hpcdirect.dashboard import commands

SETTINGS = hypothesis.settings(
    max_examples=int(os.environ.get('HPCDIRECT_EXAMPLES', '200')),
    deadline=None, database=None)
#: No program can be given a NUL, and a terminal no half of a letter.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=['Cs'],
                          exclude_characters='\0')),
    st.sampled_from(['', '5', '1e3', 'true', 'no', 'null', '~', '[', '{a',
                     '"', "'", '12:30', '2026-01-01', '- a', '# a', 'a: b',
                     ' a ', '$HOME', '`x`', '--', '-x', '\U0001f600',
                     'a\nb', '!!int 5', '&a', '*a', '1_000', '0x10', '=']))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2**63, 2**63),
              st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(
        TEXTS, inner, max_size=3)), max_leaves=6)


class CommandTest(testtools.TestCase):

    def read(self, words):
        """What the client makes of a command line, by a shell's rules."""
        parser = argparse.ArgumentParser()
        parser.add_argument('words', nargs=4)
        parser.add_argument('--blueprint')
        values.add_parameter_options(parser)
        parser.add_argument('name')
        return parser.parse_args(shlex.split(commands.line(words)))

    @SETTINGS
    @hypothesis.given(TEXTS, st.dictionaries(
        st.from_regex(r'[a-z][a-z0-9_]*', fullmatch=True), JSON, max_size=3))
    def test_it_says_what_the_form_says(self, name, parameters):
        hypothesis.assume(name)
        words = commands.create(name, 'slurm', parameters, {})
        given = self.read(words)
        self.assertEqual(name, given.name)
        found = values.parameters(given)
        self.assertEqual(repr(parameters), repr(found))

    def test_it_is_as_people_would_write_it(self):
        self.assertEqual(
            'openstack hpc cluster create --blueprint slurm '
            '--expires=3d --parameter=compute_count=4 '
            "'--parameter=users=[{\"name\": \"ada\"}]' climate",
            commands.line(commands.create(
                'climate', 'slurm', {'compute_count': 4,
                                     'users': [{'name': 'ada'}]},
                {}, expires='3d', backend='')))
        self.assertEqual(
            'openstack hpc cluster update --plan=p1 --parameter=zone=UTC c',
            commands.line(commands.update('c', {'zone': 'UTC'}, {}, 'p1')))
        self.assertEqual('openstack hpc cluster retry c',
                         commands.line(commands.act('retry', 'c')))

    def test_nobody_sees_a_secret(self):
        schema = {'properties': {
            'word': {'type': 'string', 'x-secret': True},
            'mail': {'type': 'array', 'items': {'properties': {
                'password': {'x-secret': True}}}}}}
        self.assertEqual(
            ['slurm', '--parameter-file=secrets.yaml',
             '--parameter=size=2', 'c'], commands.create('c', 'slurm', {
                'word': 'open sesame', 'size': 2,
                'mail': [{'password': 'open sesame'}]}, schema)[5:])
