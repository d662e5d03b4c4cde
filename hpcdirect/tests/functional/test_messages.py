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

"""Messages that are lost, late, doubled or out of order change nothing."""

import collections
import random
import socket
import threading
import time

from oslo_messaging import conffixture
import testtools

from hpcdirect import rpc
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import rabbitmq
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import test_turns

COUNT = 6


class Unreliable(rpc.ConductorNudge):
    """Delivers each message from none to four times, whenever it likes."""

    def __init__(self, conf, dice):
        super().__init__(conf, rpc.IN_PROCESS)
        self._dice = dice
        self._kept = []
        self.delivered = collections.Counter()

    def advance(self, cluster_id):
        self._kept += [cluster_id] * self._dice.choice((0, 1, 2, 4))
        self._dice.shuffle(self._kept)
        while self._kept and self._dice.random() < 0.7:
            self.deliver()

    def deliver(self):
        ident = self._kept.pop()
        self.delivered[ident] += 1
        super().advance(ident)


class Case(test_turns.Case):
    """An API that sends messages, and a conductor in its own process."""

    def setUp(self):
        super().setUp()
        # It registers some of its options with the global configuration only.
        self.useFixture(conffixture.ConfFixture(self.api.conf))

    def send_by(self, nudge):
        """Let the API send its messages so."""
        object.__setattr__(self.api.services, 'conductor', nudge)

    def send_to(self, url):
        """Let the API send its messages there."""
        self.send_by(rpc.ConductorNudge(self.api.conf, url))

    def answered(self):
        """Ask for a cluster, and do not wait for an answer for ever."""
        answers = []
        asking = threading.Thread(target=lambda: answers.append(
            self.create(f'demo-{time.monotonic_ns()}')), daemon=True)
        asking.start()
        asking.join(60)
        self.assertEqual(1, len(answers), 'the request waits for a broker')
        return answers[0]

    def start(self, url, **options):
        """A conductor that listens there."""
        file = self.configuration(**options)
        file.write_text(file.read_text().replace('fake://', url) + (
            '[oslo_messaging_rabbit]\nrabbit_interval_max = 1\n'))
        return self.launch(file)


class MessagesTest(Case):

    def listen(self):
        """A conductor that is told by messages."""
        conductor = self.conductor()

        def advance(cluster_id):
            self.heard[cluster_id] += 1
            conductor.advance(cluster_id)

        ear = rpc.server(self.api.conf, advance, rpc.IN_PROCESS)
        ear.start()
        self.addCleanup(ear.wait)
        self.addCleanup(ear.stop)

    def work(self, ident):
        """What was done for a cluster: deployments, runs by their ends.

        One that was interrupted did nothing: a conductor that got no time to
        renew its lease lost the cluster to the other one.
        """
        return (
            sorted(one['operation'] for one in self.api.call(
                'GET', f'/v1/deployments?cluster={ident}'
                ).json['deployments']),
            sorted((run['verb'], run['element'], run['status'])
                   for run in self.runs(ident)
                   if run['status'] != 'INTERRUPTED'))

    def test_lost_doubled_and_out_of_order(self):
        seed = time.time_ns()
        self.addDetail('seed', testtools.content.text_content(str(seed)))
        nudge = Unreliable(self.api.conf, random.Random(seed))  # noqa: S311
        self.send_by(nudge)
        self.heard = collections.Counter()
        self.listen()
        self.listen()
        idents = [self.create(f'demo{number}') for number in range(COUNT)]
        nudge._kept += ['nobody-is-called-that']
        for ident in idents:
            self.assertEqual('ACTIVE', self.settled(ident)['status'])
            self.assertEqual(202, self.api.call(
                'PATCH', f'/v1/clusters/{ident}',
                {'parameters': {'count': 2}}).status)
        while nudge._kept:
            nudge.deliver()
        for ident in idents:
            self.assertEqual('ACTIVE', self.settled(ident)['status'])
        local_bed.wait_for(lambda: self.heard == nudge.delivered)
        self.assertGreater(max(self.heard.values()), 1)
        self.assertEqual([self.work(idents[0])] * COUNT,
                         [self.work(ident) for ident in idents])
        self.assertEqual((['create', 'scale'], [
            (verb, 'work', 'SUCCEEDED')
            for verb in ('apply', 'apply', 'verify', 'verify')]),
            self.work(idents[0]))


class NoBrokerTest(Case):
    """RabbitMQ is not there."""

    def url(self):
        return f'rabbit://guest:guest@127.0.0.1:{service.free_port()}/'

    def test_requests_are_accepted_and_carried_out(self):
        self.send_to(self.url())
        self.conductor()
        self.assertEqual('ACTIVE', self.settled(self.answered())['status'])

    def test_conductor_works_and_ends(self):
        ident = self.create()
        process = self.start(self.url())
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        process.terminate()
        # It waits for no broker: that would take until cotyledon kills it.
        self.assertEqual(0, process.wait(45))

    def test_broker_that_says_nothing(self):
        with socket.create_server(('127.0.0.1', 0)) as mute:
            self.send_to('rabbit://guest:guest@127.0.0.1:'
                       f'{mute.getsockname()[1]}/')
            self.answered()


@testtools.skipUnless(rabbitmq.available(), 'RabbitMQ is not installed')
class BrokerTest(Case):
    """RabbitMQ forgets, dies and comes back."""

    def setUp(self):
        super().setUp()
        self.broker = self.useFixture(rabbitmq.RabbitMQ())
        self.send_to(self.broker.url)

    def listened(self):
        """Wait until a conductor listens."""
        local_bed.wait_for(lambda: self.broker.queue(rpc.TOPIC)[1], 60)

    def made(self, ident):
        """It was carried out, once."""
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        self.assertEqual([('apply', 'SUCCEEDED'), ('verify', 'SUCCEEDED')],
                         sorted((run['verb'], run['status'])
                                for run in self.runs(ident)))

    def test_purged_killed_and_back_again(self):
        process = self.start(self.broker.url, scan_interval=300)
        self.listened()
        # Nobody would look for it for minutes: it was told.
        begun = time.monotonic()
        self.made(self.answered())
        self.assertLess(time.monotonic() - begun, 250)
        process.terminate()
        process.wait()
        forgotten = self.answered()
        self.assertEqual(1, self.broker.purge(rpc.TOPIC))
        process = self.start(self.broker.url, scan_interval=1)
        self.made(forgotten)
        self.listened()
        self.broker.kill()
        self.made(self.answered())
        self.broker.start()
        self.made(self.answered())
        self.listened()
        self.assertIsNone(process.poll())


class SameNameTest(test_turns.Case):

    def test_name_is_free_when_the_old_one_is_gone(self):
        old = self.create(count=2, seconds=0.5)
        self.conductor()
        self.assertEqual('ACTIVE', self.settled(old)['status'])
        self.assertEqual(202, self.api.call(
            'DELETE', f'/v1/clusters/{old}').status)
        refused, made = 0, None
        while made is None:
            there = self.get(old)
            answer = self.api.call('POST', '/v1/clusters', {
                'name': 'demo', 'blueprint': 'plant'})
            if answer.status == 202:
                made = answer.json['id']
            else:
                self.assertEqual((409, 'duplicate_name'),
                                 (answer.status, answer.code))
                # Afterwards it may have just gone.
                self.assertIsNotNone(there)
                refused += 1
        self.assertGreater(refused, 0)
        self.assertIsNone(self.get(old))
        self.assertEqual('ACTIVE', self.settled(made)['status'])
        self.assertEqual(made, self.get('demo')['id'])
        nodes = self.get(made, '/nodes')['nodes']
        self.assertEqual(['worker-0'], [node['name'] for node in nodes])
        self.assertEqual([made], [
            leftover.cluster_id for leftover in self.api.backend.leftovers()])
