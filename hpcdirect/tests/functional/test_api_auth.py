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

"""Who is let in."""

import os
import time

import bcrypt
import testtools

from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.functional.api import basic


class BasicTests(testtools.TestCase):
    """auth_strategy = basic"""

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(auth_strategy='basic'))
        self.path = self.api.folder / 'users'
        self.write(f'me:{self.hash("secret")}:ours:member',
                   f'you:{self.hash("secret2")}:theirs:reader,admin',
                   f'none:{self.hash("secret3")}:ours:')

    def hash(self, password, rounds=4):
        return bcrypt.hashpw(password.encode(),
                             bcrypt.gensalt(rounds)).decode()

    def write(self, *lines):
        self.path.write_text('# users\n\n' + '\n'.join(lines) + '\n')
        os.utime(self.path, ns=(time.time_ns(), time.time_ns()))

    def get(self, authorization=None, path='/v1/clusters', **more):
        if authorization is not None:
            more['AUTHORIZATION'] = authorization
        return self.api.call('GET', path, **more)

    def test_let_in(self):
        self.assertEqual(200, self.get(basic('me', 'secret')).status)
        self.assertEqual(200, self.get(basic('you', 'secret2')).status)

    def test_kept_out(self):
        for given in (None, '', 'Basic', 'Basic !', 'Bearer x',
                      basic('me', ''), basic('me', 'wrong'),
                      basic('nobody', 'secret'), basic('', ''),
                      basic('me', 'secret2'), basic('me', 'x' * 100),
                      basic('me', 'a\0b'), 'Basic /////w=='):
            answer = self.get(given)
            self.assertEqual((401, 'unauthorized'),
                             (answer.status, answer.code), given)
            self.assertIn('Basic', answer.headers['www-authenticate'])

    def test_headers_from_outside_are_nothing(self):
        view = self.api.call(
            'POST', '/v1/clusters', {'name': 'demo', 'blueprint': 'small'},
            AUTHORIZATION=basic('me', 'secret'), roles='admin',
            project='theirs', X_USER_NAME='root', X_PROJECT_NAME='theirs'
            ).json
        self.assertEqual(('ours', 'ours', 'me', 'me'), tuple(
            view[name] for name in ('project_id', 'project_name', 'user_id',
                                    'user_name')))
        self.assertEqual(403, self.get(
            basic('me', 'secret'), '/v1/clusters?all_projects=true',
            roles='admin').status)

    def test_no_roles(self):
        self.assertEqual(403, self.get(basic('none', 'secret3')).status)

    def test_anybody_may_look_around(self):
        for path in ('/', '/v1', '/v1/openapi.json', '/healthcheck'):
            self.assertEqual(200, self.get(None, path).status)

    def test_bcrypt_is_paid_once(self):
        self.write(f'me:{self.hash("secret", 12)}:ours:member')
        self.get(basic('me', 'secret'))
        begin = time.thread_time()
        for _ in range(5):
            self.assertEqual(200, self.get(basic('me', 'secret')).status)
        self.assertLess(time.thread_time() - begin, 0.25)

    def test_nobody_takes_as_long_as_somebody(self):
        self.write(f'me:{self.hash("secret", 9)}:ours:member')
        self.get(basic('me', 'wrong'))

        def cost(name):
            begin = time.thread_time()
            for _ in range(5):
                self.get(basic(name, 'wrong'))
            return time.thread_time() - begin

        self.assertTrue(0.5 < cost('me') / cost('nobody') < 2)

    def test_file_is_read_again(self):
        self.assertEqual(200, self.get(basic('me', 'secret')).status)
        self.write(f'me:{self.hash("new")}:ours:member')
        self.assertEqual(401, self.get(basic('me', 'secret')).status)
        self.assertEqual(200, self.get(basic('me', 'new')).status)
        self.path.unlink()
        self.assertEqual(401, self.get(basic('me', 'new')).status)

    def test_lines_that_are_wrong_are_left_out(self):
        self.write('me', 'x:y', f'ok:{self.hash("a")}:ours:reader',
                   'bad:nohash:ours:member', f':{self.hash("b")}:ours:x')
        self.assertEqual(200, self.get(basic('ok', 'a')).status)
        self.assertEqual(401, self.get(basic('bad', 'a')).status)


class NoauthTests(testtools.TestCase):
    """auth_strategy = noauth: what has no project"""

    def test_without_a_project(self):
        api = self.useFixture(Api())
        answer = api.call('GET', '/v1/clusters', project='', roles='admin')
        self.assertEqual(403, answer.status)
        self.assertIn('for no project', answer.json['errors'][0]['detail'])
