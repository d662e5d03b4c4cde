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

"""What a run has started, while it comes and goes."""

import subprocess
import unittest

from hpcdirect.runners.ansible import family


class DescendantsTest(unittest.TestCase):

    def test_a_process_that_ends_before_it_is_looked_at(self):
        with subprocess.Popen(['true']) as gone:
            gone.wait()
        self.assertEqual([gone.pid], family.descendants(gone.pid))

    def test_those_below(self):
        with subprocess.Popen(
                ['sh', '-c', 'sh -c "cat; true"; true'],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as top:
            top.stdin.write(b'x')
            top.stdin.flush()
            # All three are there once the last one has said something.
            top.stdout.read(1)
            self.assertEqual(3, len(family.descendants(top.pid)))
            top.stdin.close()
