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


"""Which elements a cluster is to have, after changes."""

import dataclasses

import testtools

from hpcdirect.exception import Invalid
from hpcdirect.planning import elements
from hpcdirect.planning import sizing
from hpcdirect.tests.unit.planning import world

GROUND, QUEUE = world.element('ground'), world.element(
    'queue', requires=('ground',))
TOOL, OTHER = world.element('tool', requires=('queue',)), world.element(
    'other', conflicts=('tool',))
FOUND = world.found(GROUND, QUEUE, TOOL, OTHER)


class ElementsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.blueprint = world.blueprint([GROUND, QUEUE])
        self.state = sizing.first(self.blueprint, {})

    def change(self, **changes):
        self.state = elements.changed(self.state, self.blueprint, changes,
                                      FOUND)

    def on(self):
        return [use.element.name for use in elements.composed(
            self.blueprint, self.state, FOUND).elements]

    def findings(self, **changes):
        problem = self.assertRaises(
            Invalid, elements.changed, self.state, self.blueprint, changes,
            FOUND)
        return {finding.where: finding.message
                for finding in problem.findings}

    def test_a_switch_of_its_own_is_used(self):
        self.change(queue=None)
        self.assertFalse(self.state.parameters['with_queue'])
        self.assertEqual((), self.state.elements)
        self.assertEqual(['ground'], self.on())
        self.change(queue={})
        self.assertTrue(self.state.parameters['with_queue'])

    def test_a_switch_that_others_share_is_left_alone(self):
        self.blueprint = dataclasses.replace(self.blueprint, elements=tuple(
            dataclasses.replace(use, when='with_ground')
            for use in self.blueprint.elements))
        self.change(queue=None)
        self.assertTrue(self.state.parameters['with_ground'])
        self.assertEqual(['ground'], self.on())
        self.change(queue={})
        self.assertEqual(['ground', 'queue'], self.on())
        self.state = dataclasses.replace(self.state, parameters={
            **self.state.parameters, 'with_ground': False})
        self.assertEqual(['queue'], [
            one.use.element.name for one in elements.listing(
                self.blueprint, self.state, FOUND) if not one.off])
        self.change(ground={})
        self.assertEqual(['ground', 'queue'], self.on())

    def test_added_on_top_and_taken_along(self):
        self.change(tool={})
        self.assertEqual(['ground', 'queue', 'tool'], self.on())
        self.assertEqual('1', self.state.elements[0].version)
        self.change(ground=None)
        self.assertEqual([], self.on())
        self.change(ground={})
        self.assertEqual(['ground', 'queue', 'tool'], self.on())
        self.change(tool=None)
        self.assertEqual((), self.state.elements)

    def test_what_cannot_be_together(self):
        self.change(tool={})
        self.assertIn('take tool off first',
                      self.findings(other={})['$.elements.other'])
        self.change(queue=None)
        self.assertIn('needs queue', self.findings(tool={})[
            '$.elements.tool'])
        # What is off stands in nobody's way.
        self.change(other={})
        self.assertEqual(['ground', 'other'], self.on())

    def test_what_is_not_there(self):
        self.assertEqual({'$.elements.nothing'},
                         set(self.findings(nothing=None)))
