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

"""What is under way is ended, and gone on with later."""

import pathlib
import threading
import time

import fixtures
import testtools

from hpcdirect.conductor.reconciler import Parts
from hpcdirect.conductor.service import Conductor
from hpcdirect.conductor.works import Works
from hpcdirect.runners.fake import FakeRunner
from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import flood
from hpcdirect.tests.functional import service

PATH = '/v1/clusters/demo/deployments'


class CancelTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        flood.write(folder)
        self.service = self.useFixture(service.Service(
            runner='fake', directories=(folder,))).start()

    def ask(self, operation, status=202):
        answer = self.service.call('POST', PATH, {'operation': operation})
        self.assertEqual(status, answer.status, answer.text)
        return answer.json

    def told(self, ident, kind):
        """Wait for the first event of a kind."""
        marker = 0
        for _ in range(60):
            for event in self.service.get(
                    f'/v1/events?cluster={ident}&marker={marker}&wait=2'
                    )['events']:
                marker = event['id']
                if event['kind'] == kind:
                    return event
        raise AssertionError(f'no {kind}')

    def test_between_two_tasks(self):
        ident = self.service.create(
            'demo', 'flood', events={'rate': 10, 'count': 3000})['id']
        run = self.told(ident, 'task')['run_id']
        deployment = self.ask('cancel')
        cluster = self.service.settled('demo', seconds=200)
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn('Cancelled', cluster['status_reason'])
        self.assertEqual('cancelled', cluster['error'])
        self.assertEqual('SUCCEEDED', self.service.get(
            f'/v1/deployments/{deployment["id"]}')['status'])
        self.assertEqual({'create': 'SUPERSEDED', 'cancel': 'SUCCEEDED'}, {
            row['operation']: row['status'] for row
            in self.service.get(PATH)['deployments']})
        # Nothing goes on, and nothing is said to.
        self.assertNotEqual('RUNNING', self.service.get(
            f'/v1/runs/{run}')['status'])
        self.assertEqual(['dirty'], [row['state'] for row in self.service.get(
            '/v1/clusters/demo/layers')['layers']])
        self.assertLess(len(self.service.events(ident, run=run)), 2000)
        self.ask('cancel', 409)
        # The rest of it: another wish, carried out from there.
        answer = self.service.call('PATCH', '/v1/clusters/demo', {
            'parameters': {'events': {'rate': 10, 'count': 2}}})
        self.assertEqual(202, answer.status, answer.text)
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        self.ask('retry')
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        self.service.call('DELETE', '/v1/clusters/demo')
        self.service.settled('demo')


class _Heedless(FakeRunner):
    """Asks whether it is to stop only when the conductor knows why."""

    def __init__(self, conf, begun, looked):
        super().__init__(conf)
        self._begun = begun
        self._looked = looked
        self.heard = None

    def carry_out(self, batch, listener, stopped):
        if self.heard is not None:
            super().carry_out(batch, listener, stopped)
            return
        self._begun.set()
        self._looked.wait(30)
        limit = time.monotonic() + 10
        while not stopped() and time.monotonic() < limit:
            time.sleep(0.05)
        self.heard = stopped()
        super().carry_out(batch, listener, stopped)


class SupersededTest(testtools.TestCase):
    """The conductor learns what is newer before the runner asks for it."""

    def test_a_run_ends_all_the_same(self):
        begun, looked = threading.Event(), threading.Event()
        served = self.useFixture(api.Api())
        runner = _Heedless(served.conf, begun, looked)
        services = served.services
        conductor = Conductor(Parts(
            conf=services.conf, database=services.database,
            keys=services.keys, policy=services.policy,
            load=services.catalogue.blueprint,
            element_of=services.catalogue.element,
            backends=services.backends, runners={'ansible': runner}))
        end = Works.end

        def ending(works):
            end(works)
            looked.set()

        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.conductor.works.Works.end', ending))
        conductor.start()
        self.addCleanup(conductor.stop)
        ident = served.create()['id']
        conductor.advance(ident)
        self.assertTrue(begun.wait(30))
        self.assertEqual(202, served.call(
            'DELETE', f'/v1/clusters/{ident}').status)
        conductor.advance(ident)
        self.assertTrue(looked.wait(30))
        for _ in range(600):
            if served.call('GET', f'/v1/clusters/{ident}').status == 404:
                break
            time.sleep(0.05)
        else:
            self.fail('it is still there')
        self.assertTrue(runner.heard)
