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

"""How long machines wait for each other, to be configured together."""

import types

import fixtures
import testtools

from hpcdirect.conductor import machines
from hpcdirect.conductor import situation
from hpcdirect.planning.plan import SeenNode
from hpcdirect.states import NodeStatus

NAMES = [f'compute-{number}' for number in range(20)]


class GatheringTest(testtools.TestCase):
    """With a window of one second, and a clock that is set."""

    def setUp(self):
        super().setUp()
        self.now = 100.0
        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.conductor.machines.time',
            types.SimpleNamespace(monotonic=lambda: self.now)))
        self.machines = machines.Machines(
            None, types.SimpleNamespace(
                backend=None, vault=None, now=None,
                limits=situation.Limits(600, 1.0, 600)))

    def at(self, moment, up, names=NAMES):
        """What is said then, when so many are up."""
        self.now = 100.0 + moment
        return self.machines.gathering(types.SimpleNamespace(
            wanted=types.SimpleNamespace(members=dict.fromkeys(names)),
            observed=types.SimpleNamespace(nodes={
                name: SeenNode(name, 'compute', 1, NodeStatus.UP
                               if number < up else NodeStatus.BUILDING)
                for number, name in enumerate(names)})))

    def test_nothing_is_up(self):
        self.assertEqual([0, 0], [self.at(0, 0), self.at(50, 0)])

    def test_all_at_once(self):
        self.at(0, 0)
        self.assertEqual(0, self.at(1, 20))

    def test_one_after_the_other(self):
        self.at(0, 0)
        for number in range(1, 10):
            self.assertEqual(1.0, self.at(number * 0.9, number))
        self.assertAlmostEqual(0.4, self.at(9 * 0.9 + 0.6, 9))
        self.assertEqual(0, self.at(9 * 0.9 + 1.0, 9))
        self.assertEqual(0, self.at(60, 9))

    def test_not_for_ever(self):
        self.at(0, 0)
        for number in range(1, 12):
            self.at(number * 0.9, number)
        self.assertAlmostEqual(0.1, self.at(0.9 + 9.9, 12))
        self.assertEqual(0, self.at(0.9 + 10.0, 13))

    def test_those_that_are_added(self):
        names = NAMES[:5]
        # A conductor that has just begun with it finds the old ones up.
        self.assertEqual(0, self.at(0, 2, names))
        self.assertEqual(1.0, self.at(300, 3, names))
        self.assertEqual(1.0, self.at(300.5, 4, names))
        self.assertEqual(0, self.at(300.7, 5, names))
