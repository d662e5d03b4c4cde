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

"""The long tests come by turns, each of them."""

import pathlib
import re
import unittest

import hypothesis
from hypothesis import strategies as st

from hpcdirect.tests.functional import soak

NAMES = st.dictionaries(st.text(), st.integers(1, 10), min_size=1)


class TurnsTest(unittest.TestCase):

    @hypothesis.given(NAMES, st.integers(0, 60), st.integers(0, 366))
    def test_as_many_as_fit(self, names, minutes, day):
        chosen = soak.chosen(names, minutes, day)
        self.assertEqual(len(chosen), len(set(chosen)))
        self.assertLessEqual(sum(names[name] for name in chosen[1:]),
                             max(0, minutes - names[chosen[0]]))

    @hypothesis.given(NAMES, st.integers(0, 60))
    def test_each_has_its_day(self, names, minutes):
        self.assertEqual(list(names), [
            soak.chosen(names, minutes, day)[0] for day in range(len(names))])

    @hypothesis.given(NAMES, st.integers(0, 366))
    def test_all_with_time_for_all(self, names, day):
        self.assertEqual(set(names), set(soak.chosen(
            names, sum(names.values()), day)))

    def test_each_of_the_list_is_a_test(self):
        """A name that no test has would be a day on which nothing runs."""
        folder = pathlib.Path(__file__).parent
        self.assertEqual(set(soak.LONG), {
            name for file in folder.glob('test_*.py') for name in re.findall(
                r"@soak\.in_turn\('([\w-]+)'\)", file.read_text())})
