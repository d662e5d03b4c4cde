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

"""Requests that wait for events: what they cost, and who may wait."""

import threading
import time

import sqlalchemy as sa
import testtools

from hpcdirect.api import waiting
from hpcdirect.db import models
from hpcdirect.tests.functional.api import Api


class WaitingTests(testtools.TestCase):
    """Many readers, and little to tell them"""

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(max_waiting=8))
        self.ident = self.api.create()['id']
        self.marker = self.events('ours', 0)[-1]['id']
        self.answers = {}

    def events(self, project, wait, marker=0, more=''):
        answer = self.api.call(
            'GET', f'/v1/events?marker={marker}&wait={wait}{more}',
            project=project)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json['events']

    def start(self, name, project, wait=60, more=''):
        """A reader who waits."""
        def read():
            self.answers[name] = self.events(project, wait, self.marker,
                                             more)

        thread = threading.Thread(target=read)
        thread.start()
        self.addCleanup(thread.join)
        return thread

    def write(self, project, **more):
        with self.api.database.write() as session:
            session.add(models.Event(cluster_id=self.ident, kind='node',
                                     project_id=project, **more))

    def only_looks(self, number):
        """Whether the next statements are looks at what is new, all."""
        seen = []
        enough = threading.Event()

        def execute(conn, cursor, statement, parameters, context, many):
            if statement.startswith('SELECT') and 'FROM' in statement:
                seen.append(statement)
            if len(seen) >= number:
                enough.set()

        sa.event.listen(self.api.database.engine, 'before_cursor_execute',
                        execute)
        try:
            self.assertTrue(enough.wait(60))
        finally:
            sa.event.remove(self.api.database.engine,
                            'before_cursor_execute', execute)
        return all('events.id >=' in one for one in seen)

    def test_readers_share_a_look(self):
        threads = [self.start(number, 'ours', more=more)
                   for number, more in enumerate((
                       '', '', '', '', f'&cluster={self.ident}',
                       '&level=error', '&kind=node', ''))]
        end = time.monotonic() + 60
        while not self.only_looks(16):
            self.assertLess(time.monotonic(), end)
        begin = time.monotonic()
        self.assertTrue(self.only_looks(16))
        self.assertLess(15 * waiting._INTERVAL / 2, time.monotonic() - begin)
        # What happens to others wakes nobody here.
        self.write('theirs')
        self.assertTrue(self.only_looks(8))
        self.write('ours')
        for number, thread in enumerate(threads):
            if number != 5:
                thread.join(60)
        self.assertEqual({0, 1, 2, 3, 4, 6, 7}, {
            number for number, found in self.answers.items() if found})
        self.write('ours', level='error')
        threads[5].join(60)
        self.assertEqual(['error'], [
            one['level'] for one in self.answers[5]])


class PlacesTest(testtools.TestCase):
    """Who waits, when not all can"""

    def take(self, places, project):
        place = places.taken(project)
        self.addCleanup(place.__exit__, None, None, None)
        return place.__enter__()

    def test_shared_out(self):
        places = waiting.Places(4)
        ours = [self.take(places, 'ours') for _ in range(4)]
        self.assertNotIn(None, ours)
        self.assertIsNone(self.take(places, 'ours'))
        theirs = [self.take(places, 'theirs') for _ in range(3)]
        self.assertEqual([True, True, False], [
            place is not None for place in theirs])
        self.assertEqual([True, True, False, False],
                         [place.is_set() for place in ours])
        self.assertIsNotNone(self.take(places, 'third'))
        self.assertEqual(3, sum(place.is_set() for place in (
            *ours, *theirs[:2])))

    def test_none_at_all(self):
        self.assertIsNone(self.take(waiting.Places(0), 'ours'))

    def test_given_back(self):
        places = waiting.Places(1)
        with places.taken('ours') as first:
            self.assertIsNotNone(first)
            with places.taken('theirs') as second:
                self.assertIsNone(second)
        with places.taken('theirs') as second:
            self.assertIsNotNone(second)
