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

"""The benchmark of the cloud runs, small, to its last line."""

import pathlib
import subprocess
import sys

import testtools

ROOT = pathlib.Path(__file__).parents[3]


class CloudTest(testtools.TestCase):

    def test_one_run(self):
        done = subprocess.run(
            [sys.executable, str(ROOT / 'benchmarks' / 'cloud.py'),
             '--runs', '1', '--compute', '1'], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False, timeout=1200)
        self.assertEqual(0, done.returncode, done.stdout)
        # Both took their turn, and the last line compares them.
        for name in ('hpcdirect', 'by hand'):
            self.assertRegex(done.stdout, rf'(?m)^{name} +\d+\.\d ')
        self.assertRegex(done.stdout.splitlines()[-1],
                         r'^hpcdirect / by hand: \d+\.\d\d$')
