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

"""An icon draws and does nothing else, whatever lies in the folder."""

import itertools
import pathlib
from xml.etree import ElementTree

import hypothesis
from hypothesis import strategies as st

from hpcdirect.blueprints import icon
from hpcdirect.blueprints import load
from hpcdirect.blueprints import validate
from hpcdirect.tests.unit.blueprints import test_load

ROOT = pathlib.Path(__file__).parents[4]
SVG = 'http://www.w3.org/2000/svg'
GOOD = f'''<?xml version="1.0"?>
<!-- Mine. -->
<svg xmlns="{SVG}" viewBox="0 0 8 8" version="1.1">
  <g transform="translate(1, 1) rotate(45)" fill="#0072b2" stroke="none">
    <path d="M0 0h6v-1.5e0Z" stroke-linecap="round"/>
  </g>
</svg>
'''
#: What stands in line 2 of an icon that is refused -> what is said of it.
HOSTILE = {
    '<script>alert(1)</script>': 'no <script>',
    '<script href="x.js"/>': 'no <script>',
    '<path onload="alert(1)"/>': 'takes no onload',
    '<image href="http://example.org/x"/>': 'no <image>',
    '<use href="#x"/>': 'no <use>',
    '<use xmlns:x="http://www.w3.org/1999/xlink" x:href="data:,"/>':
        'takes no href',
    '<a href="javascript:alert(1)"><path/></a>': 'no <a>',
    '<foreignObject><p xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>':
        'is not of',
    '<style>path{background:url(http://example.org)}</style>': 'no <style>',
    '<path style="fill:url(#x)"/>': 'takes no style',
    '<path class="x" id="x"/>': 'takes no class',
    '<animate attributeName="href" to="x"/>': 'no <animate>',
    '<set attributeName="onload" to="x"/>': 'no <set>',
    '<path fill="url(http://example.org/x)"/>': 'fill of <path>',
    '<path fill="red;background:url(x)"/>': 'fill of <path>',
    '<path d="M0 0&quot;/&gt;&lt;script&gt;"/>': 'd of <path>',
    '<g transform="expression(1)"/>': 'transform of <g>',
    '<x:script xmlns:x="http://www.w3.org/1999/xhtml"/>': 'is not of',
    '<path xmlns="http://www.w3.org/1999/xhtml"/>': 'is not of',
    '<svg viewBox="0 0 1 1"/>': 'nowhere inside',
    '<text>Hello</text>': 'no <text>',
    'Hello': 'no text',
    '<![CDATA[<script>alert(1)</script>]]>': 'no text',
    '<?xml-stylesheet href="x.css"?>': 'no <?...?>',
    '<path d="&nosuch;"/>': 'no XML',
    '<path': 'no XML',
    '<path d="" d=""/>': 'no XML',
}
#: Whole files that are refused, with the line that is named.
FILES = {
    b'': 1, b'\x89PNG\r\n': 1, b'\xff\xfe': 1,
    b'<svg/>': 1,
    f'<svg xmlns="{SVG}"/>'.encode(): 1,
    f'<g xmlns="{SVG}"/>'.encode(): 1,
    b'<?xml version="1.0" encoding="nonsense"?>\n<svg/>': 1,
    b'<!DOCTYPE svg [\n<!ENTITY a "aaaa">\n<!ENTITY b "&a;&a;&a;">]>\n'
    b'<svg>&b;</svg>': 1,
    b'\n<!DOCTYPE svg SYSTEM "http://example.org/x.dtd">\n<svg/>': 2,
    GOOD.encode() + b'<!--' + b'x' * 8192 + b'-->': 1,
}


class IconTest(test_load.FolderTest):

    def setUp(self):
        super().setUp()
        # The folder as it is written by blueprint().
        self.first = self.blueprint()
        self.folder = self.first.folder

    def again(self):
        return load.load_blueprint(
            self.folder, validate.Finder([self.root / 'elements']))

    def read(self, content):
        (self.folder / icon.FILE).write_bytes(content)
        return icon.read(self.folder)

    def test_none(self):
        self.assertEqual(('', []), icon.read(self.folder))
        self.assertEqual('', self.first.icon)

    def test_a_good_one(self):
        shown, wrong = self.read(GOOD.encode())
        self.assertEqual([], wrong)
        self.assertEqual(
            ElementTree.canonicalize(GOOD, strip_text=True),
            ElementTree.canonicalize(shown, strip_text=True))
        self.assertEqual([], self.read(GOOD.replace(
            '?>', ' encoding="utf-16"?>', 1).encode('utf-16'))[1])

    def test_a_bad_one_keeps_its_blueprint_out(self):
        (self.folder / icon.FILE).write_text(
            f'<svg xmlns="{SVG}"\n viewBox="0 0 8 8">\n<script/>\n</svg>')
        (finding, *more) = validate.validate_folder(self.folder)
        self.assertEqual([], more)
        self.assertEqual((f'{self.folder}/icon.svg:3', True), (
            finding.where, 'no <script>' in finding.message))

    def test_what_is_hostile(self):
        for what, said in HOSTILE.items():
            shown, wrong = self.read(
                f'<svg xmlns="{SVG}" viewBox="0 0 8 8">\n{what}\n</svg>'
                .encode())
            self.assertEqual('', shown, what)
            self.assertIn(said, '\n'.join(one.message for one in wrong), what)
            self.assertIn(wrong[0].where, (
                f'{self.folder}/icon.svg:{line}' for line in (2, 3)), what)

    def test_whole_files(self):
        for content, line in FILES.items():
            shown, wrong = self.read(content)
            self.assertEqual(('', f'{self.folder}/icon.svg:{line}'),
                             (shown, wrong[0].where), content[:80])

    @hypothesis.settings(deadline=None, database=None)
    @hypothesis.given(st.lists(st.sampled_from([
        *HOSTILE, '<g>', '</g>', '<path d="M0 0"/>', '<!--', '-->', ' ']),
        max_size=6))
    def test_what_is_shown_only_draws(self, parts):
        shown, wrong = self.read(
            f'<svg xmlns="{SVG}" viewBox="0 0 8 8">{"".join(parts)}</svg>'
            .encode())
        self.assertEqual(bool(shown), not wrong)
        if shown:
            tree = ElementTree.fromstring(shown)  # noqa: S314 - ours
            kinds = {(one.tag, name) for one in tree.iter()
                     for name in ('', *one.attrib)}
            self.assertLessEqual(kinds, {
                (f'{{{SVG}}}{tag}', name) for tag, name in (
                    ('svg', ''), ('svg', 'viewBox'), ('g', ''), ('path', ''),
                    ('path', 'd'))})

    def test_a_digest_is_of_what_counts(self):
        self.read(GOOD.encode())
        found = self.again()
        self.assertEqual(self.first.digest, found.digest)
        self.assertIn('<path ', found.icon)

    def test_those_in_the_tree(self):
        for folder in sorted((ROOT / 'blueprints').iterdir()):
            shown, wrong = icon.read(folder)
            self.assertEqual([], wrong)
            self.assertTrue(shown.startswith('<svg '), folder)


class LayoutTest(test_load.FolderTest):
    """Words that lay out a form: told to authors, and nobody else."""

    def wrong(self, **words):
        changes = itertools.chain.from_iterable(
            [('parameters', 'properties', 'memory', name.replace('_', '-'))]
            for name in words)
        data = test_load.BLUEPRINT
        for path, value in zip(changes, words.values(), strict=True):
            data = test_load.changed(data, *path, to=value)
        # It is in the catalogue all the same.
        folder = self.blueprint(data).folder
        found = validate.validate_folder(folder, [self.root / 'elements'])
        for finding in found:
            self.assertRegex(finding.where, r'blueprint\.yaml:\d+$')
        return [finding.message for finding in found]

    def test_good(self):
        self.assertEqual([], self.wrong(
            x_group='Size', x_order=1.5, x_advanced=True))

    def test_bad(self):
        self.assertEqual([
            'x-oder of memory is no word of ours; did you mean "x-order"?',
            'x-group of memory is [1]; it must be text.',
            'x-order of memory is "1"; it must be a number.',
            'x-advanced of memory is 1; it must be true or false.',
            ], self.wrong(x_oder=1, x_group=[1], x_order='1', x_advanced=1))

    def test_a_source_that_is_not_there(self):
        one, two = self.wrong(x_source='image')
        self.assertIn('did you mean "images"?', one)
        self.assertIn('goes with a text', two)

    def test_those_in_the_tree(self):
        for file in sorted(ROOT.glob('blueprints/*/blueprint.yaml')):
            self.assertEqual([], validate.validate_folder(file.parent), file)
        for file in sorted(ROOT.glob('elements/*/element.yaml')):
            self.assertEqual([], validate.validate_folder(file.parent), file)
