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

"""Values on a command line: JSON, YAML, or just text; never a traceback."""

import pathlib
import tempfile

import hypothesis
from hypothesis import strategies as st
from osc_lib import exceptions
import testtools

from hpcdirect.client.osc import values

PIECES = st.lists(st.sampled_from(
    ['[', ']', '{', '}', ':', ' ', ',', '"', "'", '&a', '*a', '!!bool ',
     '!!int ', '!!timestamp ', '!!binary ', '!!python/name:os.system', '<<',
     '? ', '- ', '\n', '#', '2026-13-45', '12:30', '1e20', '.inf', 'NaN',
     '0x1f', 'yes', 'null', '\x7f', '\udc80', 'a', '5', '%', '|']),
    max_size=8).map(''.join)


class ParseTest(testtools.TestCase):

    @hypothesis.given(PIECES)
    @hypothesis.settings(deadline=None, database=None, max_examples=300)
    def test_a_value_or_a_clear_refusal(self, text):
        try:
            values.parse(text, 'x')
        except exceptions.CommandError as exc:
            self.assertIn('--parameter x:', str(exc))

    def test_json_is_read_as_json(self):
        for text, value in (
                ('1e20', 1e20), ('"5"', '5'), ('["\x7f"]', ['\x7f']),
                (r'"\ud83d\ude00"', '\U0001f600'), ('null', None),
                ('{"\x85": null}', {'\x85': None})):
            self.assertEqual(repr(value), repr(values.parse(text, 'x')))

    def test_yaml_and_text(self):
        for text, value in (
                ('5', 5), ('yes', True), ('~', None), ('[a, 2]', ['a', 2]),
                ('{a: {b: 1}}', {'a': {'b': 1}}), ('12:30', '12:30'),
                ('a: b', 'a: b'), ('- a', '- a'), ('2026-13-45', '2026-13-45'),
                ('NaN', 'NaN'), ('.inf', '.inf'), ('!!bool x', '!!bool x')):
            self.assertEqual(repr(value), repr(values.parse(text, 'x')))

    def test_what_is_wrong_in_a_file_is_told_at_its_line(self):
        with tempfile.NamedTemporaryFile('w', suffix='.yaml') as file:
            pathlib.Path(file.name).write_text(
                'a: 1\na: 2\nb: !!bool x\nc: .nan\n')
            exc = self.assertRaises(exceptions.CommandError, values._file,
                                    file.name)
        self.assertEqual([2, 3, 4], [
            int(line.removeprefix(f'--parameter-file {file.name}:')
                .partition(':')[0]) for line in str(exc).splitlines()])
