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

"""A check says what is not as it is wanted; a repair mends just that."""

import os
import pathlib

import fixtures
import testtools

from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import stacked


@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class CheckTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        stacked.write(folder, 'ansible')
        self.service = self.useFixture(service.Service(
            backend='local', directories=(folder,),
            local={'network': '10.221.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()
        self.cluster = self.service.create('demo', 'stacked')
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])

    def asked(self, operation):
        """The cluster and its deployment, when that is over."""
        answer = self.service.call('POST', '/v1/clusters/demo/deployments',
                                   {'operation': operation})
        self.assertEqual(202, answer.status, answer.text)
        cluster = self.service.settled('demo')
        return cluster, self.service.get(
            f'/v1/deployments/{cluster["deployment"]["id"]}')

    def said(self, deployment):
        return {(one['node'], one['element']) for one in
                deployment['failures']}

    def files(self, node):
        """Where what the layers wrote is, as this machine sees it."""
        machine = nodes.Machine(self.service, self.cluster['id'], node)
        return pathlib.Path(f'/proc/{machine.init()}/root/var/lib')

    @soak.in_turn('check')
    def test_drift_is_named_and_mended(self):
        cluster, done = self.asked('check')
        self.assertEqual(('ACTIVE', 'SUCCEEDED'),
                         (cluster['status'], done['status']))
        self.assertEqual({'verify'}, {step['kind'] for step in done['steps']})
        # Two layers of one node, and one of another.
        for node, element in (('worker-0', 'queue'), ('worker-0', 'gauge'),
                              ('head-0', 'ledger')):
            (self.files(node) / f'stack-{element}').unlink()
        cluster, done = self.asked('check')
        drift = {('worker-0', 'queue'), ('worker-0', 'gauge'),
                 ('head-0', 'ledger')}
        self.assertEqual(('ERROR', 'disagrees', 'FAILED', drift), (
            cluster['status'], cluster['error'], done['status'],
            self.said(done)))
        self.assertFalse((self.files('head-0') / 'stack-ledger').exists())
        for failure in done['failures']:
            self.assertEqual('disagrees', failure['code'])
            self.assertIn('No such file', failure['message'])
            self.assertIn('repair', failure['hint'])
        cluster, done = self.asked('repair')
        self.assertEqual(('ACTIVE', None),
                         (cluster['status'], cluster['error']))
        self.assertEqual(drift, {
            (node, step['element']) for step in done['steps']
            if step['kind'] == 'apply' for node in step['nodes']})
        self.a_machine_goes()

    def a_machine_goes(self):
        os.kill(nodes.Machine(self.service, self.cluster['id'],
                              'worker-1').init(), 9)
        cluster, done = self.asked('check')
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn(('worker-1', ''), self.said(done))
        self.assertEqual({'worker-1'},
                         {one['node'] for one in done['failures']})
        cluster, _ = self.asked('repair')
        self.assertEqual('ACTIVE', cluster['status'])
