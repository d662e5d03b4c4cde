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

"""Sentences of what Ansible says."""

import testtools

from hpcdirect.runners.ansible import message

OUTPUT = [
    '[ERROR]: Task failed: Module failed: Error executing command: [Errno 2] '
    "No such file or directory: b'sinfo'", 'Origin: x', '', 'fatal: [a]']


class CompleteTest(testtools.TestCase):

    def test_the_cause_is_taken_from_the_output(self):
        self.assertEqual(
            "Error executing command: [Errno 2] No such file or directory: "
            "b'sinfo'",
            message.complete('Error executing command.', OUTPUT))

    def test_what_says_enough_stays(self):
        for said in ('exit code 1: x', message.HIDDEN, ''):
            self.assertEqual(said, message.complete(said, OUTPUT))
        self.assertEqual('Error executing command.', message.complete(
            'Error executing command.', ['nothing']))
