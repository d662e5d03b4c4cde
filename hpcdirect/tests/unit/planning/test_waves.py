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

"""Nodes take turns: drained, changed, verified, at work again."""

import dataclasses

import testtools

from hpcdirect.blueprints.model import Role
from hpcdirect.planning import elements
from hpcdirect.planning import preview
from hpcdirect.planning import sizing
from hpcdirect.states import StepKind
from hpcdirect.states import Verdict
from hpcdirect.tests.unit.planning import world

QUEUE = world.element('queue', data=('drain',), rolling=True, roles=(
    Role('controller', parameters=('value', 'kind')),
    Role('worker', parameters=('value',))), drain_with=('controller',))
ROLES = {'queue': {'controller': ('head',), 'worker': ('compute',)}}
TOOL = world.element('tool', rolling=True)
PAPER = world.element('paper')


class WavesTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        blueprint = world.blueprint([QUEUE, TOOL, PAPER], roles=ROLES)
        self.blueprint = dataclasses.replace(blueprint, node_groups=(
            blueprint.node_groups[0], dataclasses.replace(
                blueprint.node_groups[1], max_unavailable=2)))
        self.world = world.World(self.blueprint)
        self.change(compute_count=5)
        self.assertTrue(self.world.converge())

    def change(self, **parameters):
        self.world.state = sizing.with_parameters(
            self.world.state, self.blueprint, parameters)
        self.world.ran.clear()

    def drained(self):
        return [key[0] for kind, key in self.world.ran
                if kind == StepKind.DRAIN]

    def test_in_waves(self):
        self.change(value_queue=1)
        shown = {one.subject: one for one in preview.changes(
            self.world.plan(), self.world.wanted, self.world.observed)}
        self.assertEqual((Verdict.IN_PLACE, 2), (
            shown['queue'].verdict, shown['queue'].out))
        self.assertTrue(self.world.converge())
        self.assertEqual([f'compute-{number}' for number in range(5)],
                         self.drained())
        self.assertEqual(2, self.world.most_seen)
        # The head is not drained, and is done before anybody else is.
        self.assertEqual(
            [(StepKind.APPLY, 'head-0'), (StepKind.VERIFY, 'head-0'),
             (StepKind.DRAIN, 'compute-0'), (StepKind.DRAIN, 'compute-1'),
             (StepKind.APPLY, 'compute-0'), (StepKind.APPLY, 'compute-1'),
             (StepKind.VERIFY, 'compute-0'), (StepKind.VERIFY, 'compute-1'),
             (StepKind.RESUME, 'compute-0'), (StepKind.RESUME, 'compute-1'),
             (StepKind.DRAIN, 'compute-2')],
            [(kind, key[0]) for kind, key in self.world.ran][:11])

    def test_what_work_does_not_use_drains_nothing(self):
        self.change(value_paper=1)
        self.assertTrue(self.world.converge())
        self.assertEqual([], self.drained())

    def test_what_is_new_or_concerns_another_role_drains_nothing(self):
        self.change(compute_count=6)
        self.assertTrue(self.world.converge())
        self.assertEqual([], self.drained())

    def test_what_is_taken_off_is_in_use(self):
        self.change(with_tool=False)
        self.assertTrue(self.world.converge())
        self.assertEqual(5, len(self.drained()))

    def test_nothing_drains_when_what_drains_goes(self):
        self.world.state = elements.changed(
            self.world.state, self.blueprint, {'queue': None}, None)
        self.world.ran.clear()
        self.assertTrue(self.world.converge())
        self.assertEqual([], self.drained())

    def test_a_node_that_is_out_already_counts(self):
        self.change(value_tool=1)
        self.assertFalse(self.world.converge(
            lambda node, step: step.kind == StepKind.APPLY
            and node == 'compute-0'))
        # compute-1 of its wave was done; it is out until it works again.
        self.assertEqual(['compute-0', 'compute-1'], self.drained())
        self.assertTrue(self.world.converge())
        self.assertEqual(2, self.world.most_seen)
        self.assertEqual(5, len(self.drained()))

    def test_one_that_is_out_can_still_go(self):
        self.change(value_tool=1)
        self.assertFalse(self.world.converge(
            lambda node, step: step.kind == StepKind.APPLY
            and node == 'compute-0'))
        self.world.state = sizing.with_slots(
            self.world.state, self.blueprint, 'compute',
            ['compute-1', 'compute-2'])
        self.world.ran.clear()
        self.assertTrue(self.world.converge())
        self.assertIn('compute-0', self.drained())
        self.assertEqual({'head-0', 'compute-1', 'compute-2'},
                         set(self.world.nodes))

    def test_how_many(self):
        group = self.blueprint.node_groups[1]
        self.assertEqual([1, 1, 2, 4], [dataclasses.replace(
            group, max_unavailable='25%').most_out(count)
            for count in (1, 7, 8, 16)])
        self.assertEqual(3, dataclasses.replace(
            group, max_unavailable=3).most_out(2))
