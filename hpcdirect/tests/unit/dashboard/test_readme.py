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

"""A README is shown, and does nothing."""

import testtools

from hpcdirect.dashboard import readme


class ReadmeTest(testtools.TestCase):
    """What docutils is not to let through."""

    def test_what_is_written_is_shown(self):
        found = readme.html('Title\n=====\n\nSome *words*, `a link '
                            '<https://example.org/>`_.\n')
        self.assertIn('<em>words</em>', found)
        self.assertIn('href="https://example.org/"', found)

    def test_nothing_runs(self):
        found = readme.html(
            '`x <javascript:alert(1)>`_ `y <JavaScript:alert(1)>`_ '
            '`z <data:text/html,x>`_\n\n'
            '.. raw:: html\n\n   <script>alert(1)</script>\n\n'
            '.. image:: https://example.org/x.png\n\n'
            '.. include:: /etc/passwd\n\n'
            '.. csv-table::\n   :file: /etc/passwd\n\n'
            '<img src=x onerror=alert(1)>\n')
        for word in ('javascript:', 'data:', '<script', '<img', 'root:'):
            self.assertNotIn(word, found.lower().replace(
                '&lt;img', '').replace('&lt;script', ''))

    def test_what_is_no_rst_is_shown_all_the_same(self):
        self.assertIn('right', readme.html('*wrong\n\n.. nothing::\n\nright'))
