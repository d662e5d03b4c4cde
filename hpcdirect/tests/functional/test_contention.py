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

"""Rows that others hold, a deadlock that is lost, a server that only reads."""


import fixtures
import sqlalchemy as sa
import testtools

from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import test_turns
from hpcdirect.tests.functional.api import Api


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class ContentionTest(test_turns.Case):

    def setUp(self):
        # Not that of all cases: the database is there before its site.
        testtools.TestCase.setUp(self)
        self.own = self.useFixture(mariadb.Own())
        self.log = self.useFixture(fixtures.FakeLogger('hpcdirect'))
        self.site(Api(connection=self.own.url))
        self.api.database.lock_wait = 1
        self.api.database.engine.dispose()

    def waiting(self):
        """Transactions that wait for a row."""
        return self.own.execute(
            'SELECT COUNT(*) FROM information_schema.innodb_trx '
            "WHERE trx_state = 'LOCK WAIT'").scalar()

    def deadlocks(self):
        return int(self.own.execute(
            "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'").one()[1])

    def test_row_that_somebody_holds(self):
        ident = self.create()
        with self.own.other() as connection:
            connection.execute(sa.text(
                'UPDATE clusters SET updated_at = NOW()'))
            self.conductor()
            # It gives up waiting, and comes again.
            local_bed.wait_for(
                lambda: 'cannot be claimed' in self.log.output)
            local_bed.wait_for(self.waiting)
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        self.assertNotIn('Traceback', self.log.output)

    def test_deadlock_that_is_lost(self):
        ident = self.create(seconds=2)
        self.conductor()
        local_bed.wait_for(lambda: any(
            run['status'] == 'RUNNING' for run in self.runs(ident)))
        with self.own.other() as connection:
            connection.exec_driver_sql('UPDATE runs SET started_at = NOW()')
            # Who has written less gives way: the conductor.
            connection.execute(sa.text(
                'INSERT INTO cluster_tags (cluster_id, tag) '
                'SELECT :ident, seq FROM seq_1_to_1000'), {'ident': ident})
            # It has the one, and wants the other.
            local_bed.wait_for(self.waiting)
            connection.exec_driver_sql(
                'UPDATE clusters SET updated_at = NOW()')
        self.assertGreater(self.deadlocks(), 0)
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        self.assertNotIn('Traceback', self.log.output)

    def test_server_that_only_reads_for_a_while(self):
        ident = self.create(seconds=1)
        self.conductor()
        local_bed.wait_for(lambda: any(
            run['status'] == 'RUNNING' for run in self.runs(ident)))
        self.own.execute('SET GLOBAL read_only = 1')
        local_bed.wait_for(
            lambda: 'A batch could not be recorded' in self.log.output)
        self.assertEqual('CREATING', self.get(ident)['status'])
        self.own.execute('SET GLOBAL read_only = 0')
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        self.assertNotIn('Traceback', self.log.output)
