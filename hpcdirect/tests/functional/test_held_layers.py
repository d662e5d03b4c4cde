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

"""What a conductor remembers of a cluster's layers is what is recorded."""

from concurrent import futures

import fixtures
import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.db import held_layers
from hpcdirect.tests.functional.api import Api

_NODES, _ELEMENTS = ('n0', 'n1', 'n2'), ('base', 'munge', 'slurm')
_KEYS = st.lists(st.tuples(st.sampled_from(_NODES),
                           st.sampled_from(_ELEMENTS)),
                 min_size=1, max_size=4, unique=True)
_WRITES = st.one_of(
    st.tuples(st.just('mark'), _KEYS, st.sampled_from(('r1', 'r2'))),
    st.tuples(st.just('change'), _KEYS,
              st.sampled_from(('applied', 'reverted'))),
    st.tuples(st.just('drop'), st.sampled_from(_NODES)),
    st.just(('interrupted',)), st.just(('roll back',)), st.just(('read',)))


def carry_out(layers, session, write):
    """One of the writes above."""
    name, *given = write
    if name == 'mark':
        layers.mark(session, [{
            'node': node, 'element': element, 'role': 'node',
            'state': 'applying', 'verified': False, 'run_id': given[1],
            'incarnation': 1, 'position': 0, 'version': '1',
            'inputs': {'by': given[1], 'on': node}}
            for node, element in given[0]])
    elif name == 'change':
        layers.change(session, [
            {'node': node, 'element': element, 'role': 'node',
             'state': given[1]} for node, element in given[0]])
    elif name == 'drop':
        layers.drop(session, *given)
    elif name == 'interrupted':
        layers.interrupted(session)


class RememberTests(testtools.TestCase):

    def setUp(self):
        super().setUp()
        api = self.useFixture(Api())
        self.database = api.database
        self.ident = api.create()['id']
        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.db.held_layers._SMALL', 0))

    def read(self, layers):
        with self.database.read() as session:
            return sorted(layers.read(session), key=lambda one: one.id)

    @hypothesis.settings(max_examples=60, deadline=None)
    @hypothesis.given(writes=st.lists(_WRITES, max_size=12))
    def test_whatever_was_written(self, writes):
        layers = held_layers.Layers(self.ident)
        for write in writes:
            if write == ('read',):
                self.assertEqual(self.read(held_layers.Layers(self.ident)),
                                 self.read(layers))
                continue
            with self.database.write() as session:
                carry_out(layers, session, write)
                if write == ('roll back',):
                    carry_out(layers, session, ('drop', 'n0'))
                    session.rollback()
        self.assertEqual(self.read(held_layers.Layers(self.ident)),
                         self.read(layers))
        with self.database.write() as session:
            for node in _NODES:
                layers.drop(session, node)

    def test_read_while_it_is_written(self):
        layers = held_layers.Layers(self.ident)
        with self.database.write() as session:
            carry_out(layers, session, ('mark', [('n0', 'base')], 'r1'))
        with futures.ThreadPoolExecutor(1) as another, \
                self.database.write() as session:
            carry_out(layers, session, ('change', [('n0', 'base')],
                                        'applied'))
            # What was there before the commit is not kept after it.
            self.assertEqual('applying', another.submit(
                self.read, layers).result()[0].state)
        self.assertEqual(['applied'],
                         [one.state for one in self.read(layers)])

    def test_nothing_is_read_twice(self):
        layers = held_layers.Layers(self.ident)
        with self.database.write() as session:
            carry_out(layers, session, (
                'mark', [('n0', 'base'), ('n1', 'munge')], 'r1'))
        first = self.read(layers)
        again = self.read(layers)
        self.assertIs(first[0], again[0])
        with self.database.write() as session:
            carry_out(layers, session, ('change', [('n0', 'base')],
                                        'applied'))
        base, munge = sorted(self.read(layers), key=lambda one: one.element)
        self.assertEqual('applied', base.state)
        self.assertIn(munge, first)
        self.assertTrue(any(munge is one for one in first))
