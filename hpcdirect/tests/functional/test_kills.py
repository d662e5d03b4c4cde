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

"""Changes of a live cluster: something is killed in the middle of fifty."""

import collections
import contextlib
import os
import pathlib
import random
import signal
import threading
import time

import fixtures
import testtools
from testtools import content

from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import stacked

CHANGES = int(os.environ.get('HPCDIRECT_KILLS', '50'))
#: So many changes that nobody disturbs say how long one takes.
UNDISTURBED = 5
RUNNERS = (b'hpcdirect.runners.ansible.worker', b'ansible-playbook')


def descendants(pid):
    """Every process that a process has started, and theirs."""
    children = collections.defaultdict(list)
    for folder in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            stat = (folder / 'stat').read_text()
        except OSError:
            continue
        children[int(stat.rpartition(')')[2].split()[1])].append(
            int(folder.name))
    found = []
    waiting = [pid]
    while waiting:
        waiting += children[(one := waiting.pop())]
        found.append(one)
    return found[1:]


@soak.only
@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class KillsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        stacked.write(folder, 'ansible')
        self.service = self.useFixture(service.Service(
            backend='local', directories=(folder,),
            local={'network': '10.222.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()
        self.cluster = self.service.create('demo', 'stacked')
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        seed = int(os.environ.get('HPCDIRECT_SEED', time.time()))
        print(f'\nHPCDIRECT_SEED={seed}')
        self.dice = random.Random(seed)  # noqa: S311
        self.killed = collections.Counter()
        self.pause = threading.Event()

    def test_all_end_right(self):
        begun = time.monotonic()
        for _ in range(UNDISTURBED):
            self.asked_for()
            self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        self.usual = (time.monotonic() - begun) / UNDISTURBED
        for number in range(4 * CHANGES):
            if self.hits() >= CHANGES:
                break
            body = self.asked_for()
            # By turns, or chance would kill one of them hardly ever.
            self.kill(('service', 'ansible')[number % 2])
            cluster = self.service.settled('demo', 400)
            if cluster['status'] != 'ACTIVE':
                self.addDetail('service', content.text_content(
                    self.service.log()))
            self.assertEqual('ACTIVE', cluster['status'], (
                number, body, cluster['status_reason']))
            self.reached(body)
        answer = self.service.call(
            'POST', '/v1/clusters/demo/deployments', {'operation': 'check'})
        self.assertEqual(202, answer.status)
        cluster = self.service.settled('demo', 400)
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        print(f'{number} changes; killed: {dict(self.killed)}')
        self.assertGreaterEqual(self.hits(), CHANGES)
        self.assertGreater(self.killed['service'], CHANGES // 5)
        self.assertGreater(self.killed['ansible'], CHANGES // 5)
        self.service.call('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
        self.assertEqual([], nodes.left(self.service))

    def asked_for(self):
        """Some change has been accepted."""
        body = self.change()
        answer = self.service.call('PATCH', '/v1/clusters/demo', body)
        self.assertIn(answer.status, (200, 202), f'{body}: {answer.text}')
        return body

    def change(self):
        """Some change or other."""
        dice = self.dice
        slots = sorted(slot['name'] for slot in self.service.get(
            '/v1/clusters/demo/nodes')['nodes'])
        tool = {'parameters': {'threads': dice.randint(1, 9)}}
        there = any(one['name'] == 'tool' for one in self.service.get(
            '/v1/clusters/demo/elements')['elements'])
        return dice.choice((
            lambda: {'parameters': {'limit': dice.randint(1, 99)}},
            lambda: {'parameters': {'note': f'n{dice.randint(1, 99)}'}},
            lambda: {'parameters': {'home': f'/q{dice.randint(1, 99)}'}},
            lambda: {'parameters': {'gauge': dice.random() < 0.5}},
            lambda: {'node_groups': {'worker': {
                'count': dice.randint(1, 4)}}},
            lambda: {'node_groups': {'worker': {
                'replace': [dice.choice([name for name in slots
                                         if name != 'head-0'])]}}},
            lambda: {'elements': {'tool': dice.choice(
                (None, tool) if there else (tool,))}},
        ))()

    def hits(self):
        return self.killed['service'] + self.killed['ansible']

    def kill(self, what):
        """The service, or what runs Ansible, at any moment of the change.

        A change that is over by then, or that Ansible has no part in, is not
        counted: nothing was killed in the middle of it.
        """
        end = time.monotonic() + self.dice.random() * self.usual
        while time.monotonic() < end and self.changing():
            self.pause.wait(0.02)
        if what == 'service':
            busy = self.changing()
            self.service.kill()
            self.killed['service' if busy else 'service at rest'] += 1
            self.service.start()
            return
        while self.changing():
            runners = [pid for pid in descendants(self.service.process.pid)
                       if self.runs_ansible(pid)]
            with contextlib.suppress(IndexError, ProcessLookupError):
                os.kill(self.dice.choice(runners), signal.SIGKILL)
                self.killed['ansible'] += 1
                return
            self.pause.wait(0.02)

    def changing(self):
        return self.service.get('/v1/clusters/demo')['status'].endswith('ING')

    def runs_ansible(self, pid):
        try:
            said = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
        except OSError:
            return False
        return any(word in said for word in RUNNERS)

    def reached(self, body):
        """Nothing is left to be done, says the planner."""
        shown = self.service.call('POST', '/v1/plans', {
            'cluster': 'demo', 'change': {'parameters': {}}}).json
        self.assertEqual([], shown['changes'], body)
