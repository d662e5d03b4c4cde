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


"""The client's methods against the API, over HTTP."""

from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional import served


class ProxyTest(served.ServedTest):

    def setUp(self):
        super().setUp()
        rows.peopled(self.api.services, self.ident)

    def settled(self, cluster):
        self.assertEqual('UPDATING', cluster.status)
        self.api.settle(self.ident)

    def test_users(self):
        there = {one['name'] for one in self.hpc.users('demo')}
        self.settled(self.hpc.create_user('demo', 'bob', sudo=True))
        self.assertTrue(self.hpc.get_user('demo', 'bob')['sudo'])
        self.settled(self.hpc.change_user('demo', 'bob', state='off'))
        self.assertEqual('off', self.hpc.get_user('demo', 'bob')['state'])
        self.settled(self.hpc.delete_user('demo', 'bob', home='keep',
                                          end_jobs=True))
        self.assertEqual(there, {
            one['name'] for one in self.hpc.users('demo')})
        # No node ever had bob, so that nothing is left of him.
        self.assertEqual(there, {
            one['name'] for one in self.hpc.users('demo', gone=True)})

    def test_elements_that_could_be_put_on(self):
        every = self.hpc.candidates('demo')
        fit = self.hpc.candidates('demo', fits=True)
        self.assertEqual([one for one in every if one['fits']], fit)
        self.assertEqual([one for one in every if not one['fits']],
                         self.hpc.candidates('demo', fits=False))
        self.assertIn('munge', {one['name'] for one in every})
        self.assertEqual({'elements': self.hpc.cluster_elements('demo'),
                          'fitting': fit}, self.hpc.element_choices('demo'))

    def test_elements_and_plans(self):
        self.assertIn('people', {
            one['name'] for one in self.hpc.cluster_elements('demo')})
        shown = self.hpc.plan(cluster='demo', change={
            'node_groups': {'compute': {'count': 3}}})
        self.assertEqual(shown['changes'],
                         self.hpc.get_plan(shown['id'])['changes'])

    def test_at_a_glance(self):
        found = self.hpc.summary()
        self.assertEqual({'ACTIVE': 1}, found['clusters'])
        self.assertEqual(found, self.hpc.summary(all_projects='true'))
        deployment = self.hpc.get_cluster('demo').deployment['id']
        first = self.hpc.get_progress(deployment)
        then = self.hpc.get_progress(deployment, since=first['next'])
        self.assertNotEqual([], first['events'])
        self.assertEqual([], then['events'])

    def test_lists(self):
        found = list(self.hpc.clusters(q='EM', user='me',
                                       status='ACTIVE,ERROR'))
        self.assertEqual(['demo'], [one.name for one in found])
        self.assertEqual('', found[0].allowed['update'])
        every = [one.id for one in self.hpc.events(limit=2)]
        self.assertEqual(every[::-1], [
            one.id for one in self.hpc.events(sort='id:desc', limit=2)])
        (blueprint,) = self.hpc.blueprints(q='small')
        self.assertEqual((1, 1), (blueprint.in_use,
                                  blueprint.typical['count']))
