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

"""What of the service's words gets to a terminal."""

import testtools

from hpcdirect.client import errors


class CleanTest(testtools.TestCase):
    """Nodes and other people write some of it"""

    def test_nothing_that_controls_how_it_is_shown(self):
        for text in ('\x1b[31m', '\x1b[2J', '\x9b', '\x00', '\x08', '\x7f',
                     '\r', '\u202e', '\u2066', '\u2069', '\u200f', '\u061c',
                     '\u2028'):
            self.assertEqual('ab', errors.clean(f'a{text}b'), ascii(text))

    def test_the_rest_stays(self):
        text = 'One line,\n\tanother: é 漢字 \u05d0'
        self.assertEqual(text, errors.clean(text))
