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

"""What people and projects are called, beside their ids."""

from hpcdirect.db import models
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional.test_api_clusters import Case

PATH = '/v1/clusters/demo'
#: As WSGI hands over the UTF-8 of a header.
ZOE = 'Zoë 莎'.encode().decode('latin-1')


class NamesTests(Case):
    """Kept when somebody asks, shown wherever the id is"""

    def setUp(self):
        super().setUp()
        self.ident = self.ask('POST', '/v1/clusters', {
            'name': 'demo', 'blueprint': 'small'}, X_USER_NAME=ZOE,
            X_PROJECT_NAME='The Lab')['id']
        self.api.settle(self.ident)
        self.ask('PATCH', PATH, {'parameters': {'compute_count': 3}},
                 X_USER_ID='b', X_USER_NAME='Bob')

    def ask(self, method, path, body=None, **headers):
        answer = self.api.call(method, path, body, **headers)
        self.assertIn(answer.status, (200, 202), answer.body)
        return answer.json

    def names(self, path, key):
        return [(one['user_id'], one['user_name'])
                for one in self.ask('GET', path)[key]]

    def test_wherever_an_id_is_shown(self):
        shown = self.ask('GET', PATH)
        self.assertEqual(
            ('ours', 'The Lab', 'someone', 'Zoë 莎'),
            tuple(shown[name] for name in ('project_id', 'project_name',
                                           'user_id', 'user_name')))
        self.assertEqual([('someone', 'Zoë 莎')],
                         self.names('/v1/clusters', 'clusters'))
        self.assertEqual([{'project_name': 'The Lab', 'user_name': 'Zoë 莎'}],
                         self.ask('GET', '/v1/clusters?fields=user_name,'
                                  'project_name')['clusters'])
        both = [('b', 'Bob'), ('someone', 'Zoë 莎')]
        for path, key in ((f'{PATH}/generations', 'generations'),
                          (f'{PATH}/deployments', 'deployments'),
                          ('/v1/deployments', 'deployments'),
                          ('/v1/summary', 'lately')):
            self.assertEqual(both, self.names(path, key), path)
        self.assertEqual('Bob', self.ask(
            'GET', f'/v1/deployments/{shown["deployment"]["id"]}'
            )['user_name'])
        self.assertEqual('Zoë 莎', self.ask(
            'GET', f'{PATH}/generations/1')['user_name'])
        self.assertEqual('The Lab', self.ask(
            'GET', '/v1/summary')['busy'][0]['project_name'])

    def test_whoever_has_none_or_too_much_of_one(self):
        self.api.settle(self.ident)
        for given, kept in (({}, ''), ({'X_USER_NAME': 'x' * 999},
                                       'x' * 255),
                            ({'X_USER_NAME': 'a\0b\xff'}, 'a?b\ufffd')):
            self.ask('POST', f'{PATH}/deployments', {'operation': 'check'},
                     **given)
            self.api.settle(self.ident)
            newest = self.ask('GET', f'{PATH}/deployments')['deployments'][0]
            self.assertEqual(('check', kept), (newest['operation'],
                                               newest['user_name']))

    def test_they_are_not_signed_for(self):
        """A release that knows no names judges the same signature."""
        with self.api.database.read() as session:
            for row in session.query(models.Deployment):
                self.assertNotEqual('', row.user_name)
                self.assertNotIn('user_name', row.signed_part(2))


class MariaDBNamesTests(NamesTests):
    """The same on MariaDB"""

    def connection(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        return self.useFixture(mariadb.MariaDB()).url
