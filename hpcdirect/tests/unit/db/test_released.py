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

"""What was released never changes.

Sites have carried out a migration; whoever edits it makes two databases of
one revision. What is to be different goes into a migration of its own.

Databases of earlier releases, which are test data, are as they were left.
"""

import hashlib
import pathlib

import testtools

from hpcdirect.db import migrations
from hpcdirect.tests import functional

#: File -> the first 16 digits of its sha256. A line is added when a release
#: is made, and no line is ever changed.
RELEASED = {
    '0001_initial.py': 'cf6210188f8c2056',
    '0002_plans.py': 'd861f2abc3476864',
    '0003_before.py': '4a8df174725cfa61',
    '0004_generations.py': '0e283d50ec9e31c5',
}

#: Folder of test data -> the first 16 digits of a sha256 of all its files.
#: A line is added with each, and no line is ever changed.
DATABASES = {
    'd786f44': '73821865aca98878',
    '1243c16': '3333d96bc6183ed5',
    'content/blueprints/site': '3c876a23047bc959',
    'content/elements/extra': '512d8a282715ef08',
    'content/elements/people': 'b4d36b613f4a0a6c',
    'content/elements/queue': '1a8a9e193a41643b',
    'content/elements/tool': '73b537b8cb2c328b',
}


def digest(folder):
    """One for the names and bytes of all files in a folder."""
    made = hashlib.sha256()
    for path in sorted(path for path in folder.rglob('*') if path.is_file()):
        made.update(f'{path.relative_to(folder)}\0'.encode())
        made.update(hashlib.sha256(path.read_bytes()).digest())
    return made.hexdigest()[:16]


class ReleasedTest(testtools.TestCase):

    def test_released_migrations_are_as_they_were(self):
        folder = pathlib.Path(migrations.__path__[0], 'versions')
        self.assertEqual(RELEASED, {
            name: hashlib.sha256((folder / name).read_bytes()
                                 ).hexdigest()[:16] for name in RELEASED})

    def test_released_databases_are_as_they_were(self):
        folder = pathlib.Path(functional.__path__[0], 'released')
        self.assertEqual(DATABASES, {
            str(path.relative_to(folder)): digest(path) for path in (
                *(path.parent for path in folder.glob('*/database.sql')),
                *folder.glob('content/*/*'))})
