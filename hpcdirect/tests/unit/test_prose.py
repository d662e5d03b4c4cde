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

"""Turns of phrase that HACKING.rst says are not written."""

import ast
import pathlib
import re

import testtools

ROOT = pathlib.Path(__file__).resolve().parents[3]
#: What people read, besides the strings of the code.
PAGES = ('*.rst', 'doc/source/**/*.rst', 'benchmarks/*.rst', 'etc/**/*.conf',
         '*/*/README.rst', 'elements/*/*.yaml', 'blueprints/*/*.yaml')


def phrases():
    """What is not written: the first column of the last table."""
    table = (ROOT / 'HACKING.rst').read_text().rsplit('\nnot ', 1)[1]
    return [line.split('  ')[0] for line in table.splitlines()
            if line[:1] not in ('', '=', ' ')]


def texts():
    """Where something stands, and what."""
    for path in (ROOT / 'hpcdirect').rglob('*.py'):
        if 'tests' in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f'{path.relative_to(ROOT)}:{node.lineno}', node.value
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            if path.name != 'HACKING.rst':
                yield str(path.relative_to(ROOT)), path.read_text()


class ProseTest(testtools.TestCase):

    def test_plain_english(self):
        found = phrases()
        self.assertGreater(len(found), 5)
        pattern = re.compile(r'(?:(?<=\W)|^)(?:' + '|'.join(
            phrase.replace(' ', r'\s+') for phrase in found) + r')\b')
        self.assertEqual([], [
            f'{where}: {hit[0]}' for where, text in texts()
            for hit in pattern.finditer(text)])

    def test_what_is_looked_for(self):
        self.assertIn('is no error', phrases())
        self.assertNotIn('', phrases())
