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

"""The units of systemd that are shipped."""

import pathlib
import re
import shutil
import subprocess
from typing import ClassVar

import testtools

FOLDER = pathlib.Path(__file__).parents[3] / 'etc/systemd'


@testtools.skipUnless(shutil.which('systemd-analyze'), 'needs systemd')
class UnitTests(testtools.TestCase):
    """How much a service that was taken over could do"""

    #: Unit -> its exposure at most, as systemd counts: 0 to 10.
    MOST: ClassVar = {'hpcdirect-api.service': 1.5,
                      'hpcdirect-conductor.service': 2.2,
                      'hpcdirect-metrics.service': 2.2}

    def test_exposure(self):
        self.assertEqual(set(self.MOST), {
            path.name for path in FOLDER.glob('*.service')})
        for name, most in self.MOST.items():
            done = subprocess.run(
                ['systemd-analyze', 'security', '--offline=true',
                 '--no-pager', str(FOLDER / name)],
                capture_output=True, text=True)
            found = re.search(r'exposure level for \S+: ([0-9.]+)',
                              done.stdout)
            if found is None:
                self.skipTest('this systemd does not tell: ' + done.stderr)
            self.assertLessEqual(float(found[1]), most, done.stdout)
