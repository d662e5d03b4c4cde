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

"""Turns: one for each cluster, in time, never two at once."""

from concurrent import futures
import threading
import time

import testtools

from hpcdirect.conductor.turns import Turns


class TurnsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.turns = Turns()
        self.addCleanup(self.turns.close)

    def taken(self):
        """The next one, in another thread: it must not take for ever."""
        with futures.ThreadPoolExecutor(1) as pool:
            taking = pool.submit(self.turns.take)
            try:
                return taking.result(20)
            finally:
                if not taking.done():
                    self.turns.close()

    def test_a_thousand_calls_are_one_turn(self):
        for _ in range(1000):
            self.turns.wake('a')
            self.turns.wake('a', asked=True)
            self.turns.wake('a', 60.0)
        self.assertEqual((1, 0), self.turns.size())
        self.assertEqual(('a', True), self.taken())
        for _ in range(1000):
            self.turns.wake('a')
        self.assertEqual((0, 0), self.turns.size())
        self.turns.done('a', 30.0)
        self.assertEqual((0, 1), self.turns.size())
        self.assertEqual(('a', False), self.taken())
        self.turns.done('a', None)
        self.assertEqual((0, 0), self.turns.size())

    def test_timers_do_not_pile_up(self):
        for number in range(2000):
            self.turns.wake('a', 1000.0 - number / 4)
        self.assertEqual((0, 1), self.turns.size())
        self.assertLess(len(self.turns._heap), 100)

    def test_who_asks_goes_first(self):
        for name in 'abc':
            self.turns.wake(name)
        self.turns.wake('d', asked=True)
        self.turns.wake('c', asked=True)
        order = [self.taken() for _ in range(4)]
        self.assertEqual([('d', True), ('c', True)], order[:2])
        self.assertEqual({('a', False), ('b', False)}, set(order[2:]))

    def test_an_earlier_time_counts(self):
        began = time.monotonic()
        self.turns.wake('a', 0.05)
        self.turns.wake('a', 50.0)
        self.assertEqual(('a', False), self.taken())
        self.assertGreaterEqual(time.monotonic() - began, 0.05)

    def test_a_cluster_that_is_taken_is_nobody_elses(self):
        self.turns.wake('a')
        self.turns.wake('b', 0.05)
        self.assertEqual(('a', False), self.taken())
        self.turns.wake('a', asked=True)
        self.assertEqual(('b', False), self.taken())
        self.turns.done('a', 60.0)
        self.assertEqual(('a', True), self.taken())

    def test_nobody_sleeps_through_an_earlier_moment(self):
        waiting = threading.Barrier(3)

        def take():
            waiting.wait()
            return self.turns.take()

        with futures.ThreadPoolExecutor(2) as pool:
            self.turns.wake('late', 40.0)
            both = [pool.submit(take) for _ in range(2)]
            waiting.wait()
            self.turns.wake('soon', 0.01)
            done, _ = futures.wait(both, 20, futures.FIRST_COMPLETED)
            self.assertEqual([('soon', False)],
                             [one.result() for one in done])
            self.turns.close()
            self.assertEqual({None, ('soon', False)},
                             {one.result(20) for one in both})

    def test_all_are_told_of_the_end(self):
        with futures.ThreadPoolExecutor(4) as pool:
            taking = [pool.submit(self.turns.take) for _ in range(4)]
            self.turns.close()
            self.assertEqual([None] * 4, [one.result(20) for one in taking])

    def test_many_workers_and_many_clusters(self):
        names = [f'c{number}' for number in range(50)]
        left = dict.fromkeys(names, 20)
        at_work, clashes = set(), []
        over = threading.Event()

        def work():
            while taken := self.turns.take():
                name = taken[0]
                if name in at_work:
                    clashes.append(name)
                at_work.add(name)
                left[name] -= 1
                at_work.discard(name)
                self.turns.done(name, 0.001 if left[name] > 0 else None)
                if not any(left.values()):
                    over.set()

        with futures.ThreadPoolExecutor(8) as pool:
            for _ in range(8):
                pool.submit(work)
            for name in names:
                self.turns.wake(name)
            self.assertTrue(over.wait(60), left)
            self.turns.close()
        self.assertEqual([], clashes)
