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
"""The service's own user: where it may act, and what is believed of that."""

from unittest import mock

from oslo_config import cfg
import testtools

from hpcdirect import keystone
from hpcdirect.exception import Unavailable
from hpcdirect.tests.unit.client import keystone as stand_in

PASSWORD = 'old'


class Cloud(stand_in.Keystone):
    """Knows our user, who is at home in one project."""

    def _setUp(self):
        self.roles, self.password, self.logins = {'lab': ['member']}, \
            PASSWORD, []
        super()._setUp()

    def token(self, body):
        """A token for home, or for a project where it has a role."""
        auth = body['auth']
        project = auth['scope']['project'].get('id', 'home')
        self.logins.append(project)
        given = auth['identity']['password']['user']['password']
        roles = self.roles.get(project) if project != 'home' else ['service']
        if given != self.password or not roles:
            return 401, {'error': {'message': 'not authorized'}}, ''
        identity = [{'interface': 'internal', 'region_id': 'one',
                     'region': 'one', 'id': 'e', 'url': self.url}]
        return 201, {'token': {
            'methods': ['password'],
            'expires_at': '2099-01-01T00:00:00.000000Z',
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'user': {'id': 'u-1', 'name': 'hpcdirect',
                     'domain': stand_in.DOMAIN},
            'project': {'id': project, 'name': project,
                        'domain': stand_in.DOMAIN},
            'roles': [{'id': role, 'name': role} for role in roles],
            'catalog': [{'type': 'identity', 'name': 'k', 'id': 'k',
                         'endpoints': identity}]}}, f'token-{project}'

    def answer(self, method, path, token, query):
        if path == '/auth/projects':
            return 200, {'projects': [
                {'id': 'lab', 'enabled': True}, {'id': 'home',
                                                 'enabled': True},
                {'id': 'closed', 'enabled': False}]}
        return super().answer(method, path, token, query)


def configured(url, **values):
    """A configuration with our user of a Keystone."""
    conf = cfg.ConfigOpts()
    keystone.options.register_group(conf, 'service_auth')
    conf([], default_config_files=[])
    # What the kind of login takes is known once there is one.
    conf.register_opts(keystone.loading.get_auth_plugin_conf_options(
        'password'), group='service_auth')
    for name, value in {
            'auth_type': 'password', 'auth_url': url,
            'username': 'hpcdirect', 'password': PASSWORD,
            'user_domain_id': 'default', 'project_name': 'home',
            'project_domain_id': 'default', **values}.items():
        conf.set_override(name, value, 'service_auth')
    return conf


class KeystoneTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.cloud = self.useFixture(Cloud(''))
        self.ours = keystone.Keystone(self.conf())

    def conf(self, **values):
        return configured(self.cloud.url, **values)

    def test_who_it_is(self):
        self.assertEqual(keystone.ServiceUser(
            'u-1', 'hpcdirect', 'default', 'member'), self.ours.identity())
        self.assertEqual(['home'], self.cloud.logins)

    def test_a_yes_is_believed_for_a_minute(self):
        self.assertTrue(self.ours.allowed('lab'))
        self.assertTrue(self.ours.allowed('lab'))
        self.assertEqual(['lab'], self.cloud.logins)
        later = keystone.time.monotonic() + 61
        self.cloud.roles.clear()
        with mock.patch.object(keystone.time, 'monotonic', lambda: later):
            self.assertFalse(self.ours.allowed('lab'))

    def test_a_no_is_asked_again(self):
        self.assertFalse(self.ours.allowed('other'))
        self.cloud.roles['other'] = ['reader']
        self.assertFalse(self.ours.allowed('other'))
        self.cloud.roles['other'] = ['reader', 'member']
        self.assertTrue(self.ours.allowed('other'))

    def test_a_token_is_made_once_for_a_project(self):
        session = self.ours.session('lab')
        self.assertIs(session, self.ours.session('lab'))
        self.assertIsNot(session, self.ours.session())
        self.assertEqual('token-lab', session.get_token())
        self.assertEqual('lab', session.get_project_id())
        self.assertEqual(['lab'], self.cloud.logins)

    def test_our_own_password_is_not_the_project_s_fault(self):
        self.cloud.password = 'new'
        self.assertRaises(Unavailable, self.ours.allowed, 'lab')
        self.assertRaises(Unavailable, self.ours.identity)

    def test_projects(self):
        self.assertEqual(['lab'], self.ours.projects())

    def test_nobody_there(self):
        ours = keystone.Keystone(self.conf(auth_url='http://127.0.0.1:9/v3'))
        for ask in (ours.identity, ours.projects,
                    lambda: ours.allowed('lab')):
            self.assertRaises(Unavailable, ask)

    def test_nothing_is_configured(self):
        ours = keystone.Keystone(self.conf(auth_type=None))
        self.assertRaises(Unavailable, ours.identity)

    def test_endpoint(self):
        self.assertEqual({'service_type': 'orchestration',
                          'interface': 'internal'},
                         self.ours.endpoint('orchestration'))
        ours = keystone.Keystone(self.conf(region_name='two'))
        self.assertEqual('two', ours.endpoint('identity')['region_name'])
