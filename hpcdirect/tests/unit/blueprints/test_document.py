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

"""The YAML reader."""

import pathlib

import fixtures
import hypothesis
from hypothesis import strategies
import testtools
import yaml

from hpcdirect import exception
from hpcdirect.blueprints import document

FILE = pathlib.Path('some/blueprint.yaml')


class DocumentTest(testtools.TestCase):

    def read(self, text):
        return document.parse(text.encode(), FILE)

    def refused(self, text):
        exc = self.assertRaises(exception.BlueprintInvalid, self.read, text)
        return [str(finding) for finding in exc.findings]

    def test_lines(self):
        found = self.read('a: 1\nb:\n  - x\n  - c: {d: 2}\n')
        self.assertEqual({'a': 1, 'b': ['x', {'c': {'d': 2}}]}, found.data)
        self.assertEqual('some/blueprint.yaml:2', found.where('b'))
        self.assertEqual('some/blueprint.yaml:4',
                         found.where('b', 1, 'c', 'd'))
        self.assertEqual('some/blueprint.yaml:3',
                         found.where('b', 0, 'not', 'there'))
        self.assertEqual('some/blueprint.yaml:1', found.where('nothing'))

    def test_aliases_are_refused(self):
        said = self.refused('a: &x [1]\nb: *x\n')
        self.assertIn('some/blueprint.yaml:1: Anchors', said[0])
        self.assertIn(':2: Anchors', self.refused('a: 1\nb: *x\n')[0])

    def test_every_duplicate_and_odd_key(self):
        self.assertEqual(
            ['some/blueprint.yaml:2: "a" is given twice, first in line 1.',
             'some/blueprint.yaml:3: Keys must be text; put yes in quotes.',
             'some/blueprint.yaml:5: "c" is given twice, first in line 4.'],
            self.refused('a: 1\na: 2\nyes: 3\nb: {c: 1,\n  c: 2}\n'))

    def test_texts_that_their_tag_does_not_fit(self):
        for text in ('!!bool x', '!!int ""', '!!int x', '!!float y', '.inf',
                     '!!timestamp z', '!!timestamp 2026-13-45',
                     '!!binary aGk=', '0x' + 'f' * 5000, '9' * 400):
            (said,) = self.refused(f'a: 1\nb: {text}\n')
            self.assertIn('some/blueprint.yaml:2: "', said)
            self.assertIn('" is not a JSON value', said)
            self.assertLess(len(said), 200)

    def test_limits(self):
        self.assertIn('32 levels', self.refused('[' * 40 + ']' * 40)[0])
        self.assertIn('32 levels', self.refused('[' * 500000)[0])
        self.assertIn('values', self.refused('[' + '1,' * 30000 + ']')[0])

    def test_size(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'x.yaml').write_bytes(b'#' * (document.MAX_BYTES + 1))
        for name, said in (('x.yaml', '1 MiB'), ('y.yaml', 'Cannot be read')):
            exc = self.assertRaises(exception.BlueprintInvalid,
                                    document.read, folder / name)
            self.assertIn(said, str(exc))

    def test_only_plain_values(self):
        self.assertEqual({'d': '2026-01-01'},
                         self.read('d: 2026-01-01').data)
        for text in ('a: !!python/object:os.system {}', 'a: .nan',
                     'a: !!binary aGk=', 'a: !x 1', '', 'a: [', 'a: 1\n b: 2',
                     'a: 1\n---\nb: 2', '\x00', 'a: ' + '9' * 5000,
                     'a: !!set {x}', '? [a]\n: 1', 'a: !!omap [a: 1]'):
            self.assertTrue(self.refused(text), text)

    @hypothesis.settings(max_examples=50, deadline=None)
    @hypothesis.given(strategies.recursive(
        strategies.none() | strategies.booleans() | strategies.integers()
        | strategies.text('abz09 :-#', max_size=9),
        lambda inner: strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.text('abc:# ', max_size=4),
                                  inner, max_size=3), max_leaves=10))
    def test_what_is_dumped_is_read(self, value):
        text = yaml.dump(value, Dumper=Plain)
        self.assertEqual(value, self.read(text).data)

    @hypothesis.settings(max_examples=100, deadline=None)
    @hypothesis.given(strategies.binary(max_size=60)
                      | strategies.text('[]{}&*:-? \n!ab"\'|>', max_size=40))
    def test_nothing_but_its_own_error(self, content):
        if isinstance(content, str):
            content = content.encode()
        try:
            document.parse(content, FILE)
        except exception.BlueprintInvalid as exc:
            self.assertTrue(exc.findings)


class Plain(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


