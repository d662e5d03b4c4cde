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


"""A project's clusters at a glance."""

import datetime

import testtools

from hpcdirect.db import models
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.api import Api


class SummaryTest(testtools.TestCase):

    connection = staticmethod(lambda: '')

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(self.connection()))

    def get(self, query='', **more):
        answer = self.api.call('GET', f'/v1/summary{query}', **more)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json

    def test_nothing_there(self):
        self.assertEqual({
            'clusters': {}, 'nodes': {'total': 0, 'up': 0}, 'failing': [],
            'expiring': [], 'busy': [], 'lately': [],
            'allowed': {'create': ''}}, self.get())

    def test_all_at_once(self):
        begin = datetime.datetime(2026, 1, 1)
        for number, (name, status) in enumerate((
                ('well', 'ACTIVE'), ('ailing', 'DEGRADED'),
                ('broken', 'ERROR'), ('made', 'CREATING'))):
            ident = self.api.create(
                name, expires_at='2100-01-01T00:00:00Z')['id']
            rows.converged(self.api.database, ident)
            with self.api.database.write() as session:
                row = session.get_one(models.Cluster, ident)
                row.status = status
                row.updated_at = begin + datetime.timedelta(number)
                if number < 2:
                    row.expires_at = models.now() + datetime.timedelta(
                        3 - number)
        self.api.create('gone')
        with self.api.database.write() as session:
            row = session.query(models.Cluster).filter_by(name='gone').one()
            row.deleted, row.status = row.id, 'DELETED'
        self.api.create('theirs', project='theirs')
        found = self.get()
        self.assertEqual({'ACTIVE': 1, 'DEGRADED': 1, 'ERROR': 1,
                          'CREATING': 1}, found['clusters'])
        self.assertEqual({'total': 12, 'up': 8}, found['nodes'])

        def names(kind):
            return [one['name'] for one in found[kind]]

        self.assertEqual(['broken', 'ailing'], names('failing'))
        self.assertEqual(['ailing', 'well'], names('expiring'))
        self.assertEqual(['made'], names('busy'))
        shown = self.api.call('GET', '/v1/clusters/made').json
        (busy,) = found['busy']
        self.assertEqual({name: shown[name] for name in busy}, busy)
        self.assertEqual(['gone', 'made', 'broken', 'ailing', 'well'],
                         [one['cluster'] for one in found['lately']])
        every = self.get('?all_projects=true', roles='admin')
        self.assertEqual(2, every['clusters']['CREATING'])
        self.assertEqual('theirs', every['lately'][0]['cluster'])

    def test_who_may(self):
        self.assertNotEqual('', self.get(roles='reader')['allowed']['create'])
        for roles, query, status in (
                ('member', '?all_projects=true', 403), ('nobody', '', 403)):
            self.assertEqual(status, self.api.call(
                'GET', f'/v1/summary{query}', roles=roles).status)

    def test_only_a_few(self):
        for number in range(7):
            self.api.create(f'c{number}')
        found = self.get()
        self.assertEqual((7, 5, 7), (
            found['clusters']['CREATING'], len(found['busy']),
            len(found['lately'])))


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class MariaDBSummaryTest(SummaryTest):

    def connection(self):
        return self.useFixture(mariadb.MariaDB()).url
