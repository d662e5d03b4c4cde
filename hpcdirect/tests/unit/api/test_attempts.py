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

"""Wrong passwords, and how long one has to wait after them."""

import testtools

from hpcdirect.api import attempts
from hpcdirect.api.errors import ProtocolError


class AttemptTests(testtools.TestCase):
    """Attempts, by a clock that only moves when it is told to"""

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.attempts = attempts.Attempts(lambda: self.now)

    def wait(self, name, address):
        """Seconds until a password is looked at, 0 when it is at once."""
        try:
            with self.attempts.place(name, address):
                return 0
        except ProtocolError as exc:
            self.assertEqual(429, exc.answer)
            return int(exc.headers['Retry-After'])

    def guess(self, name, address, times):
        for _ in range(times):
            self.attempts.wrong(name, address)

    def test_the_wait_grows_and_ends(self):
        self.guess('ann', 'a', 5)
        self.assertEqual(0, self.wait('ann', 'a'))
        waits = []
        for _ in range(8):
            self.guess('ann', 'a', 1)
            waits.append(self.wait('ann', 'a'))
        self.assertEqual([1, 2, 4, 8, 16, 30, 30, 30], waits)
        self.now += 30
        self.assertEqual(0, self.wait('ann', 'a'))

    def test_nobody_is_kept_out_by_their_name(self):
        self.guess('ann', 'a', 10)
        self.assertEqual(0, self.wait('ann', 'b'))
        self.assertEqual(0, self.wait('bob', 'a'))

    def test_an_address_that_guesses_at_many_names(self):
        for number in range(25):
            self.guess(f'user{number}', 'a', 1)
        self.assertEqual(16, self.wait('other', 'a'))
        # A right password does not make it good.
        self.attempts.right('mine', 'a')
        self.assertEqual(16, self.wait('other', 'a'))

    def test_a_right_one_forgives_the_name(self):
        self.guess('ann', 'a', 5)
        self.attempts.right('ann', 'a')
        self.guess('ann', 'a', 5)
        self.assertEqual(0, self.wait('ann', 'a'))

    def test_all_is_forgotten_after_a_while(self):
        self.guess('ann', 'a', 10)
        self.now += 1000
        self.guess('ann', 'a', 1)
        self.assertEqual(0, self.wait('ann', 'a'))

    def test_memory_is_bounded(self):
        for number in range(20000):
            self.guess(f'user{number}', f'{number}', 1)
        self.assertLessEqual(len(self.attempts._records), 10000)
