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

"""What is taken out of a run's words."""

import base64
import json

import testtools

from hpcdirect.runners.ansible.redaction import Redaction

WORD = "pa ss'w/ör-d%"
CUT = '…'


class RedactionTest(testtools.TestCase):

    def test_in_the_forms_of_programs(self):
        redact = Redaction([WORD])
        for form in (WORD, json.dumps(WORD), repr(WORD),
                     base64.b64encode(WORD.encode()).decode(),
                     WORD.encode().hex(), 'pa%20ss%27w%2F%C3%B6r-d%25'):
            said = redact(f'it is {form}, is it?')
            self.assertIn('***', said, form)
            self.assertNotIn(form.strip('"\''), said)

    def test_cut_through(self):
        redact = Redaction([WORD])
        for size in range(3, len(WORD)):
            for cut in (CUT, '\n[... 9000 characters]'):
                said = redact(f'first {WORD[:size]}{CUT} and {WORD[:size]}'
                              f'{cut}')
                self.assertEqual(f'first ***{CUT} and ***{cut}', said)
        self.assertEqual(f'what else{CUT}', redact(f'what else{CUT}'))

    def test_of_nothing(self):
        self.assertEqual(f'as it is{CUT}', Redaction([])(f'as it is{CUT}'))
