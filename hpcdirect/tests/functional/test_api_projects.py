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

import dataclasses

import testtools

from hpcdirect.api import app
from hpcdirect.backends import base
from hpcdirect.backends.fake import FakeBackend
from hpcdirect.exception import BackendError
from hpcdirect.exception import Unavailable
from hpcdirect.keystone import ServiceUser
from hpcdirect.tests.functional.api import Api

USER = ServiceUser('u-hpc', 'hpcdirect', 'default', 'member')


class Keystone:
    """In place of hpcdirect.keystone.Keystone."""

    def __init__(self, *projects, fault=''):
        self.projects_of = projects
        self.fault = fault

    def identity(self):
        if self.fault:
            raise Unavailable(reason=self.fault)
        return USER

    def allowed(self, project_id):
        return project_id in self.projects_of


class Broken(FakeBackend):
    """Does not tell its capacity."""

    def __init__(self, conf, fault):
        super().__init__(conf)
        self._fault = fault

    def capacity(self, project_id):
        raise self._fault


class Full(FakeBackend):
    """Tells all there is to tell."""

    def capacity(self, project_id):
        return base.Capacity(
            (base.NodeType('hpc', 2, 8, ('CUSTOM_IB',)),
             base.NodeType('air')),
            (base.Quota('instances', 3, 10), base.Quota(project_id, 0,
                                                        None)))


class Case(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api())

    def parts(self, **changes):
        self.api.app = app.make_app(dataclasses.replace(
            self.api.services, **changes))

    def get(self, path, status=200, **more):
        answer = self.api.call('GET', path, **more)
        self.assertEqual(status, answer.status, answer.body)
        return answer.json


class ProjectTests(Case):
    """GET /v1/projects/{project}"""

    def test_without_keystone(self):
        self.assertEqual({
            'id': 'ours', 'enabled': True, 'role': '', 'reason': '',
            'service_user': None, 'backends': ['fake']},
            self.get('/v1/projects/ours', roles='reader'))

    def test_enabled(self):
        self.parts(keystone=Keystone('ours'))
        self.assertEqual({
            'id': 'ours', 'enabled': True, 'role': 'member', 'reason': '',
            'service_user': {'id': 'u-hpc', 'name': 'hpcdirect',
                             'domain_id': 'default'},
            'backends': ['fake']}, self.get('/v1/projects/ours'))

    def test_not_enabled(self):
        self.parts(keystone=Keystone())
        found = self.get('/v1/projects/ours')
        self.assertFalse(found['enabled'])
        for word in ('ours', 'hpcdirect', 'member', 'hpc project enable'):
            self.assertIn(word, found['reason'])

    def test_keystone_is_down(self):
        self.parts(keystone=Keystone(fault='Keystone: no answer'))
        error = self.get('/v1/projects/ours', 503)['errors'][0]
        self.assertEqual(('hpcdirect.unavailable', 'Keystone: no answer'),
                         (error['code'], error['detail']))

    def test_other_projects(self):
        self.parts(keystone=Keystone('theirs'))
        answers = {self.api.call('GET', f'/v1/projects/{name}').body.replace(
            name.encode(), b'') for name in ('theirs', 'nosuch')}
        texts = {answer.partition(b'"request_id"')[0] for answer in answers}
        self.assertEqual(1, len(texts), texts)
        self.assertIn(b'not_found', texts.pop())
        for name, enabled in (('theirs', True), ('nosuch', False)):
            self.assertIs(enabled, self.get(
                f'/v1/projects/{name}', roles='admin')['enabled'])

    def test_no_list(self):
        self.assertEqual(405, self.api.call('GET', '/v1/projects').status)


class CapacityTests(Case):
    """GET /v1/capacity"""

    def test_all_there_is(self):
        self.parts(backends={'heat': Full(self.api.conf)})
        self.assertEqual({'backends': [{
            'name': 'heat', 'reason': '',
            'node_types': [
                {'name': 'hpc', 'free': 2, 'total': 8,
                 'traits': ['CUSTOM_IB']},
                {'name': 'air', 'free': None, 'total': None, 'traits': []}],
            'quotas': [{'name': 'instances', 'used': 3, 'limit': 10},
                       {'name': 'ours', 'used': 0, 'limit': None}]}]},
            self.get('/v1/capacity', roles='reader'))

    def test_one_that_fails_spares_the_others(self):
        self.parts(backends={
            'down': Broken(self.api.conf, BackendError(
                plugin='down', reason='Heat does not answer.')),
            'gone': Broken(self.api.conf, Unavailable(reason='no Keystone')),
            'odd': Broken(self.api.conf, KeyError('a secret')),
            'heat': Full(self.api.conf)})
        found = {one['name']: one for one
                 in self.get('/v1/capacity')['backends']}
        self.assertEqual('down: Heat does not answer.',
                         found['down']['reason'])
        self.assertEqual('no Keystone', found['gone']['reason'])
        self.assertIn('log', found['odd']['reason'])
        self.assertNotIn('secret', found['odd']['reason'])
        self.assertEqual(('', 2), (found['heat']['reason'],
                                   len(found['heat']['node_types'])))

    def test_of_another_project(self):
        self.parts(backends={'heat': Full(self.api.conf)})
        path = '/v1/capacity?project_id=theirs'
        for name in ('theirs', 'nosuch'):
            self.get(f'/v1/capacity?project_id={name}', 403)
        self.assertEqual('theirs', self.get(path, roles='admin')['backends'][
            0]['quotas'][1]['name'])
        self.get('/v1/capacity?project_id=ours', roles='reader')
        self.get('/v1/capacity?project_id=', 400)
