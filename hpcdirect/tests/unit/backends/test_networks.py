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

"""A template tells which networks machines are on, whatever its shape."""

import pathlib

import testtools

from hpcdirect.backends.base import Network
from hpcdirect.backends.heat import networks
from hpcdirect.backends.heat import template
from hpcdirect.tests.unit.backends import world

ALL = ('head', 'compute')
SLOTS = world.slots('head-0', 'compute-0', 'compute-1')
OWN = template.name(world.CLUSTER)
SINGLE = (pathlib.Path(__file__).resolve().parents[4]
          / 'blueprints/single/stack.yaml').read_text()


class NetworksTest(testtools.TestCase):

    def test_a_foot_outside(self):
        """By ports and by a subnet; ranges are parameters."""
        self.assertEqual((
            Network('phys', ('head',), own=False),
            Network(OWN, ALL, ('192.168.50.0/24',))),
            networks.of(world.request(*SLOTS)))
        self.assertEqual((
            Network('campus', ('head',), own=False),
            Network(OWN, ('head',), ('10.1.0.0/16',))),
            networks.of(world.request(
                *world.slots('head-0'), provider_network='campus',
                cidr='10.1.0.0/16')))

    def test_a_network_of_the_site(self):
        self.assertEqual((Network('phys', ('node',), own=False),),
                         networks.of(world.request(
                             *world.slots('node-0'), template=SINGLE,
                             groups={'node': {'resource': 'node'}},
                             network='phys', provider_network='phys')))

    def test_a_nested_template(self):
        self.assertEqual((Network(OWN, ('node',)),), networks.of(
            world.request(
                *world.slots('node-0'), template=world.NESTING,
                groups={'node': {'resource': 'node'}},
                files={'node.yaml': world.NODE})))

    def test_a_network_with_a_name_of_its_own(self):
        text = world.SLURM.replace('network: net\n', '').replace(
            "{name: {list_join: ['-', [{get_param: 'OS::stack_name'}, net]]}}",
            '{name: fabric}')
        found = networks.of(world.request(*SLOTS, template=text,
                                          network='phys'))
        self.assertIn(Network('fabric', ALL, ('192.168.50.0/24',)), found)

    def test_nothing_is_there(self):
        self.assertEqual((), networks.of(world.request()))

    def test_what_says_nothing_is_on_nothing(self):
        text = world.SLURM.replace(
            'networks: [{subnet: {get_resource: subnet}}]',
            'networks: auto')
        self.assertEqual(('head',), networks.of(world.request(
            *SLOTS, template=text))[-1].groups)
