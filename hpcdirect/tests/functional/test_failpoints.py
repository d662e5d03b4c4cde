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

"""Killed at any named point, the service goes on by itself.

Real machines, real Ansible, real kill -9. What happened is read off the
machines, not off our own records: each task of the element notes on its
machine when it begins and when it ends.
"""

import contextlib
import os
import pathlib
import random
import time

import testtools

from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak

TINY = pathlib.Path(__file__).with_name('tiny')

#: How many of all places are tried in the long run.
SAMPLE = int(os.environ.get('HPCDIRECT_SAMPLE', '20'))
#: In the order a deployment comes by them.
CREATE = ('rpc.cast/before', 'backend.ensure/after', 'booting', 'in-batch',
          'db.run_writer.RunWriter.ended/before',
          'db.deployment_writer.DeploymentWriter.finish/before')
DELETE = ('rpc.cast/before', 'backend.delete/after',
          'db.deployment_writer.DeploymentWriter.finish/before')


@soak.in_turn('failpoints')
@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class FailpointsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='local', directories=(TINY,),
            local={'network': '10.216.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))

    def restarted(self, name):
        """Start with a failpoint, hand over, wait for its death, restart."""
        once = self.service.folder / f'once-{name.replace("/", "-")}'
        self.service.start(HPCDIRECT_FAILPOINT=name,
                           HPCDIRECT_FAILPOINT_ONCE=str(once))

    def test_create(self):
        for name in CREATE:
            with self.subTest(name):
                self._create(name)

    def _create(self, name):
        self.restarted(name)
        # It may die before it can answer.
        with contextlib.suppress(OSError):
            self.service.create('demo', 'tiny')
        self.service.died()
        self.service.start()
        self.made()
        self.service.stop()

    def made(self):
        """The cluster stands as it should; then it is deleted."""
        cluster = self.service.settled('demo')
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        self.assertEqual(2, cluster['node_groups'][0]['ready'])
        for node in self.service.get('/v1/clusters/demo/nodes')['nodes']:
            machine = nodes.Machine(self.service, cluster['id'],
                                    node['name'])
            self.assertEqual('hello', machine.read('/etc/mark').strip())
            self.assertOneAtATime(machine.read('/var/lib/marks'))
        self.assertEqual(202, self.service.call(
            'DELETE', '/v1/clusters/demo').status)
        self.assertIsNone(self.service.settled('demo'))
        self.assertEqual([], nodes.left(self.service))

    @soak.only
    def test_some_of_all_places(self):
        log = self.service.folder / 'places'
        self.service.start(HPCDIRECT_FAILPOINT_LOG=str(log))
        self.service.create('demo', 'tiny')
        self.service.settled('demo')
        places = sorted({*log.read_text().split()})
        self.made()
        self.service.stop()
        seed = int(os.environ.get('HPCDIRECT_SEED', time.time()))
        print(f'\nHPCDIRECT_SEED={seed}, {len(places)} places')
        dice = random.Random(seed)  # noqa: S311
        for place in dice.sample(places, SAMPLE):
            action = dice.choice(('kill', 'error'))
            print(place, action, flush=True)
            self._one_of_all(place, action)

    def _one_of_all(self, place, action):
        once = self.service.folder / f'once-{place.replace("/", "-")}'
        # Some of them are passed by before anybody can ask for anything.
        with contextlib.suppress(AssertionError):
            self.service.start(HPCDIRECT_FAILPOINT=f'{place} {action}',
                               HPCDIRECT_FAILPOINT_ONCE=str(once))
        asked = {'Idempotency-Key': place}
        body = {'name': 'demo', 'blueprint': 'tiny'}
        with contextlib.suppress(OSError):
            self.service.call('POST', '/v1/clusters', body, **asked)
        with contextlib.suppress(OSError, AssertionError):
            self.service.settled('demo', 60)
        if self.service.process.poll() is not None:
            self.service.start()
        self.assertEqual(202, self.service.call(
            'POST', '/v1/clusters', body, **asked).status)
        if self.service.settled('demo')['status'] == 'ERROR':
            self.assertEqual(('error', True), (action, once.exists()))
            self.service.call('POST', '/v1/clusters/demo/deployments',
                              {'operation': 'retry'})
            self.service.settled('demo')
        self.service.stop()
        self.service.start()
        self.made()
        self.service.stop()

    def test_delete(self):
        for name in DELETE:
            with self.subTest(name):
                self._delete(name)

    def _delete(self, name):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        self.service.stop()
        self.restarted(name)
        with contextlib.suppress(OSError):
            self.service.call('DELETE', '/v1/clusters/demo')
        self.service.died()
        self.service.start()
        self.assertIsNone(self.service.settled('demo'))
        self.assertEqual([], nodes.left(self.service))
        self.service.stop()

    def assertOneAtATime(self, marks):
        """No task ended that another one began in the middle of."""
        self.assertIn('end', marks)
        at_work = None
        for line in marks.splitlines():
            what, pid, _ = line.split()
            if what == 'begin':
                at_work = pid
            else:
                self.assertEqual(at_work, pid, marks)
                at_work = None


@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class FaultsTest(testtools.TestCase):
    """Things that break, and what the owner is told."""

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='local', directories=(TINY,),
            local={'network': '10.217.0.0/16'},
            ansible={'connect_timeout': 3, 'alive_interval': 1}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()

    def test_an_element_that_fails_on_one_node(self):
        self.service.create('demo', 'tiny', broken='node-1')
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn('apply mark, node-1, Break where it is told to',
                      cluster['status_reason'])
        failure, = cluster['failures']
        self.assertEqual(
            ('mark', 'node-1', 'It was told to break here.'),
            (failure['element'], failure['node'], failure['message']))
        run = self.service.get(f'/v1/runs/{failure["run_id"]}')
        self.assertEqual('node-1', run['cause']['node'])
        log = self.service.get(f'/v1/runs/{run["id"]}/log')['text']
        self.assertIn('It was told to break here.', log)
        # Mended, it goes on from what is missing.
        before = self.service.events(cluster['id'])[-1]['id']
        self.service.call('PATCH', '/v1/clusters/demo',
                          {'parameters': {'broken': ''}})
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        applied = {event['node'] for event
                   in self.service.events(cluster['id'])
                   if event['id'] > before and event['kind'] == 'task'}
        self.assertEqual({'node-0', 'node-1'}, applied)

    def test_ssh_that_hangs(self):
        self.service.create('demo', 'tiny')
        cluster = self.service.settled('demo')
        machine = nodes.Machine(self.service, cluster['id'], 'node-1')
        machine.freeze()
        self.service.call('PATCH', '/v1/clusters/demo',
                          {'parameters': {'word': 'again'}})
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertEqual(['node-1'],
                         [one['node'] for one in cluster['failures']])
        machine.thaw()
        before = self.service.events(cluster['id'])[-1]['id']
        self.service.call('POST', '/v1/clusters/demo/deployments',
                          {'operation': 'retry'})
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        self.assertEqual('again', machine.read('/etc/mark').strip())
        applied = {event['node'] for event
                   in self.service.events(cluster['id'])
                   if event['id'] > before and event['verb'] == 'apply'
                   and event['kind'] == 'task'}
        self.assertEqual({'node-1'}, applied)

    def test_deleted_while_it_is_made(self):
        self.service.create('demo', 'tiny')
        self.service.call('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
        self.assertEqual([], nodes.left(self.service))
