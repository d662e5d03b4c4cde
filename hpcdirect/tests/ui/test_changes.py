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

"""A live cluster is changed: each through its plan, each as a command too."""

import pathlib
import subprocess
import tempfile

from playwright.sync_api import expect

from hpcdirect.tests import public_keys
from hpcdirect.tests.ui import base

KEY = public_keys.line('ada@laptop')


class ChangesTest(base.UiTest):
    """What is shown is what is done."""

    def setUp(self):
        super().setUp()
        hpc = base.service('alice')
        self.made = hpc.wait(self.cluster(blueprint='slurm'), timeout=60)
        self.page = self.window('alice')

    def shell(self, command, folder=None):
        """What a shell makes of a command that a page shows."""
        done = subprocess.run(
            ['bash', '-c', f'{command} --wait'], capture_output=True,
            text=True, env=base.environment('alice'), cwd=folder)
        self.assertEqual(0, done.returncode, done.stderr)

    def elements(self):
        """Those that are on."""
        return {one['name'] for one in base.service(
            'alice').cluster_elements(self.made.id) if one['status'] == 'on'}

    def test_a_layer_comes_and_goes(self):
        self.tab('layers')
        self.picture(self.page, 'layers')
        self.page.click('[aria-label="Add GROMACS"]')
        expect(self.page.locator('.hpc-changes')).to_contain_text('put on')
        self.picture(self.page, 'plan')
        added = self.agree()
        self.assertIn('gromacs', self.elements())
        self.tab('layers')
        self.page.click('[aria-label="Take off GROMACS"]')
        expect(self.page.locator('.hpc-changes')).to_contain_text('take off')
        removed = self.agree()
        self.assertNotIn('gromacs', self.elements())
        self.shell(added)
        self.assertIn('gromacs', self.elements())
        self.shell(removed)
        self.assertNotIn('gromacs', self.elements())

    def test_a_user_comes_is_kept_out_and_goes(self):
        self.tab('users')
        self.page.fill('#hpc-user', 'ada')
        self.page.fill('#hpc-keys', KEY)
        self.page.click('text=Add …')
        row = self.page.locator('tr:has-text("ada")')
        expect(row).to_contain_text('none')
        expect(row.locator('code')).to_contain_text(f'keys: ["{KEY}"]')
        self.picture(self.page, 'plan-user')
        made = self.agree()
        self.tab('users')
        row = self.page.locator('tr:has-text("ada")')
        expect(row).to_contain_text('on 3 of 3')
        expect(row).to_contain_text('SHA256:')
        self.picture(self.page, 'users')
        self.page.click('text=Let nobody in …')
        self.agree()
        self.tab('users')
        expect(row).to_contain_text('off')
        self.page.click('[aria-label="Take off ada"]')
        self.agree()
        self.assertEqual([], base.service('alice').users(self.made.id))
        self.shell(made.replace(' ada', ' bea'))
        self.assertEqual(['bea'], [one['name'] for one in base.service(
            'alice').users(self.made.id)])

    def test_a_node_gets_another_machine(self):
        self.tab('nodes')
        row = self.page.locator('tr:has-text("compute-1")')
        expect(row).to_contain_text('up')
        self.picture(self.page, 'nodes')
        self.page.click('[aria-label="Replace compute-1"]')
        expect(self.page.locator('.hpc-changes')).to_contain_text(
            'replace node')
        command = self.agree()
        self.assertEqual('openstack hpc node replace '
                         f'{self.made.name} compute-1', command)
        self.tab('nodes')
        expect(row.locator('td[data-label=Machine]')).to_have_text('2')
        self.shell(command)
        self.tab('nodes')
        expect(row.locator('td[data-label=Machine]')).to_have_text('3')

    def test_many_users_at_once(self):
        self.tab('users')
        self.page.click('text=Add many')
        self.page.fill('#hpc-table', 'name;sudo\nada;perhaps\nada;no')
        self.page.click('text=Add them …')
        wrong = self.page.locator('#hpc [role=alert]')
        for words in ("users.csv:2: sudo is 'perhaps'",
                      'users.csv:3: ada is there twice'):
            expect(wrong).to_contain_text(words)
        expect(self.page.locator('#hpc-table')).to_have_value(
            'name;sudo\nada;perhaps\nada;no')
        table = f'name;key;sudo\nada;{KEY};yes\nbea;;no\n'
        self.page.fill('#hpc-table', table)
        self.page.click('text=Add them …')
        expect(self.page.locator('tr:has-text("ada")')).to_contain_text(
            'sudo')
        self.picture(self.page, 'users-table')
        command = self.agree()
        hpc = base.service('alice')
        there = {one['name']: (len(one['keys']), one['sudo'])
                 for one in hpc.users(self.made.id)}
        self.assertEqual({'ada': (1, True), 'bea': (0, False)}, there)
        self.tab('users')
        self.page.click('text=Add many')
        self.page.fill('#hpc-table', table)
        self.page.click('text=Add them …')
        expect(wrong).to_contain_text('ada: there already')
        for name in there:
            hpc.wait(hpc.delete_user(self.made.id, name), timeout=60)
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, 'users.csv').write_text(table)
            self.shell(command, folder)
        self.assertEqual(there, {
            one['name']: (len(one['keys']), one['sudo'])
            for one in hpc.users(self.made.id)})

    def test_a_key_that_is_none(self):
        self.tab('users')
        self.page.fill('#hpc-user', 'ada')
        self.page.fill('#hpc-keys', 'no key')
        self.page.click('text=Add …')
        expect(self.page.locator('#hpc [role=alert]')).to_contain_text('key')
        expect(self.page.locator('#hpc-apply')).to_have_count(0)

    def test_what_the_cloud_offers(self):
        """The cloud's part is played here; the real one is asked in a bed."""
        asked = []

        def offering(route):
            asked.append(route.request.url.rpartition('/')[2])
            route.fulfill(json={'choices': [
                {'value': f'{KEY} & <b>', 'label': 'laptop <b>'}]})
        self.tab('users')
        # There is none in this cloud, which is no trouble.
        with self.page.expect_response('**/choices/keypairs') as answer:
            self.page.focus('#hpc-keys')
        self.assertEqual({'choices': []}, answer.value.json())
        self.page.route('**/choices/*', offering)
        self.tab('users')
        self.page.fill('#hpc-keys', 'one')
        self.page.select_option('.hpc-offers', label='laptop <b>')
        expect(self.page.locator('#hpc-keys')).to_have_value(
            f'one\n{KEY} & <b>')
        self.page.goto('/project/hpc_blueprints/slurm/launch')
        self.page.click('summary:has-text("Advanced") >> nth=0')
        for summary in self.page.locator('summary').all():
            if summary.locator('..').get_attribute('open') is None:
                summary.click()
        for name in ('head_flavor', 'compute_flavor'):
            self.page.focus(f'[name="{name}:line"]')
            expect(self.page.locator(f'[name="{name}:line"]')).to_have_attribute(
                'list', 'hpc-offers-node-types')
        expect(self.page.locator('#hpc-offers-node-types option')
               ).to_have_text(['laptop <b>'])
        self.assertEqual(['keypairs', 'node-types'], asked)

    def test_it_grows_and_goes_back(self):
        self.tab('settings')
        self.assertEqual('2', self.page.input_value(
            '[name="compute_count:number"]'))
        self.page.fill('[name="compute_count:number"]', '4')
        self.page.click('text=See what it would do')
        expect(self.page.locator('.hpc-changes')).to_contain_text('add node')
        command = self.agree()
        self.assertEqual(
            'openstack hpc cluster update --parameter=compute_count=4 '
            f'{self.made.name}', command)
        expect(self.page.locator('[data-node="compute-3"]')).to_have_count(1)
        self.tab('history')
        self.picture(self.page, 'history')
        self.page.click('text=What differs')
        differs = self.page.locator('tr:has-text("compute_count")')
        expect(differs.locator('code')).to_have_text(['2', '4'])
        expect(self.page.locator('.hpc-command code')).to_have_text(
            f'openstack hpc cluster diff {self.made.name} 1 2')
        self.picture(self.page, 'compare')
        self.tab('history')
        self.page.click('button[name=generation][value="1"]')
        expect(self.page.locator('.hpc-changes')).to_contain_text(
            'remove node')
        self.agree()
        expect(self.page.locator('[data-node="compute-3"]')).to_have_count(0)

    def test_a_setting_that_cannot_be(self):
        self.tab('settings')
        self.page.eval_on_selector_all(
            'form', 'all => all.forEach(form => form.noValidate = true)')
        self.page.fill('[name="compute_count:number"]', '9999')
        self.page.click('text=See what it would do')
        expect(self.page.locator(
            '[data-error=compute_count]')).not_to_be_empty()
        self.assertEqual('9999', self.page.input_value(
            '[name="compute_count:number"]'))

    def test_what_people_write_on_it(self):
        self.tab('settings')
        self.page.fill('#hpc-description', 'for "ada" & {$ 1 $}')
        self.page.fill('#hpc-tags', 'owner:ada, q3')
        self.page.fill('#hpc-expires', '3d')
        self.page.check('[name=protected]')
        self.page.click('text=Keep this')
        expect(self.page.locator('#hpc-description')).to_have_value(
            'for "ada" & {$ 1 $}')
        hpc = base.service('alice')
        kept = hpc.get_cluster(self.made.id)
        self.assertEqual((['owner:ada', 'q3'], True),
                         (sorted(kept.tags), kept.protected))
        self.assertIsNotNone(kept.expires_at)
        # Nobody is shown a way to tear it down.
        self.page.goto(f'/project/hpc_clusters/{self.made.id}/')
        expect(self.page.locator('#hpc-head')).to_contain_text('in 2 d')
        expect(self.page.locator('#hpc-delete')).to_have_count(0)
        self.tab('settings')
        self.page.fill('#hpc-expires', 'soon')
        self.page.click('text=Keep this')
        expect(self.page.locator('.alert-danger')).to_contain_text('soon')
        self.tab('settings')
        self.page.fill('#hpc-expires', 'never')
        self.page.uncheck('[name=protected]')
        self.page.click('text=Keep this')
        self.tab('')
        expect(self.page.locator('#hpc-delete')).to_have_count(1)

    def test_launch_another(self):
        hpc = base.service('alice')
        hpc.wait(hpc.change_cluster(
            self.made.id, parameters={'compute_count': 1}), timeout=60)
        self.tab('history')
        self.page.locator('tr:has(th:text-is("2")) >> '
                          'text=Launch another').click()
        self.assertEqual('1', self.page.input_value(
            '[name="compute_count:number"]'))
        self.assertEqual('', self.page.input_value('#f-name'))
        self.page.fill('#f-name', self.name('again'))
        self.page.click('button[value=launch]')
        self.page.wait_for_url('**/hpc_clusters/*/')
        expect(self.page.locator('#hpc-head')).to_contain_text('active')
        expect(self.page.locator('[data-node="compute-0"]')).to_have_count(1)
        expect(self.page.locator('[data-node="compute-1"]')).to_have_count(0)

    def test_a_plan_that_is_stale(self):
        self.tab('settings')
        self.page.fill('[name="compute_count:number"]', '3')
        self.page.click('text=See what it would do')
        hpc = base.service('alice')
        hpc.wait(hpc.change_cluster(
            self.made.id, parameters={'compute_count': 1}), timeout=60)
        self.page.click('#hpc-apply')
        expect(self.page.locator('.alert-danger')).to_be_visible()
        self.assertEqual(1, hpc.get_cluster(
            self.made.id).parameters['compute_count'])
