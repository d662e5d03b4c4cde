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

"""Everybody can use the pages: by keyboard, by screen reader."""

from axe_playwright_python import sync_playwright as axe
from playwright.sync_api import expect

from hpcdirect.tests.ui import base

#: Horizon's theme chooses the colours of links, buttons and labels, and its
#: own pages have the same; those that our style sheet chooses are judged, and
#: all of our own theme.
_RULES = {'runOnly': ['wcag2a', 'wcag2aa'],
          'rules': {'color-contrast': {'enabled': False}}}
_CONTRAST = {'runOnly': {'type': 'rule', 'values': ['color-contrast']}}
_COLOURED = ('#hpc .hpc-muted, #hpc .hpc-help, #hpc .hpc-danger, '
             '#hpc :not(a) > .hpc-state, #hpc .hpc-bad')


class AccessTest(base.UiTest):
    """Launching by keyboard, and what axe says."""

    def test_axe_finds_nothing_on_our_pages(self):
        self.assert_nothing_found(base.PORTAL, _COLOURED)

    def test_axe_finds_nothing_in_the_dark(self):
        self.assert_nothing_found(base.DARK, '#hpc')

    def assert_nothing_found(self, portal, coloured):
        hpc = base.service('alice')
        made = hpc.wait(self.cluster(blueprint='slurm', parameters={
            'users': [{'name': 'ada'}]}), timeout=60)
        failed = hpc.wait(self.cluster(blueprint='slurm', parameters={
            'failing': ['compute-1']}), timeout=60)
        page = self.window('alice', portal=portal)
        found = []
        for path in (*self.paths(made).values(),
                     self.paths(failed)['cluster']):
            page.goto(path)
            found += self.findings(page, path, '#hpc', _RULES)
            if page.locator(coloured).count():
                found += self.findings(page, path, coloured, _CONTRAST)
        self.assertEqual([], found)

    def findings(self, page, path, where, options):
        """What axe finds there: page, rule, the first elements."""
        told = axe.Axe().run(page, context=where, options=options)
        return [(path, one['id'],
                 [node['html'][:200] for node in one['nodes']][:3])
                for one in told.response['violations']]

    def test_a_cluster_by_keyboard_alone(self):
        name = self.name('keys')
        page = self.window('alice')
        page.goto('/project/hpc_blueprints/')
        self.reach(page, '[aria-label="Launch Single node"]')
        page.keyboard.press('Enter')
        page.wait_for_url('**/single/launch')
        self.reach(page, '#f-name')
        page.keyboard.type(name)
        self.reach(page, 'button[value=launch]')
        page.keyboard.press('Enter')
        page.wait_for_url('**/hpc_clusters/*/')
        expect(page.locator('#hpc-head')).to_contain_text('active')

    def reach(self, page, selector):
        """Press Tab until it has the focus."""
        for _ in range(200):
            page.keyboard.press('Tab')
            if page.evaluate('selector => document.activeElement.matches('
                             'selector)', selector):
                return
        self.fail(f'No number of tabs leads to {selector}.')
