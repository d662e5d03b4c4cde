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

"""Every query of a large table finds what it looks for by an index."""

import contextlib
import re

import sqlalchemy as sa
import testtools

from hpcdirect.db import leases
from hpcdirect.db import migration
from hpcdirect.db import models
from hpcdirect.db import purge
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import many
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional.api import Api

OWN = {'project': 'p7', 'roles': 'admin'}
EVERY = {'project': '', 'roles': 'admin', 'OPENSTACK_SYSTEM_SCOPE': 'all'}
#: What counts clusters or nodes.
COUNTED = re.compile(
    r'((?!FROM).)*count\(((?!FROM).)*FROM (clusters|nodes)\b', re.S)
LARGE = ('clusters', 'deployments', 'runs', 'events', 'plans',
         'idempotency_keys')


class PlanTests(testtools.TestCase):
    """What SQLite means to do"""

    connection = staticmethod(lambda: '')

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(self.connection()))
        many.fill(self.api.database)

    @contextlib.contextmanager
    def watched(self, what, sorts=False, covered=False):
        """What is asked of large tables meanwhile is done by an index.

        :param covered: what is counted stands in it, and no row is read.
        """
        asked = []

        def execute(conn, cursor, statement, parameters, context, many):
            table = re.match(
                r'\s*(?:SELECT.*?FROM|DELETE FROM|UPDATE) (\w+)', statement,
                re.S)
            if table and (covered or table[1] in LARGE):
                asked.append((statement, parameters))

        engine = self.api.database.engine
        sa.event.listen(engine, 'before_cursor_execute', execute)
        try:
            yield
        finally:
            sa.event.remove(engine, 'before_cursor_execute', execute)
        self.assertNotEqual([], [one for one in asked if not covered
                                 or COUNTED.match(one[0])], what)
        with engine.connect() as connection:
            for statement, parameters in asked:
                if covered and COUNTED.match(statement):
                    self.assertTrue(
                        self.covered(connection, statement, parameters),
                        f'{what}: {statement}')
                found = self.faults(connection, statement, parameters)
                self.assertEqual([], [
                    fault for fault in found
                    if not (sorts and ('filesort' in fault
                                       or 'ORDER BY' in fault))],
                    f'{what}: {statement}')

    def faults(self, connection, statement, parameters):
        """What of a query's plan reads or sorts a table as a whole."""
        return [row.detail for row in connection.exec_driver_sql(
            f'EXPLAIN QUERY PLAN {statement}', parameters)
            if row.detail.removeprefix('SCAN ') in LARGE
            or row.detail == 'USE TEMP B-TREE FOR ORDER BY']

    def covered(self, connection, statement, parameters):
        """Whether all that is asked for stands in indexes."""
        return all('COVERING INDEX' in row.detail
                   for row in connection.exec_driver_sql(
                       f'EXPLAIN QUERY PLAN {statement}', parameters)
                   if row.detail.startswith(('SEARCH', 'SCAN')))

    def get(self, path, caller):
        answer = self.api.call('GET', path, **caller)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json

    def pages(self, path, name, caller, sorts=False):
        """First, middle and last page, by markers."""
        with self.watched(path, sorts):
            first = self.get(path, caller)[name]
        self.assertEqual(20, len(first), path)
        with self.watched(f'{path}, after', sorts):
            after = self.get(f'{path}&marker={first[-1]["id"]}', caller)
        self.assertEqual(set(), {one['id'] for one in first} & {
            one['id'] for one in after[name]}, path)

    def test_lists(self):
        for name in ('clusters', 'deployments', 'runs', 'events'):
            every = EVERY if name != 'clusters' else OWN
            more = '&all_projects=true' if name == 'clusters' else ''
            self.pages(f'/v1/{name}?limit=20', name, OWN)
            self.pages(f'/v1/{name}?limit=20{more}', name, every)
        for caller in (OWN, EVERY):
            self.pages('/v1/events?limit=20&sort=id:desc', 'events', caller)

    def test_orders(self):
        for order in ('name:asc', 'updated_at:desc'):
            self.pages(f'/v1/clusters?limit=20&all_projects=true&sort={order}',
                       'clusters', OWN)

    def test_filters(self):
        for path in ('clusters?name=n7', 'clusters?status=CREATING',
                     'clusters?status=CREATING&all_projects=true',
                     'clusters?name=n7&all_projects=true',
                     'runs?cluster=c7', 'runs?deployment=d7', 'runs?step=s7',
                     'deployments?cluster=c7', 'events?cluster=c7',
                     'events?level=error', 'events?run=r7',
                     'events?deployment=d7&sort=id:desc',
                     'clusters?status=CREATING,ACTIVE&with_count=true',
                     'clusters?q=n7&user=u7&page_reverse=true',
                     'clusters?expires_before=2100-01-01T00:00:00Z',
                     'deployments/d7/progress',
                     'clusters/c7/candidates',
                     'clusters/c7', 'clusters/n7', 'runs/r7'):
            with self.watched(path, sorts=True):
                self.get(f'/v1/{path}', OWN)

    def test_what_is_counted(self):
        for path in ('summary', 'blueprints'):
            with self.watched(path, sorts=True, covered=True):
                self.get(f'/v1/{path}', OWN)

    def test_what_the_conductor_asks(self):
        until = many.moment(-10 ** 6)
        database = self.api.database
        for chore in (purge.deleted_clusters, purge.keys, purge.plans):
            with self.watched(chore.__name__, sorts=True), \
                    database.write() as session:
                chore(session, until)
        with self.watched('due', sorts=True), database.read() as session:
            leases.due(session, 30.0)


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class MariaDBPlanTests(PlanTests):
    """What MariaDB means to do"""

    def connection(self):
        return self.useFixture(mariadb.MariaDB()).url

    def faults(self, connection, statement, parameters):
        rows = connection.exec_driver_sql(
            f'EXPLAIN {statement}', parameters).mappings()
        return [f'{row["table"]} {row["type"]} {row["key"]} {row["Extra"]}'
                for row in rows if row['table'] in LARGE and (
                    row['type'] == 'ALL' or 'filesort' in row['Extra'])]

    def covered(self, connection, statement, parameters):
        return all('Using index' in row['Extra'].split('; ')
                   for row in connection.exec_driver_sql(
                       f'EXPLAIN {statement}', parameters).mappings())

    def test_a_page_in_the_middle_begins_there(self):
        seen = []

        def execute(conn, cursor, statement, parameters, context, many):
            if 'ORDER BY' in statement:
                seen.append((statement, parameters))

        engine = self.api.database.engine
        sa.event.listen(engine, 'before_cursor_execute', execute)
        for path in ('clusters?all_projects=true&limit=5&marker=c1001',
                     'clusters?limit=5&marker=c1007',
                     'runs?limit=5&marker=r1007',
                     'deployments?limit=5&marker=d1007'):
            seen.clear()
            self.get(f'/v1/{path}', OWN)
            with engine.connect() as connection:
                row = connection.exec_driver_sql(
                    f'EXPLAIN {seen[0][0]}', seen[0][1]).mappings().first()
            self.assertEqual('range', row['type'], path)


class TextTests(databases.MariaDB):
    """Big and small letters are two"""

    def test_projects_whose_ids_differ_in_case(self):
        api = self.useFixture(Api(
            self.useFixture(mariadb.MariaDB()).url))
        for project in ('hpc', 'HPC'):
            answer = api.call('POST', '/v1/clusters', {
                'name': 'demo', 'blueprint': 'small'}, project=project,
                IDEMPOTENCY_KEY='k')
            self.assertEqual(202, answer.status, answer.body)
            self.assertEqual(project, answer.json['project_id'])
            self.assertEqual(202, api.call('POST', '/v1/clusters', {
                'name': 'Demo', 'blueprint': 'small'}, project=project,
                IDEMPOTENCY_KEY='K').status)
        for project in ('hpc', 'HPC'):
            for path, number in (
                    ('clusters', 2), ('clusters?name=demo', 1),
                    ('deployments', 2), ('events', 2)):
                found = api.call('GET', f'/v1/{path}', project=project).json
                self.assertEqual(number, len(found[path.split('?')[0]]), path)
            self.assertEqual(404, api.call(
                'GET', '/v1/clusters/DEMO', project=project).status)

    def test_every_text_of_every_table(self):
        with self.database.engine.connect() as connection:
            self.assertEqual([], connection.exec_driver_sql(
                'SELECT table_name, column_name, collation_name '
                'FROM information_schema.columns WHERE table_schema = '
                "DATABASE() AND collation_name <> 'utf8mb4_bin'").all())

    def test_references_are_kept(self):
        wanted = {(table.name, key.parent.name, key.column.table.name)
                  for table in models.Base.metadata.sorted_tables
                  for key in table.foreign_keys}
        inspector = sa.inspect(self.database.engine)
        self.assertEqual(wanted, {
            (table, key['constrained_columns'][0], key['referred_table'])
            for table in inspector.get_table_names()
            for key in inspector.get_foreign_keys(table)})

    def test_half_way_and_again(self):
        """MariaDB keeps what was done of a migration that was killed."""
        conf = databases.configuration(
            self.useFixture(mariadb.MariaDB()).url)
        migration.upgrade(conf, '0004')
        engine = sa.create_engine(conf.database.connection,
                                  poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                'CREATE INDEX ix_clusters_owner ON clusters (owner)')
            connection.exec_driver_sql(
                'ALTER TABLE plans DROP FOREIGN KEY plans_ibfk_1')
        migration.upgrade(conf)
        self.assertEqual(1, len(sa.inspect(engine).get_foreign_keys(
            'plans')))
