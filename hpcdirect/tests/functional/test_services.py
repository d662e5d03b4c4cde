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
"""The table of services: who is up, who is not, and who has been."""

import contextlib
import datetime
import os
import pathlib
import subprocess

import fixtures
import sqlalchemy as sa
import testtools

from hpcdirect import processes
from hpcdirect.conductor.endings import Retention
from hpcdirect.db import models
from hpcdirect.db import services
from hpcdirect.db.paging import Page
from hpcdirect.heartbeat import Heartbeat
from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional.local_bed import wait_for

TINY = pathlib.Path(__file__).with_name('tiny')
INTERVAL = 0.5


class ProcessesTest(testtools.TestCase):
    """Real processes, asked for by HTTP."""

    def service(self, program='all_in_one', **options):
        """A service, not started, whose tables and keys are there."""
        made = self.useFixture(service.Service(
            runner='fake', directories=(TINY,),
            heartbeat={'interval': INTERVAL}, **options))
        made.program = service.program(program)
        made.prepare()
        return made

    def listed(self, one, query=''):
        return one.get(f'/v1/services{query}', user='admin-ours')['services']

    def awaited(self, one, *expected):
        """Wait until these are listed, each as binary and state."""
        def found():
            there = self.listed(one)
            return sorted(expected) == sorted(
                (row['binary'], row['state']) for row in there) and there
        return wait_for(found, why=lambda: self.listed(one))

    def rows(self, one):
        engine = sa.create_engine(f'sqlite:///{one.folder}/db.sqlite')
        with contextlib.closing(engine.connect()) as connection:
            found = connection.execute(sa.select(
                models.Service.pid)).scalars().all()
        engine.dispose()
        return found

    def test_one_process_and_its_successors(self):
        one = self.service()
        one.start()
        row, = self.awaited(one, ('hpcdirect-all-in-one', 'up'))
        self.assertEqual(one.process.pid, row['pid'])
        self.assertEqual(os.uname().nodename, row['host'])
        self.assertEqual(INTERVAL, row['interval'])
        self.assertLessEqual(row['started_at'], row['seen_at'])
        self.assertTrue(row['version'])
        wait_for(lambda: self.listed(one)[0]['seen_at'] > row['seen_at'])
        # It ends well.
        one.stop()
        self.assertEqual([], self.rows(one))
        # It is killed; its successor knows that it is dead.
        one.start()
        self.awaited(one, ('hpcdirect-all-in-one', 'up'))
        one.kill()
        self.assertEqual([one.process.pid], self.rows(one))
        one.start()
        wait_for(lambda: [one.process.pid] == self.rows(one),
                 why=lambda: self.rows(one))

    def test_api_and_conductors(self):
        one = self.service('api', conductor={'processes': 2})
        one.start()
        conductor = one.begin('conductor')
        both = [('hpcdirect-conductor', 'up')] * 2
        found = self.awaited(one, ('hpcdirect-api', 'up'), *both)
        pids = {row['pid'] for row in found}
        self.assertEqual(3, len(pids))
        self.assertNotIn(conductor.pid, pids)
        self.assertEqual([one.process.pid], [
            row['pid'] for row in self.listed(one, '?binary=hpcdirect-api')])
        # Nobody sees those that are killed; all others go on.
        service.kill(conductor)
        self.awaited(one, ('hpcdirect-api', 'up'),
                     *[('hpcdirect-conductor', 'down')] * 2)
        self.assertEqual(2, len(self.listed(
            one, '?binary=hpcdirect-conductor&state=down')))
        conductor = one.begin('conductor')
        self.awaited(one, ('hpcdirect-api', 'up'), *both)
        conductor.terminate()
        self.assertEqual(0, conductor.wait(60))
        self.awaited(one, ('hpcdirect-api', 'up'))

    def test_work_that_no_conductor_goes_on_with(self):
        one = self.service('api')
        one.start()
        one.create('demo', 'tiny', count=1)

        def stalls():
            return one.get('/v1/stalls?seconds=1', user='admin-ours')[
                'stalls']

        found, = wait_for(stalls)
        self.assertEqual(('unattended', 'demo', 'create', '', ''), tuple(
            found[name] for name in ('kind', 'cluster', 'operation',
                                     'conductor', 'reason')))
        # One comes that cannot: it has no runner for this element.
        conductor = one.begin('conductor')
        wait_for(lambda: any('enabled_runners' in one['reason']
                             for one in stalls()), why=stalls)
        self.assertEqual('unattended', stalls()[0]['kind'])
        conductor.terminate()
        self.assertEqual(0, conductor.wait(60))

    def test_processes_that_a_server_forks(self):
        one = self.service()
        one.program = ('from hpcdirect.tests.functional import preforked; '
                       'preforked.main()')
        other = service.free_port()
        one.start(HOME=str(one.folder),
                  HPCDIRECT_PORTS=f'{one.port} {other}')
        self.addCleanup(service.kill, one.process)
        first, = self.awaited(one, ('hpcdirect-api', 'up'))
        self.assertNotEqual(one.process.pid, first['pid'])
        # The other one has answered nobody yet.
        one.url = f'http://127.0.0.1:{other}'
        found = self.awaited(one, *[('hpcdirect-api', 'up')] * 2)
        self.assertEqual(2, len({row['pid'] for row in found}))
        one.stop()
        self.assertEqual([], self.rows(one))

    def test_a_database_that_fails(self):
        one = self.service()
        for number, place in enumerate(('_renew/before', '_renew/after')):
            folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
            one.start(
                HPCDIRECT_FAILPOINT='db.heartbeat.Heartbeat.'
                f'{place} error', HPCDIRECT_FAILPOINT_ONCE=f'{folder}/once')
            row, = self.awaited(one, ('hpcdirect-all-in-one', 'up'))
            self.assertEqual(one.process.pid, row['pid'])
            self.assertTrue((folder / 'once').exists())
            wait_for(lambda: (one.folder / 'log').read_text().count(
                'This process is not seen') == number + 1)  # noqa: B023
            one.stop()


class _Table:
    """What the rows say, by the database's clock."""

    def beating(self, **values):
        """A process with a row that is as *values* say."""
        heart = Heartbeat(self.database, 'hpcdirect-api', 10.0)
        heart._renew()
        self.change(heart, **values)
        return heart

    def change(self, heart, **values):
        if values:
            with self.database.write() as session:
                session.execute(sa.update(models.Service).where(
                    models.Service.id == heart._process.id).values(**values))

    def states(self):
        with self.database.read() as session:
            return {row.id: row.state for row in services.listing(
                session, Page()).rows}

    def row(self, heart):
        with self.database.read() as session:
            found = session.get_one(models.Service, heart._process.id)
            session.expunge(found)
            return found

    def test_up_and_down(self):
        now = self.row(self.beating()).seen_at
        for seconds, state in ((0, 'up'), (-20, 'up'), (-40, 'down'),
                               # The clock was put back by an hour.
                               (3600, 'down')):
            heart = self.beating(seen_at=now + seconds)
            self.assertEqual(state, self.states()[heart._process.id],
                             seconds)
        # By its own interval, not by that of who looks.
        slow = self.beating(seen_at=now - 200, interval=100.0)
        self.assertEqual('up', self.states()[slow._process.id])
        heart._renew()
        self.assertEqual('up', self.states()[heart._process.id])

    def test_who_is_swept_and_lives_is_there_again(self):
        heart = self.beating()
        began = self.row(heart).started_at
        for seen in (began - 90000, began + 90000):
            self.change(heart, seen_at=seen)
            other = self.beating()
            Retention(self.database, 0, 1, lambda: datetime.datetime.now(
                datetime.UTC).replace(tzinfo=None)).look()
            self.assertNotIn(heart._process.id, self.states())
            self.assertIn(other._process.id, self.states())
            heart._renew()
            self.assertEqual('up', self.states()[heart._process.id])
            self.assertAlmostEqual(began, self.row(heart).started_at,
                                   delta=1)

    def test_whose_rows_a_successor_takes_away(self):
        ended = subprocess.Popen(['true'])
        name = f'{processes.place()}:{ended.pid}:1'
        ended.wait()
        there = [self.beating(process=name),
                 # Of it nothing is known here.
                 self.beating(process='elsewhere:boot:ns:1:1'),
                 self.beating(process=name, host='elsewhere'),
                 self.beating()]
        found = self.states()
        self.assertEqual([False, True, True, True], [
            heart._process.id in found for heart in there])

    def test_sorted_and_by_the_page(self):
        idents = {self.beating(host=host)._process.id: host
                  for host in ('b', 'c', 'a')}
        seen, marker = [], ''
        with self.database.read() as session:
            for _ in range(3):
                page = services.listing(session, Page(
                    limit=1, marker=marker, sort=(
                        ('state', False), ('host', True))))
                marker = page.last
                seen += [idents[row.id] for row in page.rows]
        self.assertEqual((['c', 'b', 'a'], ''), (seen, marker))


class TableTest(_Table, databases.SQLite):
    """On SQLite"""


class TableMariaDBTest(_Table, databases.MariaDB):
    """On MariaDB"""


class ReadsTest(testtools.TestCase):
    """What the API takes and shows."""

    def test_fields_filters_and_who_may(self):
        door = self.useFixture(api.Api())
        Heartbeat(door.database, 'hpcdirect-conductor', 10.0)._renew()
        found = door.call('GET', '/v1/services?fields=binary,seen_at',
                          roles='admin').json['services']
        self.assertEqual([{'binary', 'seen_at'}], [set(row) for row in found])
        for query, number in (('host=x', 0), ('state=up', 1),
                              (f'host={os.uname().nodename}', 1)):
            self.assertEqual(number, len(door.call(
                'GET', f'/v1/services?{query}', roles='admin'
            ).json['services']), query)
        self.assertEqual(400, door.call(
            'GET', '/v1/services?state=maybe', roles='admin').status)
        self.assertEqual(403, door.call(
            'GET', '/v1/services', roles='manager').status)
