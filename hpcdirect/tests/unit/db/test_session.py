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

"""Sessions: a writer that reads first loses nothing to another one."""

import threading

import fixtures
from oslo_config import cfg
from oslo_db import options
import testtools

from hpcdirect.db import models
from hpcdirect.db.session import Database
from hpcdirect.db.session import afterwards
from hpcdirect.planning.state import NOTHING


class SessionTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        conf = cfg.ConfigOpts()
        options.set_defaults(conf, connection=f'sqlite:///{folder}/db')
        conf([])
        self.database = Database(conf)
        models.Base.metadata.create_all(self.database.engine)
        with self.database.write() as session:
            session.add(models.Cluster(
                id='1', project_id='p', user_id='u', name='n', status='A',
                blueprint='b', blueprint_version='1', backend='x',
                desired=NOTHING, generation=0))

    def test_writers_that_read_first_wait_for_each_other(self):
        gate = threading.Barrier(6)
        errors = []

        def count():
            try:
                gate.wait()
                for _ in range(10):
                    with self.database.write() as session:
                        row = session.get_one(models.Cluster, '1')
                        row.generation += 1
            except Exception as exc:
                errors.append(exc)

        threads = [threading.Thread(target=count) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([], errors)
        with self.database.read() as session:
            self.assertEqual(
                60, session.get_one(models.Cluster, '1').generation)

    def test_afterwards_is_when_it_is_committed(self):
        seen = []

        def look():
            with self.database.read() as session:
                seen.append(session.get_one(models.Cluster, '1').generation)

        def change(generation):
            with self.database.write() as session:
                session.get_one(models.Cluster, '1').generation = generation
                afterwards(session, look)
                session.flush()
                self.assertEqual([], seen)
                if generation == 7:
                    raise ValueError

        self.assertRaises(ValueError, change, 7)
        self.assertEqual([], seen)
        change(8)
        self.assertEqual([8], seen)

    def test_what_fails_leaves_nothing(self):
        def fail():
            with self.database.write() as session:
                session.get_one(models.Cluster, '1').generation = 7
                session.flush()
                raise ValueError

        self.assertRaises(ValueError, fail)
        with self.database.read() as session:
            self.assertEqual(
                0, session.get_one(models.Cluster, '1').generation)
