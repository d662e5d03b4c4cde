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

"""A migration that was released never changes.

Sites have carried it out; whoever edits it makes two databases of one
revision. What is to be different goes into a migration of its own.
"""

import hashlib
import pathlib

import testtools

from hpcdirect.db import migrations

#: File -> the first 16 digits of its sha256. A line is added when a release
#: is made, and no line is ever changed.
RELEASED = {
    '0001_initial.py': 'cf6210188f8c2056',
    '0002_plans.py': 'd861f2abc3476864',
    '0003_before.py': '4a8df174725cfa61',
    '0004_generations.py': '0e283d50ec9e31c5',
}


class ReleasedTest(testtools.TestCase):

    def test_released_migrations_are_as_they_were(self):
        folder = pathlib.Path(migrations.__path__[0], 'versions')
        self.assertEqual(RELEASED, {
            name: hashlib.sha256((folder / name).read_bytes()
                                 ).hexdigest()[:16] for name in RELEASED})
