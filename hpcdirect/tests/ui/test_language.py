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

"""The portal in another language than English."""

import os
import pathlib
import subprocess

from playwright.sync_api import expect

from hpcdirect.tests.ui import base

ROOT = pathlib.Path(__file__).resolve().parents[3]


class LanguageTest(base.UiTest):
    """German, which shows that every word can be another."""

    def test_catalogues_are_complete_and_of_now(self):
        done = subprocess.run(
            [os.environ['HPCDIRECT_UI_PYTHON'], ROOT / 'tools/messages.py',
             '--check'], capture_output=True, text=True)
        self.assertEqual((0, ''), (done.returncode, done.stderr), done.stdout)

    def test_pages_in_german(self):
        made = base.service('alice').wait(self.cluster(), timeout=60)
        page = self.window('alice', width=390, locale='de-DE')
        heads = {
            'overview': 'Cluster auf einen Blick', 'blueprints': 'Vorlagen',
            'launch': 'Starten: Slurm cluster', 'layers': 'Was passt',
            'users': 'Einen Benutzer hinzufügen', 'settings': 'Über ihn',
            'delete': 'Abbauen', 'cluster': 'aktiv'}
        for name, path in self.paths(made).items():
            page.goto(path)
            expect(page.locator('#content_body')).to_contain_text(
                heads.get(name, ''))
            self.assertEqual((name, 390), (name, page.evaluate(
                'document.documentElement.scrollWidth')))
            self.picture(page, f'german-{name}')

    def test_a_change_in_german(self):
        name = self.name()
        page = self.window('alice', locale='de-DE')
        page.goto('/project/hpc_blueprints/single/launch')
        page.fill('#f-name', name)
        page.click('button[value=launch]')
        page.wait_for_url('**/hpc_clusters/*/')
        expect(page.locator('#hpc-head')).to_contain_text('aktiv')
        expect(page.locator('#hpc-steps')).to_contain_text('aufbringen')
        expect(page.locator('#hpc-machines')).to_contain_text(
            '1 von 1 bereit')
