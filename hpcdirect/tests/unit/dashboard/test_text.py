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

"""What others wrote: shown to the letter, obeyed in nothing."""

import html
import os

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.dashboard import text

SETTINGS = hypothesis.settings(
    max_examples=int(os.environ.get('HPCDIRECT_EXAMPLES', '100')),
    deadline=None, database=None)
PIECES = st.lists(st.one_of(st.text(max_size=5), st.sampled_from(
    ['\x1b', '\x1b[', '\x1b[31m', '\x1b[0m', '\x1b]0;title\x07', '\x9b2J',
     '\x1b[2J', '\x1b]8;;javascript:0\x1b\\', '\x1bP', '{$', '$}', '{', '$',
     '<script>', '&lt;', '"', '\u202e', '\ud800', '\0', '38;5;1m'])))


class ExactTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(PIECES)
    def test_nothing_is_markup_and_nothing_is_changed(self, pieces):
        shown = text.exact(''.join(pieces))
        self.assertFalse(set('<>"\'') & set(shown))
        self.assertEqual(text.visible(''.join(pieces)), html.unescape(shown))

    def test_what_horizon_would_change(self):
        self.assertEqual('{$ 1+1 $}{{ 2 }}', text.exact('{$ 1+1 $}{{ 2 }}'))

    def test_letters_that_nobody_sees(self):
        for letters, shown in (
                ('a\u202eb', 'a<U+202E>b'), ('\0', '<U+0000>'),
                ('\ufeff', '<U+FEFF>'), ('\ud800', '<U+D800>'),
                ('a\u2028b', 'a<U+2028>b'), ('a\tb\r\n', 'a\tb\r\n'),
                ('\U0001f468\u200d\U0001f52c', '\U0001f468\u200d\U0001f52c')):
            self.assertEqual(shown, text.visible(letters))


class SpansTest(testtools.TestCase):

    def spans(self, line):
        return [(one.text, one.classes) for one in text.spans(line)]

    @SETTINGS
    @hypothesis.given(PIECES)
    def test_no_terminal_is_told_anything(self, pieces):
        line = ''.join(pieces)
        shown = ''.join(one.text for one in text.spans(line))
        self.assertFalse({'\x1b', '\x9b', '\x07', '\0'} & set(shown))
        # What is no order of a terminal is all there.
        if not {'\x1b', '\x9b'} & set(line):
            self.assertEqual(text.visible(line), shown)

    def test_colours_are_kept(self):
        self.assertEqual(
            [('ok: ', ''), ('changed', 'sgr-yellow'), (' and ', ''),
             ('failed', 'sgr-bold sgr-red'), ('!', 'sgr-red'), (' end', '')],
            self.spans('ok: \x1b[0;33mchanged\x1b[0m and \x1b[1;31mfailed'
                       '\x1b[22m!\x1b[39m end'))

    def test_other_orders_are_left_out(self):
        for line in ('\x1b[2Jab', 'a\x1b]0;title\x07b', 'a\x1b]8;;x\x1b\\b',
                     'a\x9b31mb', '\x1bcab', 'a\x1b[38;5;196mb',
                     'a\x1b[48;2;1;2;3mb', 'a\x1b[?25lb', 'ab\x1b'):
            self.assertEqual('ab', ''.join(
                shown for shown, _ in self.spans(line)), line)

    def test_a_long_line_is_cut_and_says_so(self):
        shown = self.spans('a' * (text.MOST + 5))
        self.assertEqual([('a' * text.MOST, ''), (' … +5', 'sgr-cut')], shown)
