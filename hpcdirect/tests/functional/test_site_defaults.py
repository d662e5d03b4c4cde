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

"""What an operator's configuration gives where people leave it open."""

import pathlib

import testtools

from hpcdirect.tests.functional import service

TINY = pathlib.Path(__file__).with_name('tiny')


class SiteDefaultsTest(testtools.TestCase):

    def begin(self, default):
        made = self.useFixture(service.Service(
            directories=(TINY,), blueprints={'default': default}))
        made.start()
        return made

    def test_they_count_where_nothing_is_said(self):
        site = self.begin('{word: ours, tiny.count: 3, image: debian}')
        shown = site.get('/v1/blueprints/tiny')['parameters']['properties']
        self.assertEqual(('ours', 3), (
            shown['word']['default'], shown['count']['default']))
        said = site.create('demo', 'tiny', word='mine')['parameters']
        self.assertEqual(('mine', 3), (said['word'], said['count']))

    def test_one_that_is_no_value_is_told(self):
        site = self.begin('{count: many}')
        self.assertEqual([], site.get('/v1/blueprints')['blueprints'])
        self.assertIn('Blueprint tiny cannot be used: [blueprints] default: '
                      'count: is "many"; it must be a whole number',
                      site.log())
