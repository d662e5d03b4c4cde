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

"""Events are read in order, and what is over is taken away in time."""

import datetime

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.conductor.endings import Retention
from hpcdirect.db import events
from hpcdirect.db import horizon
from hpcdirect.db import models
from hpcdirect.db import orders
from hpcdirect.db import purge
from hpcdirect.db.horizon import Horizon
from hpcdirect.db.orders import IdempotencyKey
from hpcdirect.db.paging import Page
from hpcdirect.db.plans import Plan
from hpcdirect.planning.state import NOTHING
from hpcdirect.tests.functional import databases

OURS = {'project_id': 'ours', 'kind': 'cluster'}
DAY = datetime.timedelta(days=1)


class _Cursor:
    """Readers go on from the last event they know."""

    def setUp(self):
        super().setUp()
        self.clock = [0.0]
        self.horizon = Horizon(self.database, lambda: self.clock[0])

    def read(self, marker=0, **filters):
        page = Page(marker=str(marker), filters=filters)
        self.clock[0] += 0.001
        until = None if events.in_order(page) \
            else self.horizon.look().settled
        with self.database.read() as session:
            return [row.id for row in events.listing(
                session, 'ours', page, until).rows]

    def add(self, session, cluster_id, **values):
        event = models.Event(cluster_id=cluster_id, **OURS, **values)
        session.add(event)
        session.flush()
        return event.id

    def write(self, cluster_id='other', **values):
        with self.database.write() as session:
            return self.add(session, cluster_id, **values)

    def test_a_lower_id_is_committed_later(self):
        known = self.write()
        with orm.Session(self.database.engine) as slow:
            first = self.add(slow, 'slow')
            second = self.write()
            self.assertEqual([], self.read(known))
            self.assertEqual([known], self.read())
            # Who asks for one cluster is not held up by others.
            self.assertEqual([known, second], self.read(cluster_id='other'))
            slow.commit()
        self.assertEqual([first, second], self.read(known))

    def test_what_was_rolled_back_holds_nobody_up_for_ever(self):
        with orm.Session(self.database.engine) as slow:
            known = self.write()
            self.add(slow, 'slow')
            slow.rollback()
        later = self.write(at=models.now() - datetime.timedelta(minutes=1))
        self.assertEqual([later], self.read(known))

    def test_what_is_rolled_back_while_somebody_reads(self):
        known = self.write()
        self.assertEqual([known], self.read())
        with orm.Session(self.database.engine) as slow:
            self.add(slow, 'slow')
            # Written by a clock that is an hour ahead, and one that is late.
            hour = datetime.timedelta(hours=1)
            later = [self.write(at=models.now() + hour),
                     self.write(at=models.now() - hour)]
            self.assertEqual([], self.read(known))
            slow.rollback()
        self.clock[0] += 29
        self.assertEqual([], self.read(known))
        self.clock[0] += 2
        self.assertEqual(later, self.read(known))

    def test_more_than_is_looked_at(self):
        self.patch(horizon, '_NEWEST', 3)
        known = [self.write() for _ in range(10)]
        self.assertEqual(known, self.read())
        known += [self.write() for _ in range(10)]
        self.assertEqual(known[10:], self.read(known[9]))

    def test_who_has_news(self):
        self.write()
        first = self.horizon.look()
        with self.database.write() as session:
            session.add(models.Event(cluster_id='x', project_id='theirs',
                                     kind='cluster'))
        self.clock[0] += 1
        second = self.horizon.look()
        self.assertEqual(first.news('ours'), second.news('ours'))
        self.assertNotEqual(first.news('theirs'), second.news('theirs'))
        self.assertNotEqual(first.news(None), second.news(None))
        with self.database.write() as session:
            session.execute(sa.delete(models.Event))
        self.clock[0] += 1
        self.assertEqual(0, self.horizon.look().settled)


class CursorMariaDBTest(_Cursor, databases.MariaDB):
    """Several writers at a time"""


class _Retention:
    """A little goes at a time, until nothing is too old."""

    def left(self):
        """Table -> rows."""
        with self.database.read() as session:
            return {table.name: count for table
                    in models.Base.metadata.sorted_tables if (
                        count := session.scalar(sa.select(
                            sa.func.count()).select_from(table)))}

    def full(self, name):
        """A cluster with something in every table; its id."""
        ident = self.cluster(name)
        with self.database.write() as session:
            deployment = models.Deployment(
                cluster_id=ident, project_id='ours', user_id='me', roles=[],
                operation='create', generation=1, desired_digest='',
                signature='', status='SUCCEEDED')
            session.add_all([
                deployment, models.Tag(cluster_id=ident, tag='t'),
                models.Generation(cluster_id=ident, generation=1,
                                  user_id='me', operation='create',
                                  desired=NOTHING),
                Plan(cluster_id=ident, project_id='ours',
                            user_id='me', generation=1, fingerprint='',
                            change={}, shown={}),
                IdempotencyKey(project_id='ours', key=name,
                                      body_digest='', cluster_id=ident)])
            session.flush()
            session.add(models.Step(
                deployment_id=deployment.id, position=0, kind='apply',
                nodes=[], status='SUCCEEDED'))
            for _ in range(3):
                run = models.Run(
                    cluster_id=ident, project_id='ours', step_id='',
                    deployment_id=deployment.id, verb='apply', element='e',
                    nodes=[], status='SUCCEEDED', runner='fake')
                session.add(run)
                session.flush()
                session.add(models.LogChunk(run_id=run.id, start=0,
                                            text='x'))
                self.event(session, ident)
        return ident

    def event(self, session, ident):
        session.add(models.Event(cluster_id=ident, **OURS))

    def delete(self, ident):
        with self.database.write() as session:
            orders.locked(session, ident).deleted = ident

    def test_deleted(self):
        kept, gone = self.full('kept'), self.full('gone')
        before = self.left()
        self.delete(gone)
        for name in ('MOST', '_RUNS'):
            self.patch(purge, name, 2)
        clock = [models.now() + DAY]
        retention = Retention(self.database, 2 * 86400, 9 * 86400,
                              lambda: clock[0])
        retention.look()
        self.assertEqual(before, self.left())
        clock[0] += 2 * DAY
        retention = Retention(self.database, 0, 9 * 86400, lambda: clock[0])
        retention.look()
        self.assertEqual(before, self.left())
        retention = Retention(self.database, 2 * 86400, 9 * 86400,
                              lambda: clock[0])
        retention.look()
        self.assertEqual(4, self.left()['events'])
        total = sum(self.left().values())
        for _ in range(12):
            retention.look()
            left = sum(self.left().values())
            # A piece each time: rows of one kind, and runs with their logs.
            self.assertLessEqual(total - left, 4)
            total = left
        self.assertEqual({name: count // 2 for name, count
                          in before.items()}, self.left())
        with self.database.read() as session:
            self.assertEqual([kept], list(session.scalars(
                sa.select(models.Cluster.id))))

    def test_asked(self):
        self.full('kept')
        before = self.left()
        late = models.now() + 10 * DAY
        Retention(self.database, 86400, 9 * 86400, lambda: late).look()
        left = self.left()
        self.assertEqual({'plans', 'idempotency_keys'},
                         before.keys() - left.keys())


class RetentionSQLiteTest(_Retention, databases.SQLite):
    """SQLite"""


class RetentionMariaDBTest(_Retention, databases.MariaDB):
    """MariaDB"""
