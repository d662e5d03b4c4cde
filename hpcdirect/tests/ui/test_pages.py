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

"""Every page: for each persona, on a phone, with hostile text."""

import json
import re
import shlex
import subprocess

from openstack import exceptions
from playwright.sync_api import expect

from hpcdirect.tests.ui import base
from hpcdirect.tests.ui.content import ASTRAY_SHOWN
from hpcdirect.tests.ui.content import ENDLESS
from hpcdirect.tests.ui.content import HOSTILE

_KEY = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJyLvXRGUkpBmTzQ0mYbbnZAhqTq'
        'hvyr1Iec9CXrqrM0')
#: Whether the page has been told once what is new.
_POLLED = 'performance.getEntriesByType("resource").some(' \
    'one => one.initiatorType === "fetch")'

#: What a strict policy for content would not let through.
_POLICY = "script-src 'self'; style-src 'self'"
_COUNT = """window.broken = [];
document.addEventListener('securitypolicyviolation', (one) => window.broken
  .push([one.violatedDirective, one.blockedURI, one.sourceFile, one.sample]));
"""

#: Page of a cluster -> button -> what it does, as the API calls it.
_BUTTONS = {
    '': {'#hpc-check': 'check', '#hpc-repair': 'repair',
         '#hpc-cancel': 'cancel', '#hpc-retry': 'retry',
         '#hpc-delete': 'delete'},
    'nodes': {'button[name=node]': 'update'},
    'layers': {'button[name=element]': 'update'},
    'users': {'button[name=wish]': 'update',
              'form[action$="/users/table"]': 'update'},
    'settings': {'button:has-text("Keep this")': 'label',
                 'button:has-text("See what it would do")': 'update'},
    'delete': {'button.hpc-danger': 'delete'},
}
#: What is done -> how a script does it.
_DONE = {
    **{verb: lambda hpc, ident, verb=verb: hpc.retry_cluster(ident, verb)
       for verb in ('check', 'repair', 'cancel', 'retry')},
    'update': lambda hpc, ident: hpc.change_cluster(
        ident, parameters={'compute_count': 1}),
    'label': lambda hpc, ident: hpc.change_cluster(ident, description='x'),
    'delete': lambda hpc, ident: hpc.delete_cluster(ident),
}


def _watched(route):
    """A page as if Horizon had a policy that only counts."""
    if route.request.resource_type != 'document':
        route.continue_()
        return
    answer = route.fetch()
    route.fulfill(response=answer, headers={
        **answer.headers, 'content-security-policy-report-only': _POLICY})


class PagesTest(base.UiTest):
    """All pages that there are."""

    def active(self, **wish):
        """A cluster that is there."""
        hpc = base.service('alice')
        return hpc.wait(self.cluster(**wish), timeout=60)

    def test_a_reader_sees_all_and_no_button_that_would_be_refused(self):
        made = self.active()
        self.reads_all_and_is_offered_nothing('carol', made)

    def test_every_button_for_everybody_in_every_state(self):
        """It is there when the API would do it, and only then."""
        hpc = base.service('alice')
        there = {
            'active': self.active(blueprint='slurm'),
            'failed': self.active(blueprint='slurm', parameters={
                'failing': ['compute-1']}),
            'protected': self.active(blueprint='slurm', protected=True),
            'busy': self.cluster(blueprint='slurm', parameters={
                'seconds': 20})}
        self.addCleanup(hpc.change_cluster, there['protected'].id,
                        protected=False)
        for person in ('alice', 'carol'):
            own, page = base.service(person), self.window(person)
            for state, made in there.items():
                for path, buttons in _BUTTONS.items():
                    page.goto(f'/project/hpc_clusters/{made.id}/{path}')
                    cluster = own.get_cluster(made.id)
                    for button, word in buttons.items():
                        may = cluster.allowed[word] == '' and (
                            word != 'retry'
                            or cluster.status in ('ERROR', 'DEGRADED'))
                        self.assertEqual(
                            may, page.locator(button).count() > 0,
                            (person, state, path, button))
                for word, reason in own.get_cluster(made.id).allowed.items():
                    if reason and word in _DONE:
                        self.assertRaises(
                            exceptions.HttpException, _DONE[word], own,
                            made.id)

    def test_another_project_sees_nothing_of_it(self):
        made = self.active()
        page = self.window('bob')
        page.goto('/project/hpc_clusters/')
        expect(page.locator('#hpc')).not_to_contain_text(made.name)
        answer = page.goto(f'/project/hpc_clusters/{made.id}/')
        self.assertEqual(404, answer.status)
        expect(page.locator('#hpc [role=alert]')).to_contain_text(made.id)

    def test_what_is_not_there_is_said(self):
        page = self.window('alice')
        for path in ('/project/hpc_clusters/none/',
                     '/project/hpc_clusters/none/delete',
                     '/project/hpc_blueprints/none/',
                     '/project/hpc_blueprints/none/launch'):
            self.assertEqual(404, page.goto(path).status, path)
            expect(page.locator('#hpc [role=alert]')).to_contain_text('none')
        # A blueprint may be called as a part of ours is.
        self.assertEqual(404, page.goto(
            '/project/hpc_blueprints/choices/launch').status)
        expect(page.locator('#hpc [role=alert]')).to_contain_text('choices')
        for path in ('%2e%2e', '%2e%2e%3Fx', 'a%3Ffields=id', '-a', 'a%23'):
            self.assertEqual(404, page.goto(
                f'/project/hpc_clusters/{path}/delete').status, path)
        self.assertEqual(200, page.goto(
            '/project/hpc_blueprints/slurm/launch?like=../summary').status)
        answer = page.goto('/project/hpc_clusters/?marker=none')
        self.assertEqual(400, answer.status)

    def test_nothing_is_wider_than_a_phone(self):
        made = self.active()
        page = self.window('alice', width=390)
        for name, path in self.paths(made).items():
            page.goto(path)
            self.assertEqual((name, 390), (name, page.evaluate(
                'document.documentElement.scrollWidth')))
            self.picture(page, f'phone-{name}')

    def test_all_can_be_read_in_the_dark(self):
        made = self.active(blueprint='slurm')
        page = self.window('alice', portal=base.DARK)
        for name, path in self.paths(made).items():
            page.goto(path)
            self.assertEqual((name, 'rgb(27, 31, 36)'), (name, page.evaluate(
                'getComputedStyle(document.body).backgroundColor')))
            self.picture(page, f'dark-{name}')

    def test_hostile_text_is_shown_and_does_nothing(self):
        made = self.active(description=HOSTILE[:255], tags=['a.b'])
        page = self.window('alice')
        page.goto(f'/project/hpc_clusters/?q={HOSTILE[:60]}')
        self.assertEqual(HOSTILE[:60], page.input_value('#hpc-find'))
        page.goto('/project/hpc_blueprints/slurm/launch')
        page.fill('#f-name', made.name)
        page.fill('#f-description', HOSTILE[:255])
        page.fill('[name="partition:line"]', HOSTILE)
        expect(page.locator('[data-error=partition]')).not_to_be_empty()
        page.click('button[value=review]')
        self.assertEqual(HOSTILE[:255], page.input_value('#f-description'))
        self.assertEqual(HOSTILE, page.input_value(
            '[name="partition:line"]'))
        self.assertIn(HOSTILE[:255], shlex.split(page.locator(
            '#hpc-review code').text_content())[6])
        self.assertIsNone(page.evaluate('window.pwned || null'))

    def test_a_hostile_blueprint_on_every_page_and_poll(self):
        made = self.cluster(
            blueprint='hostile', description=HOSTILE[:255], parameters={
                'failing': ['node-0'],
                'users': [{'name': 'ada', 'keys': [f'{_KEY} {HOSTILE}']}]})
        page = self.window('alice', width=390)
        operator = self.window('admin')
        page.goto(f'/project/hpc_clusters/{made.id}/')
        # What came by a poll, then the same on a page that is loaded anew.
        for _ in range(2):
            for where in ('#hpc-log', '#hpc-head [role=alert]'):
                expect(page.locator(where).first).to_contain_text(
                    HOSTILE + ASTRAY_SHOWN)
            self.assertEqual(HOSTILE, page.locator(
                '.hpc-outputs dd').first.text_content().strip()[:len(HOSTILE)])
            self.assertIsNone(page.evaluate('window.pwned || null'))
            page.reload()
        paths = {**self.paths(made),
                 'blueprint': '/project/hpc_blueprints/hostile/',
                 'launch': '/project/hpc_blueprints/hostile/launch',
                 'like': '/project/hpc_blueprints/hostile/launch'
                         f'?like={made.id}'}
        shown = {}
        for name, path in paths.items():
            self.assertEqual(200, page.goto(path).status, name)
            if name in ('overview', 'clusters'):
                page.wait_for_function(_POLLED)
            self.assertIsNone(page.evaluate('window.pwned || null'), name)
            self.assertEqual((name, 390), (name, page.evaluate(
                'document.documentElement.scrollWidth')))
            shown[name] = page.locator('#content_body').text_content()
            self.picture(page, f'hostile-{name}')
        for name in ('overview', 'blueprints', 'blueprint', 'launch', 'like',
                     'clusters', 'cluster', 'layers', 'users'):
            self.assertIn(HOSTILE, shown[name], name)
        self.assertNotIn('root:x:0', shown['blueprint'])
        page.goto(paths['like'])
        self.assertEqual(HOSTILE, page.input_value('[name="words:line"]'))
        self.assertEqual(HOSTILE, page.input_value('[name="list:lines"]'))
        operator.goto('/admin/hpc/')
        operator.click('text=Clusters of all projects')
        expect(operator.locator('tr', has_text=made.name)).to_contain_text(
            HOSTILE)
        self.assertIsNone(operator.evaluate('window.pwned || null'))

    def test_lines_that_do_not_end(self):
        """A megabyte is shown, and sent back, as it is stored."""
        words = HOSTILE + 'w' * (900 * 1024)
        made = self.cluster(blueprint='endless', parameters={
            'failing': ['node-0'], 'words': words})
        page = self.window('alice', width=390)
        page.goto(f'/project/hpc_clusters/{made.id}/')
        for _ in range(2):
            for where in ('#hpc-log', '#hpc-head [role=alert]'):
                expect(page.locator(where).first).to_contain_text(
                    HOSTILE + ENDLESS[:200])
            self.assertIn(words, page.locator('.hpc-outputs').text_content())
            self.assertIsNone(page.evaluate('window.pwned || null'))
            self.assertEqual(390, page.evaluate(
                'document.documentElement.scrollWidth'))
            page.reload()
        self.picture(page, 'endless')
        for name, path in self.paths(made).items():
            self.assertEqual(200, page.goto(path).status, name)
            self.assertIsNone(page.evaluate('window.pwned || null'), name)
            self.assertEqual((name, 390), (name, page.evaluate(
                'document.documentElement.scrollWidth')))
        page.goto(f'/project/hpc_blueprints/endless/launch?like={made.id}')
        self.assertEqual(words, page.input_value('[name="words:line"]'))
        name = self.name('endless')
        page.fill('#f-name', name)
        page.click('button[value=launch]')
        page.wait_for_url('**/hpc_clusters/*/')
        again, = base.service('alice').clusters(name=name)
        self.assertEqual(words, again.parameters['words'])

    def test_as_a_command_makes_the_same(self):
        page = self.window('alice')
        page.goto('/project/hpc_blueprints/slurm/launch')
        name = self.name('told')
        page.fill('#f-name', name)
        page.fill('#f-description', "it's $HOME \"quoted\" `x`")
        page.fill('[name="partition:line"]', 'fast')
        page.uncheck('[name="monitoring:flag"][type=checkbox]')
        page.click('[data-rows=users] > [data-add-row]')
        page.fill('[name="users.0.name:line"]', 'ada')
        code = page.locator('#hpc-review code')
        expect(code).to_contain_text('ada')
        command = code.text_content()
        page.click('button[value=launch]')
        page.wait_for_url('**/hpc_clusters/*/')
        twin = self.name('twin')
        done = subprocess.run(
            ['bash', '-c', re.sub(f'{name}$', twin, command)],
            env=base.environment('alice'), capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stderr)
        hpc = base.service('alice')
        one, other = (hpc.get_cluster(each) for each in (name, twin))
        self.assertEqual(json.dumps(one.parameters, sort_keys=True),
                         json.dumps(other.parameters, sort_keys=True))
        self.assertEqual(one.description, other.description)
        self.assertEqual('fast', one.parameters['partition'])

    def test_what_the_operator_sees(self):
        made = self.active()
        page = self.window('admin')
        page.goto('/admin/hpc/')
        expect(page.locator('#hpc')).to_contain_text('hpcdirect-all-in-one')
        expect(page.locator('#hpc-leftovers')).to_contain_text('fake')
        self.picture(page, 'admin')
        page.click('text=Clusters of all projects')
        expect(page.locator('tr', has_text=made.name)).to_contain_text('lab')
        page.click(f'text={made.name}')
        expect(page.locator('#hpc-head')).to_contain_text('active')
        page = self.window('alice')
        self.assertNotEqual(200, page.goto('/admin/hpc/').status)

    def test_numbers_that_are_not_there_say_why(self):
        made = self.active(blueprint='slurm')
        page = self.window('alice')
        page.goto(f'/project/hpc_clusters/{made.id}/monitoring')
        page.click('[aria-label="Add prometheus"]')
        expect(page.locator('.hpc-changes')).to_contain_text('prometheus')
        page.click('#hpc-apply')
        expect(page.locator('#hpc-head')).to_contain_text('active')
        page.goto(f'/project/hpc_clusters/{made.id}/monitoring')
        # Nothing answers on machines that are not there.
        expect(page.locator('[data-metric=cpu] .hpc-reason')
               ).not_to_be_empty()
        # What was done to it meanwhile is told all the same.
        expect(page.locator('#hpc-done')).to_contain_text('create')
        self.picture(page, 'monitoring-silent')
        head = [.25, .5]
        page.route('**/numbers*', lambda route: route.fulfill(json={
            'wait': 1, 'numbers': {
                'at': '2026-01-01T00:01:00Z', 'x': [1767225600, 1767225660],
                'deployments': [], 'metrics': [{
                    'name': 'cpu', 'unit': 'share', 'reason': '', 'series': [
                        {'node': 'head-0', 'name': '', 'y': head},
                        {'node': 'node-0', 'name': '', 'y': [.75, None]}]}]}
        }))
        page.reload()
        # The last there are, until somebody points at others.
        legend = page.locator('[data-metric=cpu] .u-value')
        expect(legend).to_contain_text(['2026', '50 %', '75 %'])
        over = page.locator('[data-metric=cpu] .u-over')
        over.hover(position={'x': 2, 'y': 20})
        expect(legend).to_contain_text(['2026', '25 %', '75 %'])
        page.mouse.move(0, 0)
        expect(legend).to_contain_text(['2026', '50 %', '75 %'])
        head[1] = .6
        expect(legend).to_contain_text(['2026', '60 %', '75 %'])
        page.click('[data-metric=cpu] summary')
        expect(page.locator('[data-metric=cpu] details td')).to_have_text(
            ['60 %', '75 %'])

    def test_nothing_is_inline_that_horizon_has_not(self):
        made = self.active()
        page = self.window('alice')
        page.add_init_script(_COUNT)
        page.route('**/*', _watched)
        page.goto('/settings/')
        horizons = page.evaluate('window.broken')
        self.assertNotEqual([], horizons)
        for name, path in self.paths(made).items():
            page.goto(path)
            found = page.evaluate('window.broken')
            self.assertLessEqual(len(found), len(horizons), (name, found))

    def test_nobody_is_logged_in(self):
        context = base.browser().new_context(base_url=base.PORTAL)
        self.addCleanup(context.close)
        page = context.new_page()
        page.goto('/project/hpc_clusters/')
        self.assertIn('/auth/login/', page.url)
        answer = page.request.get('/project/hpc/poll', headers={
            'X-Requested-With': 'XMLHttpRequest'})
        self.assertEqual(401, answer.status)
