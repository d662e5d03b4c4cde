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
import testtools

from hpcdirect.conductor import holds
from hpcdirect.db import leases
from hpcdirect.db import migration
from hpcdirect.db import models
from hpcdirect.exception import LostLease
from hpcdirect.tests.functional import databases

THREADS = 12


class LeaseTests(databases.SQLite):
    """What leases promise."""

    #: SQLite has one writer at a time, who is seldom kept waiting.
    races = 50

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

    def test_two_conductors_race_for_a_cluster_many_times(self):
        idents = [self.cluster(f'demo{number}')
                  for number in range(self.races)]
        start = threading.Barrier(2)

        def conductor(owner):
            got = []
            for ident in idents:
                start.wait(60)
                got.append(self.claim(ident, owner))
            return got

        with futures.ThreadPoolExecutor(2) as pool:
            both = list(zip(*pool.map(conductor, 'ab'), strict=True))
        self.assertEqual({frozenset((None, 1))}, set(map(frozenset, both)))
        with self.database.read() as session:
            owners = dict(session.execute(sa.select(
                models.Cluster.id, models.Cluster.owner)).tuples().all())
        self.assertEqual({ident: 'a' if got[0] else 'b' for ident, got
                          in zip(idents, both, strict=True)}, owners)

    def test_write_keeps_a_lease(self):
        ident = self.cluster()
        epoch = self.claim(ident, seconds=60.0)
        for left, kept in ((55.0, 55.0), (40.0, 60.0)):
            with self.database.write() as session:
                session.execute(sa.update(models.Cluster).values(
                    lease_until=leases.utc_seconds() + left))
            with self.database.write() as session:
                leases.fence(session, ident, epoch)
            with self.database.read() as session:
                now = session.scalars(sa.select(
                    models.Cluster.lease_until - leases.utc_seconds())).one()
            self.assertThat(now, testtools.matchers.MatchesAll(
                testtools.matchers.LessThan(kept + 0.1),
                testtools.matchers.GreaterThan(kept - 10)))

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
        held = {kept: self.claim(kept), lost: self.claim(lost, 'me', 0.05)}
        time.sleep(0.1)
        self.claim(lost, 'b')
        with self.database.write() as session:
            self.assertEqual({kept}, leases.renew(session, 'me', held, 30.0))
        with self.database.read() as session:
            seen = leases.pulse(session, 'me')
        # The one that was lost belongs to another.
        self.assertEqual({kept: (1, 1)}, seen.held)
        self.assertLess(abs(seen.at - time.time()), 60)

    def test_renew_lengthens(self):
        ident = self.cluster()
        epoch = self.claim(ident, 'first', 0.3)
        with self.database.write() as session:
            leases.renew(session, 'first', {ident: epoch}, 30.0)
        time.sleep(0.4)
        self.assertIsNone(self.claim(ident, 'second'))

    def test_who_works_on_a_cluster_changes_nothing_about_it(self):
        before = self.updated_at(ident := self.cluster())
        epoch = self.claim(ident)
        with self.database.write() as session:
            leases.fence(session, ident, epoch)
            leases.renew(session, 'me', {ident: epoch}, 30.0)
            leases.release(session, ident, epoch, look_again=60.0)
        self.assertEqual(before, self.updated_at(ident))

    def updated_at(self, ident):
        with self.database.read() as session:
            return session.get_one(models.Cluster, ident).updated_at

    # -- what is due ------------------------------------------------------

    def set_times(self, ident, **values):
        """Write times that are so many seconds from now."""
        with self.database.write() as session:
            session.execute(sa.update(models.Cluster).where(
                models.Cluster.id == ident).values({
                    name: leases.utc_seconds() + value
                    for name, value in values.items()}))

    def due(self, **options):
        with self.database.read() as session:
            return list(leases.due(session, 60.0, **options))

    def reserved(self):
        with self.database.write() as session:
            return [one.id for one in leases.reserve(session, 60.0, 10)]

    def test_what_rests_is_not_claimed_before_it_is_due(self):
        ident = self.cluster(status='ACTIVE', due_at=0.0)
        with self.database.write() as session:
            self.assertEqual(1, leases.claim(session, ident, 'me', 30.0,
                                             leases.Terms(rest=60.0)))
            leases.release(session, ident, 1, look_again=60.0)
            self.assertIsNone(leases.claim(session, ident, 'me', 30.0,
                                           leases.Terms(rest=60.0)))

    def test_clock_that_was_set_back_an_hour(self):
        resting = self.cluster('resting', status='ACTIVE')
        waiting = self.cluster('waiting', status='UPDATING')
        held = self.cluster('held', status='UPDATING')
        self.claim(held, 'dead', 10.0)
        for ident in (resting, waiting):
            self.set_times(ident, due_at=3600 + 30)
        self.set_times(held, due_at=0, lease_until=3600 + 8)
        self.assertEqual({waiting, held}, set(self.due()))
        self.assertEqual([resting], self.reserved())
        self.assertEqual(2, self.claim(held, 'next'))

    def test_long_lease_of_an_older_release_is_respected(self):
        ident = self.cluster(due_at=0.0, status='UPDATING')
        self.claim(ident, 'old', 250.0)
        with self.database.write() as session:
            session.get_one(models.Cluster, ident).lease_seconds = 0
        self.assertEqual([], self.due())

    def test_for_how_long_they_have_waited(self):
        waiting = self.cluster('waiting', status='UPDATING')
        self.set_times(waiting, due_at=-30)
        left = self.cluster('left', status='UPDATING', due_at=0.0)
        self.claim(left, 'dead', 10.0)
        self.set_times(left, lease_until=-10)
        ordered = self.cluster('ordered', status='CREATING', due_at=0.0)
        with self.database.read() as session:
            found = leases.due(session, 60.0)
        self.assertEqual({ordered, left, waiting}, set(found))
        self.assertEqual(waiting, list(found)[-1])
        for ident, seconds in ((waiting, 30), (left, 10), (ordered, 0)):
            self.assertAlmostEqual(seconds, found[ident], delta=5)

    def test_leases_that_seem_over_are_left_to_their_owners(self):
        ident = self.cluster(due_at=0.0, status='UPDATING')
        self.claim(ident, 'first', 10.0)
        self.set_times(ident, lease_until=-3600)
        self.assertEqual(([], [ident]), (self.due(lapsed=False), self.due()))
        with self.database.write() as session:
            self.assertIsNone(leases.claim(session, ident, 'second', 10.0,
                                           leases.Terms(lapsed=False)))

    def test_resting_clusters_are_looked_at_once_in_a_while(self):
        idents = {self.cluster(f'demo{number}', status=status, due_at=0.0)
                  for number, status in enumerate(
                      ('ACTIVE', 'DEGRADED', 'ERROR'))}
        self.assertEqual([], self.due())
        self.assertEqual(idents, set(self.reserved()))
        self.assertEqual([], self.reserved())
        one = idents.pop()
        with self.database.write() as session:
            leases.look_again(session, one, 0.0)
        self.assertEqual([one], self.reserved())

    def test_resting_cluster_of_a_dead_owner_is_freed(self):
        ident = self.cluster(status='ACTIVE', due_at=0.0)
        epoch = self.claim(ident, 'dead', 0.05)
        time.sleep(0.1)
        self.assertEqual([ident], self.reserved())
        self.assertRaises(LostLease, self.rename, ident, epoch)

    def test_what_nobody_would_look_after_is_woken(self):
        ident = self.cluster(status='ERROR', due_at=None)
        with self.database.write() as session:
            self.assertFalse(leases.wake(session))
        self.assertEqual([ident], self.reserved())

    def test_due(self):
        soon = self.cluster('soon', status='CREATING', due_at=0.0)
        self.cluster('never', status='CREATING', due_at=None)
        self.cluster('later', status='CREATING', due_at=time.time() + 50)
        held = self.cluster('held', status='CREATING', due_at=0.0)
        self.cluster('gone', status='DELETED', due_at=0.0, deleted='x')
        self.claim(held)
        self.assertEqual([soon], self.due())

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
        # Time zones are wrong by half an hour at least.
        self.assertLess(abs(first - time.time()), 60)
        self.assertGreater(second, first)

    def test_times_keep_their_fractions(self):
        ident = self.cluster(created_at=models.now().replace(
            microsecond=123456))
        with self.database.read() as session:
            row = session.get_one(models.Cluster, ident)
        self.assertEqual(123456, row.created_at.microsecond)


class MariaDBLeaseTests(databases.MariaDB, LeaseTests):
    """The same on MariaDB, whose local time has a summer."""

    races = 1000

    def test_locked_row_keeps_no_other_lease_waiting(self):
        locked, other = self.cluster('locked'), self.cluster('other')
        held = {ident: self.claim(ident) for ident in (locked, other)}
        with self.database.engine.connect() as somebody:
            somebody.execute(sa.select(models.Cluster.id).where(
                models.Cluster.id == locked).with_for_update())
            with self.database.write() as session:
                session.execute(sa.text('SET innodb_lock_wait_timeout = 1'))
                self.assertEqual({other}, leases.renew(
                    session, 'me', held, 30.0))
            with self.database.read() as session:
                self.assertEqual(set(held), set(leases.pulse(
                    session, 'me').held))

    def test_row_that_was_locked_is_renewed_soon(self):
        ident = self.cluster(due_at=0.0)
        held = holds.Holds(self.database, 'me', 30.0)
        before = held.claim(ident, rest=1e9).until
        with self.database.engine.connect() as somebody:
            somebody.execute(sa.select(models.Cluster.id).where(
                models.Cluster.id == ident).with_for_update())

            @sa.event.listens_for(self.database.engine,
                                  'after_cursor_execute')
            def go_on(connection, cursor, statement, *_):
                if 'SKIP LOCKED' in statement:
                    somebody.rollback()

            self.addCleanup(sa.event.remove, self.database.engine,
                            'after_cursor_execute', go_on)
            held.renew()
        self.assertGreater(held.get(ident).until, before)

    def test_clock_knows_no_summer_time(self):
        # The last second of summer time in Berlin in 2026, and the next one.
        with self.database.engine.connect() as connection:
            zone = connection.scalar(sa.text('SELECT @@system_time_zone'))
            self.assertIn(zone, ('CET', 'CEST'))
            for at in (1792889999, 1792890000):
                connection.execute(sa.text(f'SET timestamp = {at}'))
                self.assertEqual(float(at), connection.scalar(
                    sa.select(leases.utc_seconds())))

