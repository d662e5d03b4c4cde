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

"""What a cluster offers people, with title and kind."""

import pathlib

import fixtures
import testtools

from hpcdirect.db import models
from hpcdirect.tests.functional import served
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import stacked

PAGE = {'name': 'page', 'title': 'Page', 'kind': 'url', 'description': ''}
MEMORY = {'name': 'memory', 'title': 'Memory', 'kind': 'text',
          'description': ''}


class ShownTest(served.ServedTest):

    def told(self):
        found = self.hpc.get_cluster('demo').titled_outputs
        (listed,) = self.hpc.clusters(fields='id,titled_outputs')
        self.assertEqual(found, listed.titled_outputs)
        return found

    def change(self, **values):
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            for name, value in values.items():
                setattr(row, name, value)

    def test_as_far_as_it_is_known(self):
        self.assertEqual([{**MEMORY, 'value': '512 MiB'}], self.told())
        self.change(outputs={'slurm.address': '192.0.2.7'})
        self.assertEqual([{**PAGE, 'value': 'http://192.0.2.7/'},
                          {**MEMORY, 'value': '512 MiB'}], self.told())
        out, _ = self.shown('cluster', 'show', 'demo')
        self.assertIn('Page: http://192.0.2.7/', out)
        self.assertEqual(self.told(), self.read(
            'cluster', 'show', 'demo')['titled_outputs'])
        # A blueprint that is gone takes them along, and nothing else.
        self.change(blueprint_version='9')
        self.assertEqual([], self.told())

    def test_of_a_blueprint(self):
        self.assertEqual([PAGE, MEMORY],
                         self.hpc.get_blueprint('small').outputs)
        out, _ = self.shown('blueprint', 'show', 'small')
        self.assertIn('title Page, ', out)


class CarriedOutTest(testtools.TestCase):
    """On the fake backend, with the fake runner."""

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        stacked.write(folder, 'fake')
        self.service = self.useFixture(service.Service(
            backend='fake', runner='fake', directories=(folder,))).start()

    def told(self):
        cluster = self.service.settled('demo')
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        return {one['name']: one['value']
                for one in cluster['titled_outputs']}

    def patch(self, **body):
        answer = self.service.call('PATCH', '/v1/clusters/demo', body)
        self.assertEqual(202, answer.status, answer.text)

    def test_comes_and_goes_with_its_element(self):
        self.service.create('demo', 'stacked', disk=0)
        before = self.told()
        (head,) = (node for node in self.service.get(
            '/v1/clusters/demo/nodes')['nodes'] if node['name'] == 'head-0')
        self.assertEqual({'queue': f'http://{head["address"]}/',
                          'site': 'here'}, before)
        self.patch(elements={'queue': None})
        self.assertEqual({'site': 'here'}, self.told())
        self.patch(elements={'queue': {}})
        self.assertEqual(before, self.told())
