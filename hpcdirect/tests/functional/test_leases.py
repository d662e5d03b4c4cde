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

"""Leases, fences and migrations, on SQLite and on MariaDB."""

from concurrent import futures
import threading
import time

from alembic import autogenerate
from alembic.runtime.migration import MigrationContext
import sqlalchemy as sa

from hpcdirect.db import leases
from hpcdirect.db import migration
from hpcdirect.db import models
from hpcdirect.exception import LostLease
from hpcdirect.tests.functional import databases

THREADS = 12


class LeaseTests(databases.SQLite):
    """What leases promise."""

    def claim(self, ident, owner='me', seconds=30.0):
        with self.database.write() as session:
            return leases.claim(session, ident, owner, seconds)

    def rename(self, ident, epoch):
        with self.database.write() as session:
            leases.fence(session, ident, epoch)
            session.get_one(models.Cluster, ident).name = 'changed'

    def race(self, work):
        """Many threads do *work* at the same moment; what each got."""
        barrier = threading.Barrier(THREADS)

        def begin(number):
            barrier.wait()
            return work(number)

        with futures.ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(begin, range(THREADS)))

    def test_one_of_many_claims_wins(self):
        for round_number in range(5):
            ident = self.cluster(f'demo{round_number}')
            got = self.race(lambda number, ident=ident: self.claim(
                ident, f'conductor-{number}'))
            self.assertEqual([1], [epoch for epoch in got if epoch])

    def test_lapsed_lease_is_taken_over(self):
        ident = self.cluster()
        self.assertEqual(1, self.claim(ident, 'first', 0.3))
        self.assertIsNone(self.claim(ident, 'second'))
        time.sleep(0.4)
        self.assertEqual(2, self.claim(ident, 'second'))

    def test_fence_refuses_an_old_epoch(self):
        ident = self.cluster()
        old = self.claim(ident, 'first', 0.05)
        time.sleep(0.1)
        new = self.claim(ident, 'second')
        with self.database.write() as session:
            leases.fence(session, ident, new)
        self.assertRaises(LostLease, self.rename, ident, old)
        with self.database.read() as session:
            self.assertEqual('demo',
                             session.get_one(models.Cluster, ident).name)

    def test_fence_holds_off_a_claim(self):
        ident = self.cluster()
        epoch = self.claim(ident, 'first', 0.05)
        time.sleep(0.1)
        order, fenced = [], threading.Event()

        def write():
            with self.database.write() as session:
                leases.fence(session, ident, epoch)
                fenced.set()
                time.sleep(0.5)
                order.append('written')

        with futures.ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            fenced.wait(10)
            self.claim(ident, 'second')
            order.append('claimed')
            writing.result()
        self.assertEqual(['written', 'claimed'], order)

    def test_renew_tells_what_is_lost(self):
        kept, lost = self.cluster('kept'), self.cluster('lost')
        held = [(kept, self.claim(kept)), (lost, self.claim(lost, 'a', 0.05))]
        time.sleep(0.1)
        self.claim(lost, 'b')
        with self.database.write() as session:
            self.assertEqual([lost], leases.renew(session, held, 30.0))

    def test_renew_lengthens(self):
        ident = self.cluster()
        epoch = self.claim(ident, 'first', 0.3)
        with self.database.write() as session:
            leases.renew(session, [(ident, epoch)], 30.0)
        time.sleep(0.4)
        self.assertIsNone(self.claim(ident, 'second'))

    def test_who_works_on_a_cluster_changes_nothing_about_it(self):
        before = self.updated_at(ident := self.cluster())
        epoch = self.claim(ident)
        with self.database.write() as session:
            leases.fence(session, ident, epoch)
            leases.renew(session, [(ident, epoch)], 30.0)
            leases.release(session, ident, epoch, look_again=60.0)
        self.assertEqual(before, self.updated_at(ident))

    def updated_at(self, ident):
        with self.database.read() as session:
            return session.get_one(models.Cluster, ident).updated_at

    def test_due(self):
        soon = self.cluster('soon', due_at=0.0)
        self.cluster('never', due_at=None)
        self.cluster('later', due_at=time.time() + 1000)
        held = self.cluster('held', due_at=0.0)
        self.cluster('gone', due_at=0.0, deleted='x')
        self.claim(held)
        with self.database.read() as session:
            self.assertEqual([soon], leases.due(session))

    def test_tables_are_what_the_models_say(self):
        with self.database.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={'compare_type': True})
            self.assertEqual([], autogenerate.compare_metadata(
                context, models.Base.metadata))
        self.assertEqual(migration.newest(), migration.version(self.conf))

    def test_upgrade_again_changes_nothing(self):
        self.cluster()
        migration.upgrade(self.conf)
        with self.database.read() as session:
            self.assertEqual(1, session.scalar(sa.select(
                sa.func.count()).select_from(models.Cluster)))

    def test_clock_is_that_of_the_world_and_moves_on(self):
        with self.database.read() as session:
            first = session.scalar(sa.select(leases.utc_seconds()))
            time.sleep(0.05)
            second = session.scalar(sa.select(leases.utc_seconds()))
        self.assertLess(abs(first - time.time()), 2)
        self.assertGreater(second, first)

    def test_times_keep_their_fractions(self):
        ident = self.cluster(created_at=models.now().replace(
            microsecond=123456))
        with self.database.read() as session:
            row = session.get_one(models.Cluster, ident)
        self.assertEqual(123456, row.created_at.microsecond)


class MariaDBLeaseTests(databases.MariaDB, LeaseTests):
    """The same on MariaDB."""

