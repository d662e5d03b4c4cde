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

"""The planner on cases a reader can follow."""

import dataclasses

import testtools

from hpcdirect.blueprints.model import Role
from hpcdirect.planning import sizing
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind
from hpcdirect.tests.unit.planning import world

SCHEDULER = {'controller': ('head',), 'compute': ('compute',)}


def slurm_like():
    names = world.element('names', roles=(
        Role('server', 'cluster', ('member.addresses',)), Role('member')))
    slurm = world.element(
        'slurm', requires=('names',), data=('drain',),
        drain_with=('controller',),
        roles=(Role('controller', 'cluster'),
               Role('compute', watches=('controller.addresses',))))
    top = world.element('top', requires=('slurm',))
    return world.World(world.blueprint(
        [names, slurm, top], roles={
            'names': {'server': ('head',), 'member': ('head', 'compute')},
            'slurm': SCHEDULER}))


def titles(steps):
    return [step.title for step in steps]


class PlanTest(testtools.TestCase):

    def test_create_applies_in_order_then_verifies(self):
        cluster = slurm_like()
        self.assertEqual(
            ['provision', 'apply names', 'apply slurm', 'apply top',
             'verify names', 'verify slurm', 'verify top'],
            titles(cluster.plan()))
        self.assertTrue(cluster.converge())
        self.assertEqual((), cluster.plan())

    def test_a_node_that_comes_touches_only_those_that_watch(self):
        cluster = slurm_like()
        cluster.converge()
        cluster.state = sizing.with_count(
            cluster.state, cluster.blueprint, 'compute', 2)
        cluster.ran.clear()
        cluster.converge()
        self.assertEqual({'head-0', 'compute-1'},
                         {key[0] for _, key in cluster.ran})
        self.assertEqual(
            {('head-0', 'names', 'server')},
            {key for _, key in cluster.ran if key[0] == 'head-0'})

    def test_a_node_that_goes_is_drained_first_and_released_last(self):
        cluster = slurm_like()
        cluster.state = sizing.with_count(
            cluster.state, cluster.blueprint, 'compute', 3)
        cluster.converge()
        cluster.state = sizing.with_slots(
            cluster.state, cluster.blueprint, 'compute',
            ['compute-0', 'compute-2'])
        steps = cluster.plan()
        self.assertEqual(['drain slurm', 'apply names', 'verify names',
                          'release'], titles(steps))
        self.assertEqual(('compute-1', 'head-0'), steps[0].nodes)
        cluster.converge()
        self.assertNotIn('compute-1', cluster.nodes)
        self.assertIn('compute-2', cluster.nodes)

    def test_a_drained_node_that_is_wanted_again_resumes(self):
        cluster = slurm_like()
        cluster.converge()
        node, number = cluster.nodes['compute-0']
        cluster.nodes['compute-0'] = (world.SeenNode(
            node.name, node.group, node.incarnation, NodeStatus.DRAINED),
            number)
        self.assertEqual(['resume slurm'], titles(cluster.plan()))

    def test_an_element_in_the_middle_takes_along_what_stands_on_it(self):
        cluster = slurm_like()
        cluster.converge()
        cluster.state = sizing.with_parameters(
            cluster.state, cluster.blueprint, {'with_slurm': False})
        self.assertEqual(['revert top', 'revert slurm'],
                         titles(cluster.plan()))
        cluster.converge()
        cluster.state = sizing.with_parameters(
            cluster.state, cluster.blueprint, {'with_slurm': True})
        self.assertEqual(
            ['apply slurm', 'apply top', 'verify slurm', 'verify top'],
            titles(cluster.plan()))

    def test_a_replaced_node_gets_everything_the_others_nothing(self):
        cluster = slurm_like()
        cluster.converge()
        cluster.state = sizing.with_replaced(
            cluster.state, cluster.blueprint, 'compute', ['compute-0'])
        cluster.ran.clear()
        cluster.converge()
        self.assertEqual(2, cluster.nodes['compute-0'][0].incarnation)
        self.assertEqual({('head-0', 'names', 'server')}, {
            key for kind, key in cluster.ran if key[0] == 'head-0'})

    def test_a_failed_node_is_made_again(self):
        cluster = slurm_like()
        cluster.converge()
        node, number = cluster.nodes['compute-0']
        cluster.nodes['compute-0'] = (world.SeenNode(
            node.name, node.group, node.incarnation, NodeStatus.FAILED),
            number)
        self.assertEqual([StepKind.PROVISION],
                         [step.kind for step in cluster.plan()])

    def test_delete_only_releases(self):
        cluster = slurm_like()
        cluster.converge()
        cluster.state = dataclasses.replace(cluster.state, deleted=True)
        self.assertEqual(['release'], titles(cluster.plan()))
        cluster.converge()
        self.assertEqual((), cluster.plan())
