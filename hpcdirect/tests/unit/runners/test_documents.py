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

"""What Ansible makes of the documents that are written for it."""

import json
import unittest

from ansible.parsing import dataloader
from ansible.template import Templar
import hypothesis
from hypothesis import strategies as st

from hpcdirect.runners.ansible import documents

LOOKS_LIKE_MORE = ('on', 'off', 'yes', 'no', 'true', 'null', '~', '', '12',
                   '1.10', '0x1f', '012', '1e3', '.inf', '2026-01-01',
                   '12:30:45', '<<', '=', '{{ 1 + 1 }}', '{% if', '!unsafe',
                   '&a', '*a', '#', ' x ', 'a\nb', '"', '\\')


def read(value):
    """A value as a task would be given it."""
    loader = dataloader.DataLoader()
    said = loader.load(documents.dump({'v': documents.data(value)}))
    return Templar(loader, variables=said).template(said['v'])


class DataTest(unittest.TestCase):

    def test_text_stays_text(self):
        for text in LOOKS_LIKE_MORE:
            with self.subTest(text):
                self.assertEqual(text, read(text))
                self.assertIsInstance(read(text), str)

    def test_all_kinds(self):
        value = {'on': ['on', True, None, 1, 1.5, {'12': '12'}]}
        self.assertEqual(value, read(value))

    def test_many_are_kept_apart(self):
        """What Ansible makes of that, the runner's tests show."""
        kept = []

        def keep(text):
            kept.append(json.loads(text))
            return f'/{len(kept)}.json'

        many = [{'text': text} for text in LOOKS_LIKE_MORE]
        few = many[:documents.MANY]
        self.assertNotEqual(few, many)
        names = dict.fromkeys(map(str, range(documents.MANY + 1)), 'x')
        self.assertEqual(
            {'few': few, **{name: f'{{{{ lookup("ansible.builtin.file", '
                            f'"/{number}.json") | from_json }}}}'
                            for number, name in ((1, 'many'), (2, 'names'))}},
            documents.data({'few': few, 'many': many, 'names': names}, keep))
        self.assertEqual([many, names], kept)

    @hypothesis.settings(deadline=None)
    @hypothesis.given(st.text(st.characters(
        codec='utf-8', exclude_categories=('Cs', 'Cc'))))
    def test_any_text(self, text):
        self.assertEqual(text, read(text))


if __name__ == '__main__':
    unittest.main()
