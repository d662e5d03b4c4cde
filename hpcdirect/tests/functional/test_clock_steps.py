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

"""Clocks are set by an hour, ahead and back, while clusters are at work.

By libfaketime, for one process at a time; the machine's clock is left alone.
"""

import datetime
import pathlib
import tempfile

import testtools

from hpcdirect.conductor.holds import SteadyClock
from hpcdirect.db import models
from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import test_turns

# A conductor without cotyledon. libfaketime 0.9.10 that leaves the monotonic
# clock alone breaks waiting by it: sleep() fails, and a wait for a lock comes
# back at once. So they are done by select() here.
PROGRAM = """
import select, sys, threading, time

def pause(seconds):
    select.select([], [], [], max(0.0, seconds))

plain = threading.Condition.wait

def wait(self, timeout=None):
    if timeout is None:
        return plain(self)
    mine = threading.Lock()
    mine.acquire()
    self._waiters.append(mine)
    saved, end = self._release_save(), time.monotonic() + timeout
    try:
        while not mine.acquire(False):
            if time.monotonic() >= end:
                return False
            pause(0.005)
        return True
    finally:
        self._acquire_restore(saved)
        if mine in self._waiters:
            self._waiters.remove(mine)

threading.Condition.wait, time.sleep = wait, pause
from hpcdirect.cmd import parts
conductor = parts.Assembly(parts.configure(sys.argv[1:])).conductor()
conductor.start()
threading.Event().wait()
"""
LIBRARIES = [str(path) for path in pathlib.Path('/usr/lib').glob(
    '*/faketime/libfaketimeMT.so.1')]
HOUR = 3600


class Clock:
    """The clock of a process that is started with ``environment``."""

    def __init__(self, folder):
        self._file = folder / 'clock'
        self.set(0)
        self.environment = {
            'LD_PRELOAD': LIBRARIES[0], 'FAKETIME_CACHE_DURATION': '1',
            'FAKETIME_TIMESTAMP_FILE': str(self._file),
            'FAKETIME_DONT_FAKE_MONOTONIC': '1'}

    def set(self, seconds):
        """So many seconds ahead of the world, or behind."""
        fresh = self._file.with_suffix('.new')
        fresh.write_text(f'{seconds:+d}\n')
        fresh.chmod(0o644)
        fresh.replace(self._file)


@testtools.skipUnless(LIBRARIES, 'libfaketime is not installed')
@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class ClockStepTest(test_turns.Case):
    """Database, conductor, or the machine that has both."""

    def setUp(self):
        testtools.TestCase.setUp(self)
        folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-clock-'))
        folder.chmod(0o755)
        self.addCleanup(lambda: [path.unlink() for path in (
            folder / 'clock', folder)[:1]] and folder.rmdir())
        self.clock = Clock(folder)

    def begin(self, databases, conductors):
        """Whose clock will be set; one conductor more that keeps time."""
        server = mariadb.Own(**self.clock.environment) if databases \
            else mariadb.MariaDB()
        self.api = self.useFixture(api.Api(self.useFixture(server).url))
        test_turns.write(self.api.folder)
        self.start(self.clock.environment if conductors else {})
        self.calm = self.create('calm')
        self.settled(self.calm)
        soon = datetime.datetime.now(datetime.UTC) \
            + datetime.timedelta(minutes=30)
        answer = self.api.call('PATCH', f'/v1/clusters/{self.calm}', {
            'expires_at': soon.isoformat()})
        self.assertEqual(200, answer.status, answer.body)
        self.busy = self.create('busy', seconds=2.5)
        local_bed.wait_for(lambda: [
            run for run in self.runs(self.busy)
            if run['status'] == 'RUNNING'])
        # It would take over whatever seems to be nobody's.
        self.start({})

    def start(self, environment):
        self.launch(self.configuration(
            lease_seconds=15, watch_interval=0.5, provision_timeout=600),
            PROGRAM, **environment)

    def assertStepChangesNothing(self, seconds):
        self.clock.set(seconds)
        self.assertEqual('ACTIVE', self.settled(self.busy)['status'])
        with self.api.database.read() as session:
            self.assertEqual(1, session.get_one(
                models.Cluster, self.busy).epoch)
        self.assertEqual({'SUCCEEDED'}, {
            run['status'] for run in self.runs(self.busy)})
        # What rests is looked after as before.
        fakes.change(self.api.folder, lambda clusters:
                     clusters[f'fake-{self.calm}'].clear())
        self.settled(self.calm, ('DEGRADED',))
        # New work is done, and nothing has ended before its time.
        self.assertEqual('ACTIVE', self.settled(
            self.create('late'))['status'])
        self.assertEqual('DEGRADED', self.get(self.calm)['status'])

    def test_database_ahead(self):
        self.begin(True, False)
        self.assertStepChangesNothing(HOUR)

    def test_database_back(self):
        self.begin(True, False)
        self.assertStepChangesNothing(-HOUR)

    def test_conductor_ahead(self):
        self.begin(False, True)
        self.assertStepChangesNothing(HOUR)

    def test_conductor_back(self):
        self.begin(False, True)
        self.assertStepChangesNothing(-HOUR)

    def test_both_ahead(self):
        self.begin(True, True)
        self.assertStepChangesNothing(HOUR)


class SteadyClockTest(testtools.TestCase):

    def test_ahead_slowly_and_back_at_once(self):
        times = {'ours': 1000.0, 'theirs': 1003.0}
        clock = SteadyClock(lambda: times['ours'], lambda: times['theirs'],
                            lambda: None)
        self.assertEqual(1000.0, clock())
        times['ours'] += HOUR
        times['theirs'] += HOUR
        self.assertLess(clock(), 1060.0)
        times['theirs'] = 900.0
        self.assertEqual(900.0, clock())
