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

"""From a card to a cluster, through what fails, and down again."""

from playwright.sync_api import expect

from hpcdirect.tests.ui import base


class JourneyTest(base.UiTest):
    """What a member does."""

    journey = True

    def test_launch_watch_and_tear_down(self):
        name = self.name('journey')
        page = self.window('alice')
        page.goto('/project/hpc/')
        page.click('text=Launch a cluster')
        page.click('[aria-label="Launch Slurm cluster"]')
        page.fill('#f-name', name)
        page.fill('[name="compute_count:number"]', '3')
        # What it will do is shown as one types, before anything is done.
        plan = page.locator('#hpc-review .hpc-plan li')
        expect(plan.first).to_contain_text('machines')
        expect(page.locator('#hpc-review')).to_contain_text('4 nodes')
        before = plan.locator('.hpc-plan-title').all_inner_texts()
        command = page.locator('#hpc-review code').text_content()
        self.assertEqual(
            'openstack hpc cluster create --blueprint slurm@1.0.0 '
            f'--parameter=compute_count=3 {name}', command)
        self.picture(page, 'launch')
        page.click('button[value=launch]')
        page.wait_for_url('**/hpc_clusters/*/')
        # The rows that were shown are the rows that move.
        expect(page.locator('.hpc-plan-title')).to_have_text(before)
        expect(page.locator('#hpc-head')).to_contain_text('active')
        expect(page.locator('[data-node="compute-2"]')).to_have_class(
            'hpc-node hpc-up')
        expect(page.locator('#hpc-log')).to_contain_text('verify slurm')
        self.picture(page, 'cluster')
        page.click('#hpc-delete')
        page.fill('#hpc-name', name[:-1])
        page.click('button.hpc-danger')
        expect(page.locator('#hpc-wrong')).to_contain_text('Type the name')
        self.picture(page, 'tear-down')
        page.fill('#hpc-name', name)
        page.click('button.hpc-danger')
        page.wait_for_url('**/hpc_clusters/*/')
        # Its page stays, with what was done.
        expect(page.locator('h1')).to_have_text('A cluster that is gone')
        expect(page.locator('#hpc')).to_contain_text('delete')
        self.picture(page, 'gone')
        reader = self.window('carol')
        reader.goto(page.url)
        expect(reader.locator('h1')).to_have_text('A cluster that is gone')
        self.is_offered_nothing(reader)
        # And brings it back as it was.
        page.click('text=Launch it again')
        self.assertEqual('3', page.input_value(
            '[name="compute_count:number"]'))
        page.fill('#f-name', name)
        page.click('button[value=launch]')
        page.wait_for_url('**/hpc_clusters/*/')
        expect(page.locator('#hpc-head')).to_contain_text('active')

    def test_it_moves_while_one_looks(self):
        made = self.cluster(parameters={'seconds': 3})
        page = self.window('alice')
        page.goto(f'/project/hpc_clusters/{made.id}/')
        # Layers come into the picture while others are still to come.
        page.wait_for_function(
            "() => document.querySelector('[data-status=running]')"
            " && document.querySelector('.hpc-layer')")
        self.assertRegex(page.title(), r'^\(\d+%\)|^t-')
        expect(page.locator('#hpc-head')).to_contain_text('active')
        expect(page.locator('[data-status=running]')).to_have_count(0)
        expect(page.locator('[data-status=succeeded]').first).to_be_visible()
        self.assertTrue(page.title().startswith(made.name))

    def test_what_failed_is_explained_and_tried_again(self):
        made = self.cluster(
            stem='crash', blueprint='slurm',
            parameters={'failing': ['compute-1']})
        page = self.window('alice')
        page.goto(f'/project/hpc_clusters/{made.id}/')
        failed = page.locator('#hpc-head [role=alert]').first
        expect(failed).to_contain_text('munge on compute-1')
        expect(failed).to_contain_text('It was told to fail.')
        self.picture(page, 'failure')
        page.goto('/project/hpc/')
        expect(page.locator('#hpc-needs + div')).to_contain_text(made.name)
        self.picture(page, 'overview')
        page.click(f'#hpc-needs + div a:has-text("{made.name}")')
        base.service('alice').wait(base.service('alice').change_cluster(
            made.id, parameters={'failing': []}))
        page.reload()
        expect(page.locator('#hpc-head')).to_contain_text('active')


class FormTest(base.UiTest):
    """What is wrong stands next to its field, and nothing typed is lost."""

    def test_errors_next_to_their_fields(self):
        page = self.window('alice')
        page.goto('/project/hpc_blueprints/slurm/launch')
        page.fill('#f-name', 'Not A Name')
        page.fill('[name="compute_count:number"]', '9999')
        page.click('[data-rows=users] > [data-add-row]')
        expect(page.locator('[data-rows=users] > .hpc-row')).to_have_count(1)
        page.fill('[name="users.0.name:line"]', 'A B')
        expect(page.locator('[data-error="users.0.name"]')).to_contain_text(
            'does not match')
        expect(page.locator('[data-error=compute_count]')).not_to_be_empty()
        expect(page.locator('[data-error=name]')).not_to_be_empty()
        self.picture(page, 'errors')
        # The browser itself would stop a number that is out of bounds.
        page.eval_on_selector('#hpc-launch', 'form => form.noValidate = true')
        page.click('button[value=launch]')
        self.assertEqual('A B', page.input_value(
            '[name="users.0.name:line"]'))
        self.assertEqual('9999', page.input_value(
            '[name="compute_count:number"]'))
        expect(page.locator('[data-error="users.0.name"]')).to_contain_text(
            'does not match')

    def test_a_name_that_is_taken(self):
        made = self.cluster()
        page = self.window('alice')
        page.goto('/project/hpc_blueprints/single/launch')
        page.fill('#f-name', made.name)
        page.click('button[value=launch]')
        expect(page.locator('[data-error=name]')).to_contain_text(made.name)

    def test_a_double_click_makes_one(self):
        name = self.name('twice')
        page = self.window('alice')
        page.goto('/project/hpc_blueprints/single/launch')
        page.fill('#f-name', name)
        page.dblclick('button[value=launch]')
        page.wait_for_url('**/hpc_clusters/*/')
        expect(page.locator('#hpc-head')).to_contain_text('active')
        self.assertEqual(1, len(list(
            base.service('alice').clusters(name=name))))
