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


"""Who waits for charts keeps few of the API's threads."""

import concurrent.futures
import threading
import unittest.mock

import testtools

from hpcdirect.api import charting
from hpcdirect.charts import Asked
from hpcdirect.exception import Unavailable

ASKED = Asked(('cpu',), 3600, 60)


class Slow:
    """Answers for a cluster when it is let to."""

    def __init__(self):
        self.asked = []
        self.let = threading.Event()

    def charts(self, cluster_id, asked):
        self.asked.append(cluster_id)
        if cluster_id.startswith('slow'):
            self.let.wait(60)
        if cluster_id == 'wrong':
            raise Unavailable(reason='x')
        return {'of': cluster_id}


class BoundedTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        patch = unittest.mock.patch.object(charting, '_WAIT', 0.0)
        patch.start()
        self.addCleanup(patch.stop)
        self.slow = Slow()
        self.one = charting.Bounded(self.slow, 10)

    def ask(self, cluster, number=1):
        """Ask so many times at once; what is there to be waited for."""
        return [self.pool.submit(self.one.charts, cluster, ASKED)
                for _ in range(number)]

    def run(self, result=None):
        with concurrent.futures.ThreadPoolExecutor(40) as self.pool:
            try:
                return super().run(result)
            finally:
                self.slow.let.set()

    def refused(self, waiting):
        """How many were told at once that others wait."""
        done = [one for one in waiting if one.done()]
        self.assertTrue(all(isinstance(one.exception(), Unavailable)
                            for one in done))
        return len(done)

    def test_a_cluster_that_is_slow_keeps_few(self):
        waiting = self.ask('slow', 20)
        while self.refused(waiting) < 16:
            concurrent.futures.wait(waiting, 0.05)
        self.assertEqual(['slow'] * 4, self.slow.asked)
        self.assertEqual({'of': 'good'}, self.one.charts('good', ASKED))

    def test_many_that_are_slow_keep_no_more(self):
        waiting = [one for number in range(20)
                   for one in self.ask(f'slow{number}')]
        while self.refused(waiting) < 10:
            concurrent.futures.wait(waiting, 0.05)
        self.assertRaises(Unavailable, self.one.charts, 'good', ASKED)
        self.slow.let.set()
        concurrent.futures.wait(waiting)
        self.assertEqual({'of': 'good'}, self.one.charts('good', ASKED))

    def test_what_fails_gives_its_place_back(self):
        for _ in range(30):
            self.assertRaises(Unavailable, self.one.charts, 'wrong', ASKED)
        self.assertEqual({'of': 'good'}, self.one.charts('good', ASKED))

    def test_those_that_wait_count(self):
        with unittest.mock.patch.object(charting, '_WAIT', 60.0):
            waiting = self.ask('slow', 20)
            while self.refused(waiting) < 10 or len(self.slow.asked) < 4:
                concurrent.futures.wait(waiting, 0.05)
            self.slow.let.set()

    def test_one_waits_for_its_turn(self):
        with unittest.mock.patch.object(charting, '_WAIT', 60.0):
            waiting = self.ask('slow', 8)
            while len(self.slow.asked) < 4:
                concurrent.futures.wait(waiting, 0.05)
            self.assertEqual(0, self.refused(waiting))
            self.slow.let.set()
            self.assertEqual([{'of': 'slow'}] * 8,
                             [one.result() for one in waiting])
