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

import json

from hpcdirect.tests.unit.client import base
from hpcdirect.tests.unit.client import keystone
from hpcdirect.tests.unit.client import stub

USER = {'id': 'u-hpc', 'name': 'hpcdirect', 'domain_id': 'default'}


class ProjectTest(base.ClientTest):

    def setUp(self):
        super().setUp()
        self.keystone = self.useFixture(keystone.Keystone(self.stub.url))
        self.stub.answer('GET', '/projects/p-lab', self.standing)
        self.stub.answer('GET', '/clusters', {'clusters': [], 'links': []})

    def standing(self, query):
        enabled = ('p-lab', 'u-hpc', 'r-member') in self.keystone.grants
        return {'id': 'p-lab', 'enabled': enabled, 'role': 'member',
                'service_user': USER, 'backends': ['heat'],
                'reason': '' if enabled else 'It has no role there.'}

    def hpc(self, user, *argv, code=0, **more):
        self.clouds(**self.keystone.cloud(user, **more))
        got, out, err = self.openstack('hpc', *argv)
        self.assertEqual(code, got, err)
        self.assertNotIn('Traceback', err)
        return out, err

    def show(self, user, *argv):
        return json.loads(self.hpc(user, 'project', 'show', *argv,
                                   '-f', 'json')[0])

    def test_show(self):
        for words in ((), ('lab',), ('p-lab',)):
            self.stub.seen.clear()
            found = self.show('alice', *words)
            self.assertEqual(('p-lab', False, USER), (
                found['id'], found['enabled'], found['service_user']))
            self.assertEqual(['GET /projects/p-lab'], self.stub.requests())

    def test_show_what_is_not_there(self):
        _, err = self.hpc('alice', 'project', 'show', 'other', code=1)
        self.assertIn('HTTP 404', err)

    def test_who_may_enables(self):
        for user, asked in (('admin', ''), ('dave', 'lab'),
                            ('dave', 'p-lab')):
            self.keystone.grants.clear()
            out, err = self.hpc(user, 'project', 'enable',
                                *([asked] if asked else []), '-f', 'json')
            self.assertTrue(json.loads(out)['enabled'])
            self.assertIn('may act in project lab', err)
            self.assertEqual({('p-lab', 'u-hpc', 'r-member')},
                             self.keystone.grants)

    def test_the_service_is_never_asked_to_grant(self):
        self.hpc('dave', 'project', 'enable')
        self.assertEqual({'GET /projects/p-lab'},
                         set(self.stub.requests()))

    def test_enabled_already(self):
        self.hpc('admin', 'project', 'enable')
        _, err = self.hpc('alice', 'project', 'enable')
        self.assertIn('may act in project lab already', err)

    def test_the_role_is_given_although_the_service_believes_it_has_it(self):
        self.stub.answer('GET', '/projects/p-lab', {
            **self.standing({}), 'enabled': True, 'reason': ''})
        self.hpc('dave', 'project', 'enable')
        self.assertEqual(1, len(self.keystone.grants))

    def test_who_may_not_learns_whom_to_ask_for_what(self):
        for verb, word in (('enable', 'add'), ('disable', 'remove')):
            out, err = self.hpc('alice', 'project', verb, code=1)
            self.assertEqual('', out)
            self.assertIn(f'\nopenstack role {word} --user u-hpc '
                          '--project p-lab member\n', err)
            self.assertIn('in project lab', err)
        self.assertEqual(set(), self.keystone.grants)

    def test_another_project(self):
        out, _ = self.hpc('admin', 'project', 'enable', 'other', '-f',
                          'json')
        self.assertEqual('p-other', json.loads(out)['id'])
        self.assertEqual({('p-other', 'u-hpc', 'r-member')},
                         self.keystone.grants)
        self.hpc('admin', 'project', 'disable', 'other')
        self.assertEqual(set(), self.keystone.grants)
        self.assertEqual([{'all_projects': 'true'}], [
            query for _, path, query, _ in self.stub.seen
            if path == '/clusters'])

    def test_disable(self):
        self.hpc('admin', 'project', 'enable')
        _, err = self.hpc('dave', 'project', 'disable')
        self.assertIn('may not act in project lab any more', err)
        self.assertEqual(set(), self.keystone.grants)
        self.hpc('dave', 'project', 'disable')

    def test_disable_spares_clusters(self):
        self.hpc('admin', 'project', 'enable')
        self.stub.answer('GET', '/clusters', {'clusters': [
            stub.cluster('demo', project_id='p-lab'),
            stub.cluster('far', project_id='p-far')], 'links': []})
        _, err = self.hpc('admin', 'project', 'disable', code=1)
        self.assertIn('could not be deleted any more: demo. Delete', err)
        self.assertEqual(1, len(self.keystone.grants))
        self.hpc('admin', 'project', 'disable', '--force')
        self.assertEqual(set(), self.keystone.grants)

    def test_role_that_is_not_there(self):
        self.stub.answer('GET', '/projects/p-lab', {
            **self.standing({}), 'role': 'hpc'})
        _, err = self.hpc('admin', 'project', 'enable', code=1)
        self.assertIn('The cloud has no role hpc.', err)

    def test_service_that_needs_no_role(self):
        self.stub.answer('GET', '/projects/p-lab', {
            'id': 'p-lab', 'enabled': True, 'role': '', 'backends': [],
            'service_user': None, 'reason': ''})
        _, err = self.hpc('alice', 'project', 'enable')
        self.assertIn('nothing to do', err)
        self.hpc('alice', 'project', 'disable', code=1)

    def test_without_keystone(self):
        code, _, err = self.openstack('hpc', 'project', 'show')
        self.assertEqual(1, code)
        self.assertIn('You are not logged in to a project: name one', err)
        code, out, _ = self.openstack('hpc', 'project', 'show', 'p-lab',
                                      '-f', 'json')
        self.assertEqual((0, 'p-lab'), (code, json.loads(out)['id']))


class CapacityTest(base.ClientTest):

    def setUp(self):
        super().setUp()
        self.stub.answer('GET', '/capacity', {'backends': [
            {'name': 'heat', 'reason': '', 'node_types': [
                {'name': 'hpc', 'free': 5, 'total': 8,
                 'traits': ['CUSTOM_GPU']}],
             'quotas': [{'name': 'instances', 'used': 12, 'limit': 10},
                        {'name': 'ports', 'used': 1, 'limit': None}]},
            {'name': 'local', 'reason': 'local: \x1b[2Jno memory',
             'node_types': [], 'quotas': []}]})

    def test_show(self):
        code, out, err = self.openstack('hpc', 'capacity', 'show', '-f',
                                        'json', '--long')
        self.assertEqual(0, code)
        self.assertEqual([
            ('machines', 'hpc', 5, 3, 8, ['CUSTOM_GPU']),
            ('quota', 'instances', 0, 12, 10, []),
            ('quota', 'ports', None, 1, None, [])],
            [tuple(one[name] for name in ('Kind', 'Name', 'Free', 'Used',
                                          'Total', 'Traits'))
             for one in json.loads(out)])
        self.assertEqual('local: no memory\n', err)
        self.assertEqual(['GET /capacity'], self.stub.requests())

    def test_of_another_project(self):
        self.openstack('hpc', 'capacity', 'show', '--project', 'p-x')
        self.assertEqual({'project_id': 'p-x'}, self.stub.seen[-1][2])
