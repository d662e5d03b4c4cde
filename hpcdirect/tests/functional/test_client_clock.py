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

"""A command that waits, while the clock of its machine is set."""

import os
import pathlib
import subprocess
import sys
import time
import unittest

import fixtures
import testtools
import yaml

from hpcdirect.tests.unit.client import stub

LIBRARIES = list(pathlib.Path('/usr/lib').glob('*/faketime/libfaketime.so.1'))
#: libfaketime 0.9.10 breaks clock_nanosleep() up to a moment, which is how
#: Python sleeps (EINVAL); a wait of select() it leaves alone.
OPENSTACK = """
import select, sys, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
from openstackclient import shell
sys.exit(shell.main(sys.argv[1:]))
"""


@unittest.skipUnless(LIBRARIES, 'needs libfaketime')
class ClockTest(testtools.TestCase):
    """The time is faked for the one process, as NTP or a person sets it."""

    def setUp(self):
        super().setUp()
        self.stub = self.useFixture(stub.Stub())
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.folder / 'clouds.yaml').write_text(yaml.safe_dump({
            'clouds': {'test': {'auth_type': 'http_basic', 'auth': {
                'endpoint': self.stub.url, 'username': stub.USER,
                'password': stub.PASSWORD}}}}))
        self.status = 'RUNNING'
        self.stub.answer('PATCH', '/clusters/demo', stub.cluster())
        for path in ('demo', 'id-demo'):
            self.stub.answer('GET', f'/clusters/{path}', stub.cluster())
        self.stub.answer('GET', '/deployments/dep',
                         lambda query: stub.deployment(self.status))
        self.offset = self.folder / 'offset'
        self.at('+0')

    def at(self, offset):
        """What is added to the time from now on, in seconds."""
        fresh = self.folder / 'offset.new'
        fresh.write_text(f'{offset}\n')
        fresh.replace(self.offset)

    def waited(self):
        """How often the command has asked since."""
        return self.stub.requests('GET').count('GET /events')

    def waits_on(self, process):
        """It asks again, and again."""
        aim = self.waited() + 4
        end = time.monotonic() + 120
        while self.waited() < aim:
            if process.poll() is not None:
                self.fail(process.stdout.read())
            self.assertLess(time.monotonic(), end, 'it hangs')
            time.sleep(0.02)

    def test_an_hour_back_and_forth(self):
        process = subprocess.Popen(
            [sys.executable, '-c', OPENSTACK, '--os-cloud', 'test', 'hpc',
             'cluster', 'update', 'demo', '--parameter', 'a=1', '--wait',
             '--poll-interval', '0.2'],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, 'HOME': str(self.folder),
                 'OS_CLIENT_CONFIG_FILE': str(self.folder / 'clouds.yaml'),
                 'LD_PRELOAD': str(LIBRARIES[0]),
                 'FAKETIME_TIMESTAMP_FILE': str(self.offset),
                 'FAKETIME_NO_CACHE': '1', 'DONT_FAKE_MONOTONIC': '1'})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        for offset in ('+0', '-3600', '+3600', '+0'):
            self.at(offset)
            self.waits_on(process)
        self.status = 'SUCCEEDED'
        self.at('-3600')
        out, _ = process.communicate(timeout=120)
        self.assertEqual(0, process.returncode, out)
        self.assertIn('create: done', out)  # what the stub says of it
