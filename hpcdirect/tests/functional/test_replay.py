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

"""A reader that is killed again and again misses nothing, tells nothing twice.

The runner is the fake one, told to make 500 events a second.
"""

import collections
import json
import pathlib
import subprocess
import sys
import threading
import time

import fixtures
import testtools

from hpcdirect.db import leases
from hpcdirect.db import models
from hpcdirect.db.ledger import Ledger
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import flood
from hpcdirect.tests.functional import service

RATE, COUNT, NODES, KILLS = 500, 10000, 4, 20
READER = pathlib.Path(__file__).with_name('event_reader.py')


class ReplayTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        flood.write(folder)
        self.service = self.useFixture(service.Service(
            runner='fake', directories=(folder,)))
        self.service.start()
        self.file = self.service.folder / 'seen'

    def reader(self, cluster):
        process = subprocess.Popen(
            [sys.executable, '-I', READER, self.service.url,
             f'member-ours:{service.WORD}', cluster, self.file])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def size(self):
        return self.file.stat().st_size if self.file.exists() else 0

    def grown(self, size, process):
        """Wait until a reader has written something more."""
        end = time.monotonic() + 60
        while self.size() <= size:
            self.assertIsNone(process.poll(), 'the reader ended by itself')
            self.assertLess(time.monotonic(), end, self.service.log())
            time.sleep(0.005)

    def test_each_event_once_and_in_order(self):
        cluster = self.service.create(
            'demo', 'flood', count=NODES,
            events={'rate': RATE, 'count': COUNT})['id']
        for _ in range(KILLS):
            size, process = self.size(), self.reader(cluster)
            self.grown(size, process)
            process.kill()
            process.wait()
        process = self.reader(cluster)
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        last = self.service.events(cluster)[-1]['id']
        end = time.monotonic() + 30
        while f'[{last},' not in self.file.read_text():
            self.assertLess(time.monotonic(), end, 'the last one is missing')
            time.sleep(0.05)
        process.kill()
        process.wait()
        seen = [json.loads(line) for line in self.file.read_text()
                .splitlines()]
        self.assertEqual(
            [event['id'] for event in self.service.events(cluster)],
            [line[0] for line in seen])
        of = collections.defaultdict(list)
        for _, node, task, *_ in seen:
            if task.startswith('event '):
                of[node].append(int(task.split()[1]))
        self.assertEqual(NODES, len(of))
        for numbers in of.values():
            self.assertEqual(list(range(COUNT // NODES)), numbers)


class CommitOrderTest(databases.MariaDB):
    """Events of one cluster are seen in the order of their ids."""

    def test_no_event_appears_behind_a_cursor(self):
        uuid = self.cluster(due_at=0.0)
        with self.database.write() as session:
            epoch = leases.claim(session, uuid, 'me', 60)
        ledger = Ledger(self.database, uuid, epoch)
        writers = [threading.Thread(target=self.write, args=(ledger, name))
                   for name in ('one', 'two', 'three')]
        for writer in writers:
            writer.start()
        seen = []
        while any(writer.is_alive() for writer in writers):
            seen += self.after(uuid, seen)
        seen += self.after(uuid, seen)
        self.assertEqual(self.after(uuid, []), seen)
        self.assertEqual(300, len(seen))

    def write(self, ledger, name):
        for number in range(100):
            ledger.journal([{'kind': 'task', 'task': f'{name} {number}'}],
                           {}, {})

    def after(self, uuid, seen):
        with self.database.read() as session:
            return list(session.scalars(
                models.Event.__table__.select().with_only_columns(
                    models.Event.id).where(
                    models.Event.cluster_id == uuid,
                    models.Event.id > (seen[-1] if seen else 0),
                ).order_by(models.Event.id)))
