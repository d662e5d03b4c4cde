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

"""Databases that releases before this one have made go on.

Each was left by a service that was killed in the middle of its work; see
released/README.rst. It is upgraded, and everything is as it was, or comes to
its end.
"""

import contextlib
import json
import pathlib
import shutil
import sqlite3

import sqlalchemy as sa
import testtools

from hpcdirect.db import migration
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service

RELEASED = pathlib.Path(__file__).with_name('released')
#: Clusters that nothing was done to, and that nothing is to be done to.
RESTING = ('quiet', 'rolled', 'copy')
#: What becomes of a cluster that something was done to; None when it goes.
ENDS = {'making': 'ACTIVE', 'growing': 'ACTIVE', 'changing': 'ACTIVE',
        'checking': 'ACTIVE', 'breaking': 'ERROR', 'going': None}
#: Below a cluster.
SHOWN = ('', '/nodes', '/layers', '/users', '/elements', '/generations',
         '/deployments', '/runs', '/events', '/topology', '/candidates',
         '/metrics')
#: Of all clusters.
LISTED = ('clusters', 'deployments', 'runs', 'events', 'summary', 'stalls')


def rows(release, statement, *values):
    """What a query finds in a released database."""
    with contextlib.closing(sqlite3.connect(':memory:')) as database:
        database.executescript(
            (RELEASED / release / 'database.sql').read_text())
        return list(database.execute(statement, values))


class Released:
    """The tests; who mixes it in says of which release."""

    release = ''

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='fake', runner='fake', directories=(
                RELEASED / 'content',), **self.options()))
        folder = RELEASED / self.release
        shutil.copyfile(folder / 'keys', self.service.folder / 'keys')
        there = self.service.folder / 'fake'
        there.mkdir()
        for ref, machines in json.loads(
                (folder / 'machines.json').read_text()).items():
            (there / f'{ref}.json').write_text(json.dumps(machines))
        self.load()
        self.service.manage_database('upgrade')
        self.service.start()

    def options(self):
        """Nothing is thrown away, however old the database is by now."""
        return {'conductor': {'keep_deleted': 0, 'keep_asked': 10**9}}

    def load(self):
        """Make the database as that release left it."""
        with contextlib.closing(sqlite3.connect(
                self.service.folder / 'db.sqlite')) as database:
            database.executescript(
                (RELEASED / self.release / 'database.sql').read_text())

    def test_all_of_it_goes_on(self):
        self.all_are_shown()
        self.what_was_under_way_ends()
        self.nothing_was_done()
        self.lost_and_failed_ones_are_mended()
        self.everything_can_be_changed()

    # -- sections ---------------------------------------------------------

    def all_are_shown(self):
        """The schema of each answer is checked by the service."""
        statuses = dict(rows(self.release,
                             'SELECT name, status FROM clusters'))
        self.assertEqual('DELETED', statuses.pop('gone'))
        self.assertEqual(set(statuses), {
            cluster['name'] for cluster in
            self.service.get('/v1/clusters?limit=100')['clusters']})
        for name in statuses:
            for part in SHOWN:
                if name != 'going':
                    self.service.get(f'/v1/clusters/{name}{part}')
        for what in LISTED:
            self.service.get(f'/v1/{what}', user='admin-ours')
        for part, statement in (
                ('deployments/{}', 'SELECT min(id) FROM deployments '
                 'GROUP BY operation, status'),
                *((part, 'SELECT min(id) FROM runs '
                   'GROUP BY verb, element, status')
                  for part in ('runs/{}', 'runs/{}/log')),
                ('plans/{}', 'SELECT id FROM plans'),
                ('clusters/{}/generations/{}', 'SELECT cluster_id, '
                 'generations.generation FROM generations JOIN clusters '
                 "ON clusters.id = cluster_id WHERE status = 'ACTIVE'")):
            for row in rows(self.release, statement):
                self.service.get(f'/v1/{part.format(*row)}')

    def what_was_under_way_ends(self):
        """As it would have; who fails says why, whoever began with it."""
        for name, status in ENDS.items():
            cluster = self.service.settled(name)
            self.assertEqual(status, cluster and cluster['status'], cluster)
            if status == 'ERROR':
                self.assertIn('worker-0, apply tool: It was told to fail.',
                              cluster['status_reason'])

    def nothing_was_done(self):
        """To clusters at rest, and nothing would be."""
        for name in RESTING:
            self.assertEqual(self.runs_before(name), self.runs(name))
            for change in ({}, {'parameters': {}}):
                plan = self.ask('POST', '/v1/plans', 200, {
                    'cluster': name, 'change': change})
                self.assertEqual(([], []), (plan['changes'], plan['steps']))

    def lost_and_failed_ones_are_mended(self):
        """By what their owners do about it."""
        for name in ('failed', 'breaking'):
            self.change(name, parameters={'fake_fail': [], 'fake_delay': 0})
        self.ask('POST', '/v1/clusters/lost/deployments', 202,
                 {'operation': 'retry'})
        self.settled('lost')
        for name in ('failed', 'breaking', 'lost'):
            self.assertEqual({'UP'}, {
                node['status'] for node in self.service.get(
                    f'/v1/clusters/{name}/nodes')['nodes']})

    def everything_can_be_changed(self):
        """What is changed in place first, and then what is taken off."""
        before = self.runs('quiet')
        self.change('quiet', parameters={'value': 9})
        self.assertEqual({'queue', 'tool'}, {
            self.service.get(f'/v1/runs/{ident}')['element']
            for ident in self.runs('quiet') - before})
        code, said = self.service.manage('reseal', '--adopt-unsigned')
        self.assertEqual(0, code, said)
        self.change('quiet', parameters={'kind': 3})
        self.change('quiet', elements={'extra': None})
        self.change('rolled', generation=2)
        self.ask('DELETE', '/v1/clusters/quiet')
        self.assertIsNone(self.service.settled('quiet'))

    # -- asking -----------------------------------------------------------

    def ask(self, method, path, status=202, body=None):
        """A request that is answered with this status; the JSON."""
        answer = self.service.call(method, path, body)
        self.assertEqual(status, answer.status, answer.text)
        return answer.json

    def change(self, name, **body):
        """A cluster that is wanted otherwise, as it is after that."""
        self.ask('PATCH', f'/v1/clusters/{name}', body=body)
        self.settled(name)

    def settled(self, name):
        """Wait until a cluster is well."""
        cluster = self.service.settled(name)
        self.assertEqual(('ACTIVE', ''), (cluster['status'],
                                          cluster['status_reason']))

    def runs(self, name):
        """Ids of a cluster's runs."""
        return {run['id'] for run in self.service.get(
            f'/v1/clusters/{name}/runs?limit=1000')['runs']}

    def runs_before(self, name):
        """The same when the database was released."""
        return {ident for ident, in rows(
            self.release, 'SELECT runs.id FROM runs JOIN clusters '
            'ON clusters.id = runs.cluster_id WHERE name = ?', name)}


class OnMariaDB:
    """The same rows in tables of MariaDB."""

    def options(self):
        self.url = self.useFixture(mariadb.MariaDB()).url
        return {**super().options(), 'database': {'connection': self.url}}

    def load(self):
        revision, = rows(self.release, 'SELECT * FROM alembic_version')[0]
        migration.upgrade(databases.configuration(self.url), revision)
        tables = rows(self.release, 'SELECT name FROM sqlite_master '
                      "WHERE type = 'table' AND name != 'alembic_version'")
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql('SET foreign_key_checks = 0')
            for table, in tables:
                found = rows(self.release, f'SELECT * FROM {table}')  # noqa: S608
                names = [f'`{column[1]}`' for column in rows(
                    self.release, f'PRAGMA table_info({table})')]
                if found:
                    connection.exec_driver_sql(
                        f'INSERT INTO {table} ({", ".join(names)}) '  # noqa: S608
                        f'VALUES ({", ".join(["%s"] * len(names))})', found)


class FirstTest(Released, testtools.TestCase):
    """The state that was reviewed first: signatures name no scheme."""

    release = 'd786f44'


class SecondTest(Released, testtools.TestCase):
    """Before what is wanted of a cluster was given types."""

    release = '1243c16'


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class FirstOnMariaDBTest(OnMariaDB, FirstTest):
    """The first one on MariaDB."""


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class SecondOnMariaDBTest(OnMariaDB, SecondTest):
    """The second one on MariaDB."""
