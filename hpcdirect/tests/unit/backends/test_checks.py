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


"""All that stands in the way of a request is told at once."""

from types import SimpleNamespace

import testtools

from hpcdirect import exception
from hpcdirect.backends.base import Need
from hpcdirect.backends.base import NodeType
from hpcdirect.backends.base import Quota
from hpcdirect.backends.heat import template
from hpcdirect.backends.heat.checks import Checks
from hpcdirect.tests.unit.backends import world

THREE = world.slots('head-0', 'compute-0', 'compute-1')
GIVEN = {'image': 'golden', 'head_flavor': 'hpc', 'compute_flavor': 'hpc',
         'provider_network': 'phys'}


def flavor(number='1', kind='CUSTOM_HPC', vcpus=4, ram=8192):
    return SimpleNamespace(vcpus=vcpus, ram=ram, extra_specs={
        f'resources:{kind}': number, 'resources:VCPU': '0'})


class Cloud:
    """A project in which there is this much."""

    def __init__(self):
        self.images = {'golden': SimpleNamespace(status='active')}
        self.flavors = {'hpc': flavor()}
        self.networks = ('phys',)
        self.limits = [Quota('instances', 0, 10), Quota('cores', 0, None),
                       Quota('ram', 0, 51200), Quota('ports', 0, 2)]
        self.asked = []

    def image(self, name):
        self.asked.append(name)
        return self.images.get(name)

    def flavor(self, name):
        self.asked.append(name)
        return self.flavors.get(name)

    def network(self, name):
        self.asked.append(name)
        return name if name in self.networks else None

    def quotas(self):
        return self.limits


class Stacks:
    """A Heat that has this against a template."""

    said = ''

    def __init__(self):
        self.checked = []

    def check(self, template, parameters):
        self.checked.append((template, parameters))
        return self.said


class Metal:
    """An Ironic with so many free nodes."""

    def __init__(self, free=3, name='hpc'):
        self.kinds = (NodeType(name, free, 8),)

    def types(self):
        if self.kinds is None:
            raise exception.BackendUnavailable(plugin='heat', reason='no')
        return self.kinds


class ChecksTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.cloud, self.stacks, self.metal = Cloud(), Stacks(), Metal()

    def findings(self, *slots, stored=None, given=GIVEN, **more):
        return [str(one) for one in self.assessed(
            *slots, stored=stored, given=given, **more).findings]

    def assessed(self, *slots, stored=None, given=GIVEN, **more):
        request = world.request(*(slots or THREE), **more, **given)
        return Checks(request, stored or {}, self.cloud, self.stacks,
                      self.metal).assessment()

    def stored(self, *slots):
        return template.build(world.request(*slots, **GIVEN), slots).template

    def test_nothing(self):
        self.assertEqual([], self.findings())
        # Each of a kind is asked for once.
        self.assertEqual(['golden', 'phys', 'hpc'], self.cloud.asked)
        (sent, parameters), = self.stacks.checked
        self.assertEqual(set(), world.dangling(sent))
        self.assertEqual('golden', parameters['image'])

    def test_all_at_once(self):
        self.cloud.images, self.cloud.networks = {}, ()
        self.cloud.flavors.clear()
        self.cloud.limits = [Quota('instances', 8, 10),
                             Quota('ports', 1, 2),
                             Quota('networks', 3, None)]
        self.stacks.said = 'Property cidr is wrong'
        self.assertEqual([
            'template: Heat: Property cidr is wrong',
            '$.parameters.image: there is no image "golden" that this '
            'project may use',
            '$.parameters.provider_network: there is no network "phys" that '
            'this project may use',
            '$.parameters.head_flavor: there is no flavor "hpc" that this '
            'project may use',
            'quota.instances: 3 more instances are wanted; the quota is 10, '
            '8 in use',
            'quota.ports: 2 more ports are wanted; the quota is 2, 1 in use',
            ], self.findings())

    def test_of_the_template_s_own_values(self):
        self.cloud.flavors.clear()
        self.assertIn('template: there is no flavor "hpc" that this project '
                      'may use', self.findings(given={}))

    def test_a_network_that_a_server_names_itself(self):
        template = world.SLURM.replace(
            'networks: [{subnet: {get_resource: subnet}}]',
            'networks: [{network: {get_param: provider_network}}]')
        self.assertNotEqual(world.SLURM, template)
        self.cloud.networks = ()
        compute = world.slots('compute-0')
        self.assertEqual(
            ['$.parameters.provider_network: there is no network "phys" that '
             'this project may use'],
            [one for one in self.findings(*compute, template=template)
             if 'network' in one])

    def test_an_image_that_cannot_be_used(self):
        self.cloud.images['golden'].status = 'queued'
        self.assertEqual(['$.parameters.image: image "golden" is queued'],
                         self.findings())

    def test_too_few_machines(self):
        self.metal = Metal(free=2)
        said = ('$.node_groups: 3 more machines of class CUSTOM_HPC are '
                'wanted, 2 are free')
        self.assertEqual([said], self.findings())
        self.metal = Metal(free=2, name='Hpc')
        self.assertEqual([said], self.findings())
        self.metal = Metal(name='gpu')
        self.assertEqual([said.replace('2 are', '0 are')], self.findings())

    def test_what_it_takes(self):
        self.cloud.limits = [Quota('instances', 8, 10),
                             Quota('cores', 0, None), Quota('ports', 5, 3)]
        found = self.assessed()
        self.assertEqual((Need('hpc', 3, 3, True),), found.needs)
        self.assertEqual([
            ('instances', 3, 11, False), ('cores', 12, 12, True),
            ('ports', 2, 7, False)], [
            (one.quota.name, one.wanted, one.after, one.fits)
            for one in found.claims])
        # What is there is not taken once more.
        self.metal = Metal(free=0)
        found = self.assessed(stored=self.stored(*THREE))
        self.assertEqual(((), [0, 0, 0], True), (
            found.needs, [one.wanted for one in found.claims],
            all(one.fits for one in found.claims)))

    def test_machines_of_which_nobody_can_tell(self):
        self.metal.kinds = None
        self.assertEqual((Need('CUSTOM_HPC', 3),), self.assessed().needs)
        self.cloud.flavors['hpc'] = flavor(number='0')
        self.assertEqual((Need('hpc', 3),), self.assessed().needs)

    def test_two_flavors_of_one_class(self):
        self.cloud.flavors['fat'] = flavor()
        self.metal = Metal(free=2)
        self.assertEqual(1, len(self.findings(
            given={**GIVEN, 'head_flavor': 'fat'})))

    def test_flavors_that_ask_for_no_metal(self):
        self.metal = Metal(free=0)
        self.cloud.flavors['hpc'] = flavor(number='0')
        self.assertEqual([], self.findings())

    def test_a_cloud_that_hides_its_ironic(self):
        self.metal.kinds = None
        self.assertEqual([], self.findings())

    def test_cores_and_memory(self):
        self.cloud.limits = [Quota('cores', 3, 14), Quota('ram', 0, 24575)]
        self.assertEqual([
            'quota.cores: 12 more cores are wanted; the quota is 14, 3 in '
            'use',
            'quota.ram: 24576 more ram are wanted; the quota is 24575, 0 in '
            'use'], self.findings())

    def test_a_quota_that_is_just_enough(self):
        self.cloud.limits = [Quota('instances', 7, 10),
                             Quota('ports', 0, 2)]
        self.assertEqual([], self.findings())

    def test_only_what_is_new_counts(self):
        self.metal = Metal(free=1)
        self.cloud.limits = [Quota('instances', 3, 4), Quota('ports', 2, 2)]
        more = (*THREE, *world.slots('compute-2'))
        self.assertEqual([], self.findings(
            *more, stored=self.stored(*THREE)))
        self.assertEqual([], self.stacks.checked)
        self.assertEqual(2, len(self.findings(
            *more, *world.slots('compute-3'), stored=self.stored(*THREE))))

    def test_a_quota_that_is_exceeded_already(self):
        # As after an operator made it smaller; nothing new, nothing said.
        self.cloud.limits = [Quota('instances', 9, 2)]
        self.assertEqual([], self.findings(stored=self.stored(*THREE)))

    def test_a_template_that_cannot_be_made_flat(self):
        self.assertEqual(
            ['resources.none: There is no OS::Nova::Server and no '
             'OS::Heat::ResourceGroup "none" for a node group.'],
            self.findings(groups={**world.GROUPS,
                                  'compute': {'resource': 'none'}}))
        self.assertEqual(([], []), (self.cloud.asked, self.stacks.checked))
