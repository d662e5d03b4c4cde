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

"""Tables of earlier releases, with clusters in them, brought up to date."""

import datetime

from alembic import autogenerate
from alembic.runtime.migration import MigrationContext
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from hpcdirect.db import migration
from hpcdirect.db import models
from hpcdirect.db import orders  # noqa: F401
from hpcdirect.db import plans  # noqa: F401
from hpcdirect.db.session import Database
from hpcdirect.tests.functional import databases

NOON = datetime.datetime(2026, 1, 1, 12, 0, 0, 123456)


def minutes(number):
    return NOON + datetime.timedelta(minutes=number)


class MigrationTests(databases.SQLite):
    """Nothing of what was there is lost."""

    def use(self, connection):
        """Make the first release's tables."""
        self.conf = databases.configuration(connection)
        migration.upgrade(self.conf, '0001')
        self.old = sa.create_engine(connection, poolclass=sa.NullPool)

    def write(self, table, **values):
        """A row as that release wrote it; what is not said is empty."""
        if isinstance(table, str):
            table = sa.Table(table, sa.MetaData(), autoload_with=self.old)
        empty = {column.name: self.empty(column.type)
                 for column in table.columns if not column.nullable}
        with self.old.begin() as connection:
            connection.execute(table.insert().values(empty | values))

    @staticmethod
    def empty(kind):
        for base, value in ((sa.JSON, {}), (sa.DateTime, NOON),
                            # What MariaDB keeps JSON in.
                            (mysql.LONGTEXT, '{}'), (sa.String, '')):
            if isinstance(kind, base):
                return value
        return 0

    def deployment(self, ident, cluster, generation, operation, user, at):
        self.write('deployments', id=ident, cluster_id=cluster,
                   generation=generation, operation=operation, user_id=user,
                   status='SUCCEEDED', created_at=at)

    def test_clusters_of_the_first_release(self):
        for name, generation, deleted in (
                ('worked', 2, ''), ('quiet', 1, ''), ('gone', 3, 'gone')):
            self.write('clusters', id=name, name=name, project_id='ours',
                       user_id='zoe', status='ACTIVE', deleted=deleted,
                       generation=generation, created_at=NOON,
                       updated_at=minutes(9))
        # Who looks after it later did not want it.
        for ident, generation, operation, user, at in (
                ('d1', 1, 'create', 'zoe', minutes(1)),
                ('d2', 2, 'update', 'bob', minutes(2)),
                ('d3', 2, 'check', 'ann', minutes(3)),
                ('d4', 2, 'retry', 'al', minutes(4))):
            self.deployment(ident, 'worked', generation, operation, user, at)
        migration.upgrade(self.conf)
        self.assertEqual(migration.newest(), migration.version(self.conf))
        database = Database(self.conf)
        self.addCleanup(database.engine.dispose)
        with database.read() as session:
            self.assertEqual(
                {('worked', 2, 'update', 'bob', minutes(2)),
                 ('quiet', 1, 'create', 'zoe', minutes(9))},
                {(row.cluster_id, row.generation, row.operation, row.user_id,
                  row.created_at)
                 for row in session.scalars(sa.select(models.Generation))})
            self.assertEqual(
                {name: (False, None, minutes(9), '', '')
                 for name in ('worked', 'quiet', 'gone')},
                {row.id: (row.protected, row.expires_at, row.updated_at,
                          row.project_name, row.user_name)
                 for row in session.scalars(sa.select(models.Cluster))})
            self.assertEqual(4, len(session.scalars(
                sa.select(models.Deployment)).all()))

    def test_a_release_before_names_writes_beside_one_that_has_them(self):
        migration.upgrade(self.conf, '0009')
        before = {name: sa.Table(name, sa.MetaData(), autoload_with=self.old)
                  for name in ('clusters', 'generations', 'deployments')}
        migration.upgrade(self.conf)
        self.write(before['clusters'], id='demo', name='demo',
                   created_at=NOON, updated_at=NOON)
        for name in ('generations', 'deployments'):
            self.write(before[name], id='one', cluster_id='demo',
                       created_at=NOON)
        database = Database(self.conf)
        self.addCleanup(database.engine.dispose)
        with database.read() as session:
            for model in (models.Cluster, models.Generation,
                          models.Deployment):
                self.assertEqual(['demo' if model is models.Cluster else
                                  'one'], [row.id for row in session.scalars(
                                      sa.select(model).where(
                                          model.user_name == ''))])

    def test_upgrade_that_is_interrupted_again_and_again(self):
        self.write('clusters', id='demo', name='demo', project_id='ours',
                   user_id='zoe', status='ACTIVE', generation=1,
                   created_at=NOON, updated_at=NOON)
        done = set()

        def interrupt(connection, cursor, statement, *_):
            words = statement.split()
            if words[0] in ('CREATE', 'ALTER', 'DROP', 'INSERT', 'UPDATE') \
                    and statement not in done:
                done.add(statement)
                raise InterruptedError(statement)

        sa.event.listen(sa.Engine, 'after_cursor_execute', interrupt)
        self.addCleanup(sa.event.remove, sa.Engine, 'after_cursor_execute',
                        interrupt)
        while True:
            try:
                migration.upgrade(self.conf)
                break
            except InterruptedError:
                pass
        self.assertGreater(len(done), 20)
        with self.old.connect() as connection:
            self.assertEqual([], autogenerate.compare_metadata(
                MigrationContext.configure(
                    connection, opts={'compare_type': True}),
                models.Base.metadata))
            self.assertEqual([('demo', 'create')], list(connection.execute(
                sa.text('SELECT cluster_id, operation FROM generations'))))
        self.assertEqual(migration.newest(), migration.version(self.conf))


class MariaDBMigrationTests(databases.MariaDB, MigrationTests):
    """The same on MariaDB."""
