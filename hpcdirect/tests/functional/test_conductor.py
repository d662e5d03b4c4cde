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

"""What a conductor refuses, waits for and gives up on; machines are fake."""

import contextlib
import json
import pathlib
import sqlite3

import testtools

from hpcdirect.tests.functional import service

TINY = pathlib.Path(__file__).with_name('tiny')


class ConductorTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='fake', runner='ansible,fake', directories=(TINY,),
            conductor={'provision_timeout': 2}))

    def committed(self, **parameters):
        """A cluster that the API has written and no conductor has seen."""
        self.service.start(HPCDIRECT_FAILPOINT='before-nudge')
        with contextlib.suppress(OSError):
            self.service.create('demo', 'tiny', **parameters)
        self.service.died()

    def edit(self, statement, *values):
        with sqlite3.connect(self.service.folder / 'db.sqlite') as database:
            database.execute(statement, values)
        database.close()

    def machines(self):
        with contextlib.suppress(FileNotFoundError):
            return json.loads((self.service.folder / 'fake.json').read_text())
        return {}

    def assertRefused(self, words):
        self.service.start()
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn(words, cluster['status_reason'])
        self.assertEqual('refused', cluster['failures'][0]['code'])
        self.assertEqual({}, self.machines())

    def test_a_row_with_other_roles_is_refused(self):
        self.committed()
        self.edit('UPDATE deployments SET roles = ?', '["admin"]')
        self.assertRefused('not signed')

    def test_another_wish_than_was_signed_is_refused(self):
        self.committed(count=1)
        with sqlite3.connect(self.service.folder / 'db.sqlite') as database:
            (text,), = database.execute('SELECT desired FROM clusters')
        database.close()
        desired = json.loads(text)
        desired['groups']['node'].append({'name': 'node-7', 'incarnation': 1})
        self.edit('UPDATE clusters SET desired = ?', json.dumps(desired))
        self.assertRefused('not what was signed')

    def test_roles_that_may_no_longer_are_refused(self):
        self.committed()
        policy = self.service.folder / 'policy.yaml'
        policy.write_text('"hpcdirect:clusters:create": "role:nobody"\n')
        configuration = self.service.folder / 'hpcdirect.conf'
        configuration.write_text(
            configuration.read_text()
            + f'[oslo_policy]\npolicy_file = {policy}\n')
        self.assertRefused('Policy does not allow')

    def test_a_machine_that_fails_is_named(self):
        self.service.start()
        self.service.create('demo', 'tiny', fail=True)
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertEqual(
            {('node-0', 'node_failed', 'It was told to fail.'),
             ('node-1', 'node_failed', 'It was told to fail.')},
            {(one['node'], one['code'], one['message'])
             for one in cluster['failures']})
        self.service.call('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
        self.assertEqual({}, self.machines())

    def test_a_machine_that_never_comes_is_given_up(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1, delay=600)
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertEqual('node-0', cluster['failures'][0]['node'])
        self.assertIn('provision, node-0: The machine was not up within 2 s',
                      cluster['status_reason'])
