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

"""The document in the tree is the one the service would answer."""

import pathlib
import subprocess
import sys

import testtools

ROOT = pathlib.Path(__file__).parents[4]


class OpenApiTest(testtools.TestCase):

    def test_in_step(self):
        done = subprocess.run(
            [sys.executable, str(ROOT / 'tools' / 'openapi.py'), '--check',
             str(ROOT / 'api-ref' / 'openapi.json')],
            capture_output=True, text=True, cwd=ROOT, check=False,
            env={'PYTHONPATH': str(ROOT), 'PATH': ''})
        self.assertEqual((0, ''), (done.returncode, done.stderr))
