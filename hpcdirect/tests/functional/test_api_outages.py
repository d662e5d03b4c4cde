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

"""A database that is not there, that only reads, or that has no time."""

import concurrent.futures
import time

import fixtures
import sqlalchemy as sa
import testtools

from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional.api import Api


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class OutageTests(testtools.TestCase):
    """What the API answers then: 503, when to ask again, and no traceback"""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            'hpcdirect', format='%(message)s'))
        self.own = self.useFixture(mariadb.Own())
        self.api = self.useFixture(Api(connection=self.own.url))
        self.ident = self.api.create()['id']
        self.api.settle(self.ident)

    #: Every way to write, and one to read.
    REQUESTS = (
        ('POST', '/v1/clusters', {'name': 'more', 'blueprint': 'small'}),
        ('PATCH', '/v1/clusters/{}', {'description': 'other'}),
        ('PATCH', '/v1/clusters/{}', {'parameters': {'compute_count': 3}}),
        ('POST', '/v1/clusters/{}/deployments', {'operation': 'check'}),
        ('POST', '/v1/plans', {'cluster': '{}', 'change': {
            'parameters': {'compute_count': 3}}}),
        ('DELETE', '/v1/clusters/{}', None),
    )

    def call(self, method, path, body):
        if body and 'cluster' in body:
            body = {**body, 'cluster': self.ident}
        return self.api.call(method, path.format(self.ident), body)

    def assert_unavailable(self, answer):
        self.assertEqual((503, 'unavailable'), (answer.status, answer.code))
        self.assertEqual('5', answer.headers['retry-after'])
        self.assertNotIn('Traceback', self.log.output)
        self.assertNotIn('own', answer.json['errors'][0]['detail'])

    def test_killed(self):
        self.own.server.kill()
        for request in (*self.REQUESTS, ('GET', '/v1/clusters', None)):
            self.assert_unavailable(self.call(*request))
        self.assertEqual(200, self.api.call('GET', '/v1/blueprints').status)
        self.own.server.start()
        for request in self.REQUESTS:
            self.assertLess(self.call(*request).status, 300, request)
            self.api.settle(self.ident)

    def test_read_only(self):
        self.own.execute('SET GLOBAL read_only = 1')
        for request in self.REQUESTS:
            self.assert_unavailable(self.call(*request))
        self.assertEqual(200, self.api.call('GET', '/v1/clusters').status)

    def hold(self, connection):
        connection.execute(sa.text(
            'UPDATE clusters SET updated_at = NOW() WHERE id = :ident'),
            {'ident': self.ident})

    def waiting(self):
        """Transactions of the API's that wait for a row."""
        return self.own.execute(
            'SELECT COUNT(*) FROM information_schema.innodb_trx '
            "WHERE trx_state = 'LOCK WAIT'").scalar()

    def wait_until(self, true):
        end = time.monotonic() + 60
        while not true():
            self.assertLess(time.monotonic(), end)

    def test_a_row_that_is_held(self):
        self.api.database.lock_wait = 1
        self.api.database.engine.dispose()
        with self.own.other() as connection:
            self.hold(connection)
            self.assert_unavailable(self.call(*self.REQUESTS[1]))
        self.assertEqual(200, self.call(*self.REQUESTS[1]).status)

    def test_a_deadlock_is_done_again(self):
        # Each request holds the cluster's row, and then waits for that of
        # its deployment. Whoever waits the other way round is a deadlock,
        # and who has written less gives way: the request.
        for request in (self.REQUESTS[2], self.REQUESTS[3],
                        self.REQUESTS[5]):
            self.api.settle(self.ident)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                with self.own.other() as connection:
                    connection.exec_driver_sql(
                        'UPDATE deployments SET finished_at = NOW()')
                    connection.execute(sa.text(
                        'INSERT INTO cluster_tags (cluster_id, tag) '
                        'SELECT :ident, seq FROM seq_1_to_1000'),
                        {'ident': self.ident})
                    asked = pool.submit(self.call, *request)
                    self.wait_until(self.waiting)
                    self.hold(connection)
                self.assertLess(asked.result(60).status, 300)
        self.assertEqual(3, self.deadlocks())

    def deadlocks(self):
        """How many there were, so that the test has tested something."""
        return int(self.own.execute(
            "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'").one()[1])
