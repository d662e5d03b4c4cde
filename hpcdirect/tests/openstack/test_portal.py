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

"""The portal in a browser, on clusters that are real.

Whatever a page shows is looked for on the machines as well.
"""

import os
import pathlib
import re
import shutil
import subprocess
import urllib.request

import fixtures
from playwright.sync_api import expect

from hpcdirect.tests.openstack import cloud
from hpcdirect.tests.ui import base

#: Picture -> what the user guide calls it; HPCDIRECT_GUIDE_PICTURES is the
#: folder that they go to.
GUIDE = {'bed-launch': 'launch', 'bed-building': 'cluster',
         'bed-layers': 'layers', 'bed-monitoring': 'monitoring',
         'bed-failure': 'failure', 'bed-tear-down': 'tear-down'}


class PortalTest(cloud.CloudCase, base.UiTest):
    """What a member does, from a card to a cluster that comes again."""

    journey = True

    def setUp(self):
        super().setUp()
        self.key = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'ada'
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '',
                        '-C', 'ada@laptop', '-f', self.key], check=True)
        self.page = self.window('alice')

    def test_from_a_card_to_a_cluster_that_comes_again(self):
        self.launch('journey')
        self.a_user_with_a_key()
        self.real_numbers()
        self.a_page_from_elsewhere()
        self.a_layer_that_fails_at_first()
        self.the_layer_goes()
        self.it_grows()
        self.reads_all_and_is_offered_nothing('carol', self.made)
        self.tear_down()
        self.launch_again()

    def picture(self, page, name):
        super().picture(page, name)
        folder = os.environ.get('HPCDIRECT_GUIDE_PICTURES')
        if folder and name in GUIDE:
            shutil.copy(base.PICTURES / f'{name}.png',
                        pathlib.Path(folder, f'{GUIDE[name]}.png'))

    # -- sections ---------------------------------------------------------

    def launch(self, name):
        page = self.page
        self.addCleanup(self.remove, name)
        page.goto('/project/hpc/')
        page.click('text=Launch a cluster')
        for label in ('Slurm cluster', 'Single node'):
            expect(page.locator(f'[aria-label="Launch {label}"]')
                   ).to_be_visible()
        self.picture(page, 'bed-blueprints')
        page.click('[aria-label="Launch Slurm cluster"]')
        page.fill('#f-name', name)
        page.select_option('#f-backend', 'heat')
        page.fill('[name="compute_count:number"]', '3')
        page.check('[name="prometheus:flag"][type=checkbox]')
        # What the cloud itself says of it.
        review = page.locator('#hpc-review')
        free = len(self.metal(provision_state='available'))
        expect(review).to_contain_text(f'localmetal: 4 nodes, {free} free')
        rows = review.locator('.hpc-plan-title').all_inner_texts()
        self.assertIn('prometheus', rows)
        self.picture(page, 'bed-launch')
        page.click('button[value=launch]')
        page.wait_for_url('**/hpc_clusters/*/')
        self.made = self.api.get_cluster(name)
        self.watch(rows)

    def watch(self, rows):
        """The rows that were shown move while machines come."""
        page, titles = self.page, self.page.locator('.hpc-plan-title')
        patience = {'timeout': self.patience * 1000}
        expect(titles).to_have_text(rows, **patience)
        expect(page.locator('[data-status=running]').first).to_be_visible(
            **patience)
        expect(page.locator('[data-node="compute-2"]')).to_have_class(
            'hpc-node hpc-up', **patience)
        expect(page.locator('#hpc-head')).to_contain_text('being made')
        expect(page.locator('.hpc-layer.hpc-verified').first).to_be_visible(
            **patience)
        # And others are still to come.
        self.picture(page, 'bed-building')
        self.assertRegex(page.title(), r'^\(\d+%\) ')
        self.comes_to('active')
        expect(titles).to_have_text(rows)
        self.assertEqual({'SUCCEEDED'}, {
            one['status'] for one in self.api.get_progress(
                self.api.get_cluster(self.made.id).deployment['id'])['steps']})
        # Each machine that is drawn is one of the cloud's, with its layers.
        drawn = page.locator('.hpc-node.hpc-up')
        self.assertEqual(sorted(self.nodes(self.made.name)), sorted(
            one.get_attribute('data-node') for one in drawn.all()))
        self.assertEqual(4, len(self.metal(provision_state='active')))
        self.picture(page, 'bed-active')

    def a_user_with_a_key(self):
        page = self.page
        self.tab('users')
        page.fill('#hpc-user', 'ada')
        # A key pair of her own, which only Nova knows.
        alice = base.environment('alice')
        subprocess.run(['openstack', 'keypair', 'create', '--public-key',
                        self.key.with_suffix('.pub'), 'laptop'],
                       check=True, env=alice, stdout=subprocess.DEVNULL)
        self.addCleanup(subprocess.run, [
            'openstack', 'keypair', 'delete', 'laptop'], env=alice)
        page.focus('#hpc-keys')
        page.select_option('.hpc-offers', label='laptop')
        page.click('text=Add …')
        self.picture(page, 'bed-user-plan')
        self.agree()
        self.tab('users')
        row = page.locator('tr:has-text("ada")')
        expect(row).to_contain_text('on 4 of 4')
        told = subprocess.run(
            ['ssh-keygen', '-l', '-f', self.key.with_suffix('.pub')],
            check=True, capture_output=True, text=True).stdout.split()[1]
        expect(row).to_contain_text(told)
        self.picture(page, 'bed-users')
        self.tab('')
        # As the page says, and then to work.
        command = page.locator('#hpc-login').text_content()
        self.assertEqual('ada', self.shell(command, 'id', '-un'))
        self.assertEqual(self.idle(3), self.sinfo())
        self.assertEqual(
            'compute-0\ncompute-1\ncompute-2',
            self.shell(command, 'srun --mpi=none --nodes=3 hostname | sort'))

    def real_numbers(self):
        """The charts say what the machines say."""
        page = self.page
        job = self.ssh(
            self.made.name, 'sbatch --parsable --exclusive --nodes=2 '
            '--wrap "sleep 600"').strip()
        self.tab('monitoring')
        expect(page.locator('[data-metric=memory] details tr')).to_have_count(
            4, timeout=self.patience * 1000)
        for name in ('memory', 'load', 'filesystem', 'network_received'):
            for row in page.locator(f'[data-metric={name}] details tr').all():
                self.assertRegex(row.locator('td').text_content(), r'^\d',
                                 name)
        self.assertEqual(
            sorted(self.nodes(self.made.name)), sorted(page.locator(
                '[data-metric=memory] details tr th').all_text_contents()))
        total, free = (int(line.split()[1]) for line in self.ssh(
            self.made.name, 'grep -E "^Mem(Total|Available)" /proc/meminfo'
        ).splitlines())
        shown = page.locator(
            '[data-metric=memory] details td').first.text_content()
        self.assertAlmostEqual(100 * (1 - free / total),
                               float(shown.split()[0]), delta=15)
        # Two nodes work, once Prometheus has looked again.
        busy = page.locator('[data-metric=slurm_nodes] details tr').filter(
            has_text=re.compile('^alloc'))
        expect(busy.locator('td')).to_have_text(
            '2', timeout=self.patience * 1000)
        expect(page.locator('#hpc-age')).to_contain_text('as of')
        for name in ('cpu', 'slurm_jobs'):
            expect(page.locator(f'[data-metric={name}] canvas')
                   ).to_be_visible()
        expect(page.locator('#hpc-done')).to_contain_text('create')
        self.picture(page, 'bed-monitoring')
        self.ssh(self.made.name, f'scancel {job}')

    def a_page_from_elsewhere(self):
        """What only the cluster's own network leads to, by a tunnel."""
        self.tab('')
        command = self.page.locator('#hpc-open-prometheus').text_content()
        opening = subprocess.Popen(
            ['bash', '-c', f'exec {command} --no-browser --user ada '
             f'--identity {self.key}'], stdout=subprocess.PIPE, text=True,
            env=base.environment('alice'))
        self.addCleanup(opening.wait)
        self.addCleanup(opening.kill)
        self.addCleanup(opening.stdout.close)
        here = opening.stdout.readline().strip()
        with urllib.request.urlopen(f'{here}-/ready', timeout=60) as answer:
            self.assertIn(b'Prometheus', answer.read())
        opening.terminate()
        self.assertEqual(0, opening.wait(60))

    def a_layer_that_fails_at_first(self):
        page = self.page
        cloud.bed('stop', 'mirror')
        self.addCleanup(cloud.bed, 'start', 'mirror')
        self.tab('layers')
        self.picture(page, 'bed-layers')
        page.click('[aria-label="Add Open Babel"]')
        expect(page.locator('.hpc-changes')).to_contain_text('put on')
        self.picture(page, 'bed-layer-plan')
        self.agree('error')
        cause = page.locator('#hpc-head [role=alert]').first
        expect(cause).to_contain_text('openbabel on ')
        cause.locator('summary').click()
        self.picture(page, 'bed-failure')
        # Those who work on it go on working.
        self.assertEqual(self.idle(3), self.sinfo())
        cloud.bed('start', 'mirror')
        page.click('#hpc-retry')
        self.comes_to('active')
        self.picture(page, 'bed-tried-again')
        self.assertEqual(['Open Babel'] * 3, re.findall(
            'Open Babel', self.ssh(self.made.name, 'srun --mpi=none '
                                   '--nodes=3 obabel -V')))

    def the_layer_goes(self):
        self.tab('layers')
        self.page.click('[aria-label="Take off Open Babel"]')
        expect(self.page.locator('.hpc-changes')).to_contain_text('take off')
        self.agree()
        self.assertEqual('0\n', self.ssh(
            self.made.name, 'srun --mpi=none --nodes=3 sh -c '
            '"command -v obabel || :" | wc -l'))

    def it_grows(self):
        page, before = self.page, self.nodes(self.made.name)
        self.tab('settings')
        page.fill('[name="compute_count:number"]', '4')
        page.click('text=See what it would do')
        expect(page.locator('.hpc-changes')).to_contain_text('add node')
        self.picture(page, 'bed-scale-plan')
        self.agree()
        expect(page.locator('[data-node="compute-3"]')).to_have_class(
            'hpc-node hpc-up')
        self.picture(page, 'bed-scaled')
        self.assertEqual(self.idle(4), self.sinfo())
        after = self.nodes(self.made.name)
        self.assertEqual({name: node.ref for name, node in before.items()},
                         {name: after[name].ref for name in before})
        # The newcomer knows those who were there.
        self.assertEqual('ada\n', self.ssh(
            self.made.name, 'srun --mpi=none --nodelist=compute-3 id -un'))

    def tear_down(self):
        page, name = self.page, self.made.name
        self.tab('')
        page.click('#hpc-delete')
        page.fill('#hpc-name', name[:-1])
        page.click('button.hpc-danger')
        expect(page.locator('#hpc-wrong')).to_contain_text('Type the name')
        self.assertNotEqual(
            'DELETING', self.api.get_cluster(name).status)
        self.picture(page, 'bed-tear-down')
        page.fill('#hpc-name', name)
        page.click('button.hpc-danger')
        expect(page.locator('h1')).to_have_text(
            'A cluster that is gone', timeout=self.patience * 1000)
        self.picture(page, 'bed-gone')
        self.assertIsNone(self.found(name))
        self.assert_nothing_left(self.made.id)
        reader = self.window('carol')
        reader.goto(page.url)
        expect(reader.locator('h1')).to_have_text('A cluster that is gone')
        self.is_offered_nothing(reader)

    def launch_again(self):
        """From the page of the one that is gone."""
        page, old = self.page, self.made
        page.click('text=Launch it again')
        self.assertEqual('4', page.input_value(
            '[name="compute_count:number"]'))
        expect(page.locator('[name="prometheus:flag"][type=checkbox]')
               ).to_be_checked()
        page.fill('#f-name', old.name)
        page.select_option('#f-backend', 'heat')
        page.click('button[value=launch]')
        page.wait_for_url('**/hpc_clusters/*/')
        self.made = self.api.get_cluster(old.name)
        self.assertNotEqual(old.id, self.made.id)
        self.comes_to('active')
        self.picture(page, 'bed-again')
        self.assertEqual(5, len(self.metal(provision_state='active')))

    # -- what is asked of the machines ------------------------------------

    def shell(self, login, *command):
        """What a command says, in a shell of ada's that is opened so."""
        options = ['-o', 'StrictHostKeyChecking=no', '-o',
                   'UserKnownHostsFile=/dev/null', '-i', str(self.key),
                   '-l', 'ada']
        first, *rest = login.split()
        self.assertEqual('ssh', first)
        done = subprocess.run([first, *options, *rest, *command],
                              capture_output=True, text=True, timeout=180)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout.strip()

    def sinfo(self):
        return dict(line.split() for line in self.ssh(
            self.made.name, 'sinfo -h -N -o "%N %T"').splitlines())

    def idle(self, count):
        return {f'compute-{number}': 'idle' for number in range(count)}
