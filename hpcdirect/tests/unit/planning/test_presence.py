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

"""On how many nodes accounts are, by the layers that make them."""

import dataclasses

import testtools

from hpcdirect.planning import accounts
from hpcdirect.planning import presence
from hpcdirect.planning import sizing
from hpcdirect.planning import wanted
from hpcdirect.planning.presence import Presence
from hpcdirect.planning.state import Account
from hpcdirect.tests.unit.planning import world

PEOPLE = world.element('people', accounts='users', parameters={
    'properties': {'users': {'items': {'properties': {
        name: {} for name in ('name', 'uid', 'keys', 'sudo', 'state')}}}}})




class PresenceTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        blueprint = world.blueprint([PEOPLE], ('head', 'compute'))
        blueprint = dataclasses.replace(blueprint, elements=tuple(
            dataclasses.replace(use, variables={})
            for use in blueprint.elements))
        self.state = sizing.first(blueprint, {'compute_count': 3})
        self.state = dataclasses.replace(self.state, users={
            'ann': Account(1), 'bob': Account(2), 'tom': Account(3, 'gone')})
        self.blueprint = accounts.all_told(blueprint, self.state)
        self.wanted = wanted.build(self.blueprint, self.state, {}, {})
        self.digest = {layer.digest for layer in
                       self.wanted.layers.values()}.pop()
        self.rows = self.wanted.element('people').variables['users']

    def seen(self, node, digest, state='applied', **more):
        return presence.Seen(**{
            'id': node, 'node': node, 'incarnation': 1, 'element': 'people',
            'role': 'node', 'state': state, 'digest': digest, 'sure': True,
            **more})

    def of(self, *layers, **told):
        """User -> where, by layers and what they were applied with."""
        kinds = presence.samples(layers)
        self.assertLessEqual(set(told), {kind[2] for kind in kinds})
        found = presence.Presences(self.blueprint, self.wanted, layers, {
            kind: {'users': told[kind[2]]} for kind in kinds
            if kind[2] in told})
        return {name: found.of(name) for name in self.state.users}

    def test_all_and_none(self):
        self.assertEqual({Presence(4, 0, 0)}, set(self.of().values()))
        self.assertEqual({Presence(4, 4, 0)}, set(self.of(*(
            self.seen(node, self.digest, sure=False)
            for node in self.wanted.members)).values()))

    def test_another_one_s_account_is_what_differs(self):
        old = [row for row in self.rows if row['name'] == 'ann']
        found = self.of(self.seen('head-0', self.digest),
                        self.seen('compute-0', 'old'),
                        self.seen('compute-1', 'old', sure=False),
                        self.seen('compute-2', 'applying', 'applying'),
                        old=old)
        self.assertEqual({'ann': Presence(4, 3, 1), 'bob': Presence(4, 1, 1),
                          'tom': Presence(4, 1, 1)}, found)

    def test_what_is_not_known_does_not_count(self):
        found = self.of(
            # Nobody knows with what.
            self.seen('head-0', 'strange', sure=False),
            self.seen('compute-0', self.digest, 'dirty'),
            self.seen('compute-1', self.digest, 'reverting'),
            # Of a machine that is there no more.
            self.seen('compute-2', self.digest, incarnation=0))
        self.assertEqual({Presence(4, 0, 0)}, set(found.values()))
