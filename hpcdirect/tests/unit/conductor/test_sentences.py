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

"""Sentences made of sentences have no holes."""

import itertools

import testtools

from hpcdirect.conductor import check
from hpcdirect.conductor import failures
from hpcdirect.conductor import watch
from hpcdirect.tests.functional import holes

# What a backend may say of a machine: a sentence, a part of one, nothing.
FAULTS = ('It ended. Its console says last: x | y.', 'no power', '')


class SentencesTest(testtools.TestCase):

    def test_what_a_hole_is(self):
        for text in ('its init process ended; . A retry', 'head-0: .',
                     'It is off.; compute-0: gone', 'It ended..',
                     'a (; b)', ': it failed', 'Nova said ().'):
            self.assertTrue(holes.of(text), text)
        for text in ('It ended. A retry brings it back; the rest stays.',
                     'see ../../etc and ...', 'http://a/b: gone (twice).',
                     'lines 1..3 of it', ''):
            self.assertFalse(holes.of(text), text)

    def test_faults_in_reasons(self):
        for one, other in itertools.product(FAULTS, FAULTS):
            faults = {name: fault for name, fault in (
                ('head-0', one), ('compute-0', other)) if fault}
            self.assertWhole(watch._reason(faults))

    def test_faults_in_failures(self):
        for fault in FAULTS:
            self.assertWhole(failures.sentence(
                failures.of_machine('head-0', fault)))
            self.assertWhole(check._disagreement(
                None, 'head-0', fault)['message'] if fault else '')

    def assertWhole(self, text):
        self.assertFalse(holes.of(text), text)
