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

"""tools/house.py measures this tree; what it finds is another matter."""

import ast
import contextlib
import io
import json
import pathlib
import runpy
import textwrap

import testtools

ROOT = pathlib.Path(__file__).parents[3]
TOOL = ROOT / 'tools/house.py'

CODE = '''
"""A module."""
@decorated
def function(one,  # A comment.
             two):
    """What it is.

    And more.
    """
    # Another comment.

    if one:
        return [one,
                two]
    else:
        return None
'''


@testtools.skipUnless(TOOL.exists(), 'not a checkout')
class HouseTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.tool = runpy.run_path(str(TOOL))

    def told(self, *arguments):
        """What it prints, and its exit code."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = self.tool['main'](list(arguments))
        return said.getvalue(), code

    def test_all_figures(self):
        said, code = self.told('--json')
        rows = json.loads(said)
        self.assertEqual(len(self.tool['FIGURES']),
                         len({row['name'] for row in rows}))
        self.assertEqual(int(not all(row['holds'] for row in rows)), code)
        details = {row['name']: row['details'] for row in rows}
        self.assertIn('api/controllers/clusters.py',
                      details['files on the walk of POST /v1/clusters'])
        self.assertIn('db/models.py', details[
            'files edited for one more field of a cluster'])
        for row in rows:
            for name in row['details'] if 'files on' in row['name'] else ():
                self.assertTrue((ROOT / 'hpcdirect' / name).is_file(), name)

    def test_what_is_over_its_limit(self):
        row = self.tool['Row']
        figures = self.tool['main'].__globals__
        for value, limit, code, word in (
                (4, 4, 0, 'holds'), (5, 4, 1, 'OVER'), (5, None, 0, '-')):
            figures['FIGURES'] = (
                lambda value=value, limit=limit: row(
                    'things', value, limit, ('this one',)),)
            said, given = self.told('--verbose')
            self.assertEqual(code, given)
            self.assertIn(word, said)
            self.assertIn('this one', said)
            self.assertNotIn('this one', self.told()[0])

    def test_lines_of_code(self):
        tree = ast.parse(textwrap.dedent(CODE))
        numbered = CODE.splitlines()
        self.assertEqual(
            ['@decorated', 'def function(one,  # A comment.', 'two):',
             'if one:', 'return [one,', 'two]', 'return None'],
            [numbered[number - 1].strip()
             for number in sorted(self.tool['code_lines'](tree))])
