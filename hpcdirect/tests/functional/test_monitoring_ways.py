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


"""Clusters whose machines answer what they like, and those beside them.

ssh is real, with an sshd for each cluster; what is behind it are servers of
ours, each on an address of its own.
"""

import concurrent.futures
import contextlib
import dataclasses
import http.server
import json
import os
import pathlib
import signal
import socketserver
import tempfile
import threading
import time
import unittest.mock
import urllib.error
import urllib.request

from hpcdirect import metrics
from hpcdirect.api import charting
from hpcdirect.api import server
from hpcdirect.backends import base
from hpcdirect.backends.fake import FakeBackend
from hpcdirect.charts import Asked
from hpcdirect.db import models
from hpcdirect.db.session import Database
from hpcdirect.keys import KeyRing
from hpcdirect.monitoring import numbers
from hpcdirect.monitoring.application import Application
from hpcdirect.monitoring.ways import Ways
from hpcdirect.planning.state import NOTHING
from hpcdirect.sources.catalogue import Catalogue
from hpcdirect.sources.directory import DirectorySource
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import sshd_nodes
from hpcdirect.tests.functional.local_bed import wait_for

OK = b'HTTP/1.1 200 OK\r\n'
#: Seconds for what never answers, and for what does on a busy machine.
SHORT, LONG = 1.5, 60.0
#: Seconds that a busy machine may take besides.
BUSY = 20.0
#: Bytes by which the process may grow, whatever it is told.
ROOM = 200 * 2**20
ASKED = Asked(('load',), 3600, 60)


def memory(what='VmRSS'):
    """Bytes of this process in memory; VmHWM, the most there were."""
    status = pathlib.Path('/proc/self/status').read_text()
    return 1024 * int(status.partition(f'{what}:')[2].split()[0])


class Answers(socketserver.ThreadingTCPServer):
    """Says what it was told to say, to whatever it is asked.

    :param say: is given what writes, and an event that ends it.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, say):
        self.say = say
        self.asked = []
        self.over = threading.Event()
        super().__init__((address, 9090), None)
        threading.Thread(target=self.serve_forever, daemon=True,
                         kwargs={'poll_interval': 0.05}).start()

    def finish_request(self, request, client_address):
        self.asked.append(request.recv(65536).partition(b'\r\n')[0])
        with contextlib.suppress(OSError):
            self.say(request.sendall, self.over)

    def close(self):
        self.over.set()
        self.shutdown()
        self.server_close()


def body(text, *headers):
    """A whole answer."""
    def say(write, over):
        write(b'\r\n'.join((OK + b'Content-Length: %d' % len(text), *headers,
                            b'', text)))
    return say


def endless(beginning, piece=b'1' * 65536, pause=0.0):
    """An answer that never ends."""
    def say(write, over):
        write(beginning)
        while not over.wait(pause):
            write(piece)
    return say


def silent(write, over):
    over.wait()


def well(*instances, **labels):
    """As a Prometheus that has a number of each for every moment."""
    def say(write, over):
        now = int(time.time())
        body(json.dumps({'status': 'success', 'data': {
            'resultType': 'matrix', 'result': [{
                'metric': {'instance': one, **labels},
                'values': [[at, '1.5'] for at in range(
                    now - 3600, now + 1)]}
                for one in instances]}}).encode())(write, over)
    return say


#: Name -> what a machine says; all of it is no good.
HOSTILE = {
    'endless body': endless(OK + b'\r\n'),
    'endless headers': endless(OK, b'X: ' + b'1' * 1000 + b'\r\n'),
    'a header without end': endless(OK + b'X: '),
    'a byte now and then': endless(OK, b'X', 0.1),
    'a body a byte now and then': endless(OK + b'\r\n', b'[', 0.1),
    'answers before the answer': endless(b'', b'HTTP/1.1 100 C\r\n\r\n'),
    'nothing': silent,
    'a gigabyte': endless(OK + b'Content-Length: 1073741824\r\n\r\n'),
    'an exabyte': endless(OK + b'Content-Length: 1152921504606846976\r\n'
                          b'\r\n', b'', 0.1),
    'a length below zero': endless(OK + b'Content-Length: -1\r\n\r\n'),
    'a chunk of any size': endless(
        OK + b'Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n'),
    'a chunk below zero': endless(
        OK + b'Transfer-Encoding: chunked\r\n\r\n-1\r\n'),
    'packed': body(b'\x1f\x8b' + b'\0' * 1000, b'Content-Encoding: gzip'),
    'no HTTP': endless(b'\0' * 65536, b'\0' * 65536),
    'no JSON': body(b'<html>{$ 1+1 $}</html>'),
    'no UTF-8': body(b'{"data": "\xff\xfe"}'),
    'depth': body(b'[' * 2_000_000),
    'many little things': body(b'[' + b'{},' * 1_300_000 + b'{}]'),
    'long numbers': body(b'{"data": {"result": [' + b'9' * 3_000_000
                         + b']}}'),
    'another shape': body(b'{"data": {"result": {"a": [1]}}}'),
    'values that are none': body(json.dumps({'data': {'result': [{
        'metric': {'instance': 'head-0'}, 'values': [[{}, []]]}]}}).encode()),
    'an error': lambda write, over: write(
        b'HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n'),
    'less than it says': lambda write, over: write(
        OK + b'Content-Length: 100\r\n\r\n{}'),
}


class Places(FakeBackend):
    """Machines that are there already; ``machines`` of each cluster."""

    def __init__(self):
        self.machines = {}

    def observe(self, ref):
        return base.Infra(base.InfraStatus.READY, machines=tuple(
            self.machines[ref.removeprefix('fake-')]))


class Case(sshd_nodes.NodesCase):
    """Clusters good and bad, with an sshd each, and hpcdirect-metrics."""

    names = ('good', 'bad')

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        self.conf = databases.configuration(f'sqlite:///{folder}/db.sqlite')
        for name, value, group in (
                ('work_path', f'{self.folder}/w', 'ansible'),
                ('connect_timeout', 3, 'ansible'),
                ('directories', [str(service.ROOT)], 'blueprints'),
                ('token_file', str(folder / 'tokens'), 'monitoring')):
            self.conf.set_override(name, value, group)
        (folder / 'tokens').write_text('word')
        databases.make_tables(self.conf)
        self.database = Database(self.conf)
        self.addCleanup(self.database.engine.dispose)
        self.keys = KeyRing.load_or_create(str(folder / 'keys'))
        self.backend = Places()
        self.idents = {}
        for number, name in enumerate(self.names):
            self.idents[name] = self.cluster(name, f'127.71.{number}.1')
        self.numbers = numbers.Numbers(
            self.database, Catalogue([DirectorySource(self.conf)]), Ways(
                self.conf, self.database, self.keys,
                {'fake': self.backend}))
        self.addCleanup(self.numbers.close)
        self.listening = server.serve(
            Application(self.conf, self.keys, self.numbers), self.conf,
            server.ListenAddress('metrics', '127.0.0.1', 0, 64))
        self.addCleanup(self.listening.shutdown)
        self.url = f'http://127.0.0.1:{self.listening.address[1]}'
        # What is waited for is told by patient() alone.
        with unittest.mock.patch.object(charting, '_ANSWER', 300.0):
            self.api = charting.Remote(self.url, self.keys)
        for name in ('_FRESH', '_FAILED'):
            self.patched(name, 0.0)
        self.patient(LONG)

    def patched(self, name, value):
        patch = unittest.mock.patch.object(numbers, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def patient(self, seconds):
        """How long answers are waited for from now on."""
        self.seconds = seconds
        self.patched('_PATIENCE', seconds)

    def opened(self, *names):
        """The ways into these clusters are open; nobody has to hurry yet."""
        for name in names:
            one = self.server(name, well('head-0'))
            self.assertEqual('', self.chart(name)[0]['reason'])
            one.close()

    def cluster(self, name, address):
        """A cluster of one node with Prometheus; its id."""
        with self.database.write() as session:
            row = models.Cluster(
                name=name, project_id='ours', user_id='me', status='ACTIVE',
                blueprint='x', blueprint_version='1', backend='fake',
                desired=NOTHING)
            session.add(row)
            session.flush()
            secret = models.Secret(cluster_id=row.id, element='',
                                   name='access_key', version=1)
            secret.sealed = self.keys.encrypt(self.private_key,
                                              secret.about())
            session.add_all((secret, models.Node(
                cluster_id=row.id, name='head-0', group='head', status='UP',
                address=address), *(models.Layer(
                    cluster_id=row.id, node='head-0', incarnation=1,
                    element=element, role=role, version='1.0.0', position=0,
                    digest='d', state='applied') for element, role in (
                        ('monitoring', 'node'), ('prometheus', 'server')))))
            ident = row.id
        node = self.nodes[name]
        self.backend.machines[ident] = [base.Machine(
            'head-0', 1, base.MachineStatus.UP, 'r', address, base.Ssh(
                '127.0.0.1', node.port, 'root', '', node.host_key))]
        return ident

    def server(self, name, say):
        """What answers on a cluster's machine."""
        place = self.backend.machines[self.idents[name]][0]
        made = Answers(place.address, say)
        self.addCleanup(made.close)
        return made

    def chart(self, name, asked=ASKED):
        """A chart as the API gets it, with the seconds that it took."""
        began = time.monotonic()
        found = self.api.charts(self.idents[name], asked)
        return found['charts']['load'], time.monotonic() - began

    def scraped(self, name):
        """Status and body of what an exporter says, and the seconds."""
        began = time.monotonic()
        request = urllib.request.Request(
            f'{self.url}/clusters/{self.idents[name]}/exporters/head-0/'
            'prometheus/prometheus', headers={
                'Authorization': 'Bearer word',
                'X-Prometheus-Scrape-Timeout-Seconds': str(
                    self.seconds + .5)})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            status, text = exc.code, exc.read()
        return status, text, time.monotonic() - began


class HostileTest(Case):

    def test_whatever_it_answers(self):
        """It is told why there is no chart, soon, and in little memory."""
        self.opened('bad')
        self.server('good', well('head-0'))
        good, _ = self.chart('good')
        self.assertEqual('', good['reason'])
        self.assertLess(40, good['series'][0]['y'].count(1.5))
        # The most there were, from now on.
        pathlib.Path('/proc/self/clear_refs').write_text('5')
        before, seen = memory(), {}
        self.patient(SHORT)
        for name, say in HOSTILE.items():
            bad = self.server('bad', say)
            with self.subTest(name):
                found, seconds = self.chart('bad')
                self.assertEqual([], found['series'])
                self.assertRegex(found['reason'],
                                 r'gives no numbers: .*[A-Za-z0-9]\.$')
                self.assertTrue(bad.asked, found)
                self.assertLess(seconds, SHORT + BUSY)
                self.assertLess(memory('VmHWM') - before, ROOM)
                seen[name] = found['reason']
            bad.close()
            # What was silent is left alone; that is another test's.
            self.numbers._ways._endpoints._endpoints.clear()
        self.assertEqual(set(HOSTILE), set(seen))
        self.patient(LONG)
        good, _ = self.chart('good')
        self.assertEqual('', good['reason'])

    def test_it_is_counted(self):
        def counted():
            return [metrics.CLUSTER_REQUESTS.labels(kind, outcome)._value.get()
                    for kind in ('chart', 'exporter')
                    for outcome in ('succeeded', 'failed')]

        before = counted()
        self.opened('good', 'bad')
        self.server('good', well('head-0'))
        self.server('bad', HOSTILE['an error'])
        self.scraped('good')
        for name in ('good', 'bad', 'bad'):
            self.chart(name)
        self.assertEqual([3, 2, 1, 0], [
            after - one for one, after in zip(before, counted(),
                                              strict=True)])
        self.assertEqual(2, metrics.WAYS._value.get())

    def test_numbers_of_others(self):
        self.server('bad', well(
            'head-0', 'victim-0/..', '../../good/head-0', 'node.example.com',
            cluster='good', cluster_id=self.idents['good'],
            project_id='theirs'))
        found, _ = self.chart('bad')
        (one,) = found['series']
        self.assertEqual({'name', 'node', 'y'}, set(one))
        self.assertEqual('head-0', one['node'])

    def test_led_elsewhere(self):
        good = self.server('good', well('head-0'))
        place = self.backend.machines[self.idents['good']][0].address

        class Elsewhere(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                reached.append(self.path)

            log_message = staticmethod(lambda *_: None)

        reached = []
        other = http.server.HTTPServer(('127.0.0.1', 0), Elsewhere)
        self.addCleanup(other.server_close)
        self.addCleanup(other.shutdown)
        threading.Thread(target=other.serve_forever, daemon=True).start()
        for where in (f'http://{place}:9090/metrics',
                      f'http://127.0.0.1:{other.server_port}/',
                      'file:///etc/passwd'):
            bad = self.server('bad', lambda write, over, where=where: write(
                f'HTTP/1.1 302 F\r\nLocation: {where}\r\n'
                'Content-Length: 0\r\n\r\n'.encode()))
            self.assertIn('status 302', self.chart('bad')[0]['reason'])
            status, text, _ = self.scraped('bad')
            self.assertEqual(502, status, text)
            bad.close()
        self.assertEqual(([], []), (good.asked, reached))

    def test_what_an_exporter_says(self):
        """As it is, as text, when it is whole and not too long."""
        self.server('good', body(b'a 1\n', b'Content-Type: text/html',
                                 b'Set-Cookie: a=b'))
        self.assertEqual((200, b'a 1\n'), self.scraped('good')[:2])
        self.opened('bad')
        self.patient(SHORT)
        for name in ('endless body', 'a gigabyte', 'less than it says',
                     'packed', 'nothing', 'no HTTP'):
            bad = self.server('bad', HOSTILE[name])
            status, text, seconds = self.scraped('bad')
            self.assertEqual(502, status, name)
            self.assertLess(len(text), 1000)
            self.assertLess(seconds, SHORT + BUSY)
            bad.close()
            self.numbers._ways._endpoints._endpoints.clear()

    def test_others_do_not_wait(self):
        self.opened('good', 'bad')
        self.server('good', well('head-0'))
        bad = self.server('bad', silent)
        self.numbers._ways._endpoints = unittest.mock.MagicMock()
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            many = [pool.submit(self.scraped, 'bad') for _ in range(24)]
            # Those that find no place are told so at once.
            wait_for(lambda: len(bad.asked) == 8
                     and sum(one.done() for one in many) == 16)
            good, _ = self.chart('good')
            self.assertEqual('', good['reason'])
            # Those that wait have waited all the while.
            self.assertEqual(16, sum(one.done() for one in many))
            bad.over.set()
            self.assertEqual({502}, {one.result()[0] for one in many})
        self.assertEqual(8, len(bad.asked))

    def test_silence_is_not_asked_again_and_again(self):
        self.opened('bad')
        bad = self.server('bad', silent)
        self.patient(SHORT)
        for _ in range(3):
            self.chart('bad')
        self.assertIn('left alone for a while',
                      self.chart('bad')[0]['reason'])
        self.assertEqual(3, len(bad.asked))

    def test_sshd_that_says_nothing(self):
        """Behind which there is nobody, or somebody else."""
        self.patient(4.0)
        self.server('good', well('head-0'))
        ident = self.idents['bad']
        (machine,) = self.backend.machines[ident]
        mute = socketserver.ThreadingTCPServer(('127.0.0.1', 0), None)
        self.addCleanup(mute.server_close)
        for port, key in ((mute.server_address[1], machine.ssh.host_key),
                          (self.nodes['bad'].port,
                           self.nodes['good'].host_key)):
            self.backend.machines[ident] = [base.Machine(
                'head-0', 1, base.MachineStatus.UP, 'r', machine.address,
                base.Ssh('127.0.0.1', port, 'root', '', key))]
            found, seconds = self.chart('bad')
            self.assertRegex(found['reason'],
                             r'nobody was let in: .*[A-Za-z0-9]\.$')
            self.assertLess(seconds, 4.0 + BUSY)
        self.patient(LONG)
        self.assertEqual('', self.chart('good')[0]['reason'])


class WayTest(Case):

    def test_by_another_node(self):
        """When the one that is asked lets nobody in, but runs."""
        self.server('good', well('head-0'))
        ident = self.idents['good']
        (head,) = self.backend.machines[ident]
        self.backend.machines[ident] = [
            dataclasses.replace(head, ssh=dataclasses.replace(
                head.ssh, port=service.free_port())),
            dataclasses.replace(head, slot='compute-0')]
        self.assertIn('nobody was let in', self.chart('good')[0]['reason'])
        self.assertEqual('', self.chart('good')[0]['reason'])
        # The way that is open is used, whoever is asked next.
        self.assertEqual(200, self.scraped('good')[0])

    def test_only_those_that_need_no_detour(self):
        ident = self.idents['good']
        (head,) = self.backend.machines[ident]
        self.server('good', well('head-0'))
        self.backend.machines[ident] = [
            dataclasses.replace(head, slot='a-0', ssh=dataclasses.replace(
                head.ssh, via='root@192.0.2.1')), head]
        self.assertEqual('', self.chart('good')[0]['reason'])

    def test_ssh_that_ends_is_begun_again(self):
        self.server('good', well('head-0'))
        self.chart('good')
        (pid, *_) = self.nodes['good'].sessions()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid not in self.nodes['good'].sessions())
        self.assertEqual('', self.chart('good')[0]['reason'])

    def test_a_cluster_that_goes_is_left(self):
        self.server('good', well('head-0'))
        self.chart('good')
        with self.database.write() as session:
            session.get_one(models.Cluster,
                            self.idents['good']).deleted = 'x'
        found, _ = self.chart('good')
        self.assertIn('is not there', found['reason'])

    def test_nothing_stays(self):
        self.server('good', well('head-0'))
        self.chart('good')
        self.assertTrue(list(pathlib.Path(f'{self.folder}/w').iterdir()))
        self.numbers.close()
        self.assertEqual([], list(pathlib.Path(f'{self.folder}/w').iterdir()))
        wait_for(lambda: not self.nodes['good'].sessions())
