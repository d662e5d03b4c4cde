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

"""hpcdirect-status upgrade check"""

import os
import pathlib
import re
import subprocess
import sys

import fixtures
import testtools

from hpcdirect.cmd import db_manage
from hpcdirect.tests.functional.service import ROOT
from hpcdirect.tests.functional.service import free_port


class StatusTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.folder / 'users').write_text('me:$2b$04$x:ours:member\n')
        (self.folder / 'users').chmod(0o640)
        self.sections = {
            'DEFAULT': {'state_path': self.folder,
                        'enabled_backends': 'fake',
                        'transport_url': 'fake://'},
            'api': {'auth_strategy': 'basic',
                    'users_file': self.folder / 'users'},
            'blueprints': {'directories': ROOT}}

    def configured(self):
        """The options that name the configuration as it is now."""
        file = self.folder / 'hpcdirect.conf'
        file.write_text(''.join(
            f'[{section}]\n' + ''.join(f'{name} = {value}\n' for name, value
                                       in values.items())
            for section, values in self.sections.items()))
        return '--config-file', str(file)

    def prepare(self):
        """Tables and keys."""
        for word in ('upgrade', 'create-key'):
            self.assertEqual(0, db_manage.main([*self.configured(), word]))

    def check(self, code):
        """What the checks say: name -> result, details."""
        done = subprocess.run(
            [sys.executable, '-c', 'from hpcdirect.cmd import status; '
             'raise SystemExit(status.main())', *self.configured(),
             'upgrade', 'check'], capture_output=True, text=True, cwd=ROOT,
            check=False, env={**os.environ, 'PYTHONPATH': str(ROOT)})
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        text = re.sub(r' *\|\n\|   ', ' ', done.stdout)
        return {name: (result, details) for name, result, details
                in re.findall(r'Check: (.*?) *\|\n\| Result: (\w+) *\|\n'
                              r'\| Details: (.*?) *\|\n', text)}

    def test_before_anything_is_there(self):
        found = self.check(2)
        for name, word in (('Tables', 'hpcdirect-db-manage upgrade'),
                           ('Key file', 'create-key')):
            self.assertEqual('Failure', found[name][0])
            self.assertIn(word, found[name][1])

    def test_all_is_well(self):
        self.prepare()
        found = self.check(0)
        self.assertEqual((8, {'Success'}), (
            len(found), {result for result, _ in found.values()}))

    def test_all_is_wrong(self):
        self.prepare()
        (self.folder / 'keys').chmod(0o644)
        (self.folder / 'policy.yaml').write_text(
            '"hpcdirect:clusters:craete": "@"\n')
        port = free_port()
        self.sections['DEFAULT'].update(
            enabled_backends='fake,nosuch',
            transport_url=f'rabbit://127.0.0.1:{port}')
        self.sections['api']['auth_strategy'] = 'keystone'
        self.sections['oslo_policy'] = {
            'policy_file': self.folder / 'policy.yaml'}
        nobody = {'auth_type': 'password', 'username': 'x', 'password': 'x',
                  'auth_url': f'http://127.0.0.1:{port}/v3'}
        self.sections['service_auth'] = nobody
        self.sections['keystone_authtoken'] = nobody
        found = self.check(2)
        self.assertEqual(
            {'Tables': 'Success', 'Key file': 'Warning',
             'Plugins': 'Failure', 'Policy file': 'Warning',
             'Callers': 'Failure', 'Service user': 'Failure',
             'Catalogue': 'Failure', 'Messages': 'Warning'},
            {name: result for name, (result, _) in found.items()})
        for name, word in (('Key file', '0600'), ('Plugins', 'nosuch'),
                           ('Policy file', 'clusters:craete'),
                           ('Callers', 'www_authenticate_uri'),
                           ('Messages', str(port))):
            self.assertIn(word, found[name][1])
