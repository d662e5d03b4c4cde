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

"""Sentences of what ssh says, and whether it is worth another try."""

import testtools

from hpcdirect.runners.ansible import fence


class ExplainTest(testtools.TestCase):

    def test_what_may_pass_within_moments(self):
        # The first is all that ssh says of a reset while it sends its banner.
        for said in ('', '\n', 'Connection closed by 192.0.2.1 port 22',
                     'ssh: connect to host a: Connection refused'):
            sentence, passes = fence.explain('head', said, 30)
            self.assertTrue(passes, said)
            self.assertIn('head', sentence)

    def test_what_stays(self):
        for said in ('Host key verification failed.', 'Bad owner of a file',
                     'a@head: Permission denied (publickey).'):
            self.assertFalse(fence.explain('head', said, 30)[1], said)
