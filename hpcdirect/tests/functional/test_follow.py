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

"""The client goes on following when connections drop and the service dies."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import fixtures
import testtools
import yaml

from hpcdirect.tests.functional import flood
from hpcdirect.tests.functional import service

CLIENT = ('import sys; from openstackclient import shell; '
          'sys.exit(shell.main())')
#: In a second, until the test has seen enough.
RATE = 10


class Line(fixtures.Fixture):
    """Stands between clients and the service, and can be cut."""

    def __init__(self, port):
        super().__init__()
        self._target = ('127.0.0.1', port)

    def _setUp(self):
        self._ends = set()
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        self.addCleanup(self.cut)
        self.addCleanup(self._listener.close)

    def cut(self):
        """End every connection there is."""
        for end in list(self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target)
                except OSError:
                    near.close()
                    continue
                self._ends |= {near, far}
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair,
                                     daemon=True).start()

    def _pass_on(self, source, aim):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                aim.sendall(data)
        for end in (source, aim):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class FollowTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        flood.write(self.folder)
        self.service = self.useFixture(service.Service(
            runner='fake', directories=(self.folder,)))
        self.service.start()
        self.line = self.useFixture(Line(self.service.port))
        (self.folder / 'clouds.yaml').write_text(yaml.safe_dump({
            'clouds': {'test': {'auth_type': 'http_basic', 'auth': {
                'endpoint': f'http://127.0.0.1:{self.line.port}',
                'username': 'member-ours', 'password': service.WORD}}}}))

    def client(self, name, *words):
        """A command of its own process; it writes to two files."""
        with (self.folder / f'{name}.out').open('wb') as out, \
                (self.folder / f'{name}.err').open('wb') as err:
            process = subprocess.Popen(
                [sys.executable, '-c', CLIENT, '--os-cloud', 'test', 'hpc',
                 *words], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                cwd=self.folder, env={
                    **os.environ, 'HOME': str(self.folder),
                    'OS_CLIENT_CONFIG_FILE': str(
                        self.folder / 'clouds.yaml')})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def said(self, name, stream='out'):
        return (self.folder / f'{name}.{stream}').read_text()

    def until(self, what):
        """What *what* returns, once it is true."""
        end = time.monotonic() + 60
        while not (found := what()):
            self.assertLess(time.monotonic(), end, self.service.log())
            time.sleep(0.02)
        return found

    def grown(self, *names):
        """Wait until each of these has said something more."""
        before = {name: len(self.said(name)) for name in names}
        for name in names:
            self.until(lambda name=name: len(self.said(name)) > before[name])

    def run_id(self):
        answer = self.service.call('GET', '/v1/clusters/demo/runs')
        found = answer.json['runs'] if answer.status == 200 else []
        return next((run['id'] for run in found if run['log_size']), '')

    def test_all_three(self):
        enough = self.folder / 'enough'
        create = self.client(
            'create', 'cluster', 'create', 'demo', '--blueprint', 'flood',
            '--follow', '--poll-interval', '1', '--parameter',
            f'events={{rate: {RATE}, count: 100000, until: {enough}}}')
        run = self.until(self.run_id)
        others = {
            'events': self.client(
                'events', 'event', 'list', 'demo', '--follow', '-f', 'json',
                '--poll-interval', '2'),
            'log': self.client('log', 'run', 'log', run, '--follow',
                               '--poll-interval', '0.1')}
        self.grown(*others)
        self.line.cut()
        self.grown('events')
        self.line.cut()
        self.service.kill()
        self.service.start()
        self.grown('events')
        enough.touch()
        cluster = self.service.settled('demo')
        self.assertEqual('ACTIVE', cluster['status'])
        for name, process in {'create': create, **others}.items():
            self.assertEqual(0, process.wait(60), self.said(name, 'err'))
        events = self.service.events(cluster['id'])
        self.assertEqual(
            [event['id'] for event in events],
            [json.loads(line)['id']
             for line in self.said('events').splitlines()])
        self.assertEqual(self.service.get(
            f'/v1/runs/{run}/log?limit=1048576')['text'], self.said('log'))
        told = self.said('create', 'err')
        self.assertIn('the service does not answer; trying again', told)
        self.assertIn('the service answers again', told)
        self.assertIn('create: done', told)
        numbers = [line.split('event ')[1].split()[0]
                   for line in told.splitlines() if '  event ' in line]
        self.assertIn([event['task'] for event in events if (
            event['task'] or '').startswith('event ')][-1].split()[1], numbers)
