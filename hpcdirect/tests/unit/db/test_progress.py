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


"""How far a deployment is, and how long the rest takes."""

import datetime

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.db.surroundings import Progress

BEGIN = datetime.datetime(2026, 1, 1)


def after(seconds):
    return BEGIN + datetime.timedelta(seconds=seconds)


class ProgressTest(testtools.TestCase):

    def left(self, at, **values):
        return Progress(**{'total': 4, 'weight': 100.0, **values}
                        ).seconds_left(BEGIN, after(at))

    def test_before_anything_is_done(self):
        self.assertEqual(90.0, self.left(10))

    def test_by_the_pace_of_what_is_done(self):
        # Steps side by side: 50 seconds' worth took 20.
        self.assertEqual(15.0, self.left(
            25, done=2, weight_done=50.0, moved_at=after(20)))
        # Slower than usual.
        self.assertEqual(95.0, self.left(
            105, done=2, weight_done=50.0, moved_at=after(100)))

    def test_longer_than_usual(self):
        self.assertEqual(0.0, self.left(1000))

    def test_nobody_knows(self):
        self.assertIsNone(self.left(1, unknown=1))
        self.assertIsNone(Progress().seconds_left(BEGIN, after(1)))
        self.assertIsNone(Progress(total=1, weight=1.0).seconds_left(
            None, after(1)))

    @hypothesis.given(st.lists(st.tuples(st.floats(0.001, 10**5),
                                         st.booleans()), max_size=20))
    def test_fraction(self, steps):
        found = Progress(
            total=len(steps), done=sum(done for _, done in steps),
            weight=sum(weight for weight, _ in steps),
            weight_done=sum(weight for weight, done in steps if done))
        self.assertTrue(0.0 <= found.fraction <= 1.0 + 1e-9)
        if steps and all(done for _, done in steps):
            self.assertEqual(1.0, found.fraction)
