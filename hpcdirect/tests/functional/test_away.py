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

"""A cloud that takes connections and is silent holds up nobody else."""

import pathlib
import sqlite3
import time

import fixtures
import testtools

from hpcdirect.tests.functional import service
from hpcdirect.tests.unit import test_keystone
from hpcdirect.tests.unit.backends import test_away

_BARE = """\
name: bare
version: 1.0.0
label: A machine
description: One machine, and nothing on it.
parameters: {type: object, additionalProperties: false}
node_groups: {node: {count: 1}}
login: node
infrastructure: {fake: {groups: {node: {}}}}
elements: []
"""


class AwayTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.heat = test_away.Heat()
        self.addCleanup(self.heat.close)
        cloud = self.useFixture(test_away.Cloud(''))
        cloud.roles['ours'] = ['member']
        cloud.services = {'orchestration': self.heat.url}
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'blueprints/bare').mkdir(parents=True)
        (folder / 'blueprints/bare/blueprint.yaml').write_text(_BARE)
        self.service = self.useFixture(service.Service(
            backend='fake,heat', runner='fake',
            directories=(folder, service.ROOT),
            conductor={'workers': 2, 'watch_interval': 1},
            service_auth={
                'timeout': 2, 'deadline': 4, 'auth_type': 'password',
                'auth_url': cloud.url, 'username': 'hpcdirect',
                'password': test_keystone.PASSWORD, 'project_name': 'home',
                'user_domain_id': 'default',
                'project_domain_id': 'default'}))

    def created(self, name):
        self.service.create(name, 'bare')
        cluster = self.service.settled(name)
        self.assertEqual('ACTIVE', cluster['status'], cluster)

    def moved(self, *names):
        """Let clusters that rest be looked for in Heat."""
        with sqlite3.connect(self.service.folder / 'db.sqlite',
                             timeout=30) as database:
            for name in names:
                database.execute(
                    "UPDATE clusters SET backend = 'heat', "
                    "backend_ref = 'ours/x' WHERE name = ?", (name,))
        database.close()

    def test_other_clusters_go_on(self):
        self.service.start()
        for name in ('one', 'two', 'three'):
            self.created(name)
        self.moved('one', 'two', 'three')
        while self.heat.asked < 2:
            self.assertIsNone(self.service.process.poll())
            time.sleep(0.05)
        # Both workers wait for Heat just now.
        self.created('other')
        answer = self.service.call('POST', '/v1/clusters', {
            'name': 'late', 'blueprint': 'single', 'backend': 'heat'})
        self.assertEqual(503, answer.status, answer.text)
        self.assertIn('Heat', answer.text)
        self.created('after')
