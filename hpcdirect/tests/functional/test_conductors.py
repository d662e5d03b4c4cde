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

"""Several conductors at one cluster: one sleeps, or all die again and again.

They are real processes; see ``conductors``.
"""

import os
import pathlib
import random
import time

import fixtures
import testtools

from hpcdirect.tests.functional import conductors
from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import history
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import test_turns

#: How often all processes are killed at once.
DEATHS = 50 if soak.SOAK else 12
#: Seconds that a statement takes longer on a slow database, and that a lease
#: is taken for, as a rule.
STATEMENT, LEASE = 0.5, 10.0


def create(**parameters):
    """A request for a cluster."""
    return ('POST', '/v1/clusters', {
        'name': 'demo', 'blueprint': 'plant', 'parameters': parameters})


def change(**parameters):
    """A request for other values."""
    return 'PATCH', '/v1/clusters/demo', {'parameters': parameters}


class ConductorsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.launcher = self.useFixture(conductors.Launcher())

    def history(self, connection='', **options):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        test_turns.write(folder)
        site = history.Site(folder, folder, connection)
        site.make()
        found = history.History(self.launcher, site, **options)
        self.addCleanup(found.kill)
        return found

    def at_work(self, one):
        """Wait until something is being done on a machine."""
        def begun():
            with conductors.record(one.folder) as found:
                return any(machine['log'] for machine in found.values())
        conductors.wait(begun, 'work to begin')

    def test_one_that_slept_writes_nothing(self):
        one = self.history()
        one.ask(*create(count=3, seconds=1))
        sleeper = one.start()
        self.at_work(one)
        one.freeze(sleeper)
        worker, = one.workers()
        one.start()
        self.assertEqual('ACTIVE', one.settled())
        self.assertNotIn(worker, one.workers())
        one.check()
        one.wake_up(sleeper)
        one.check()

    def test_all_are_killed_at_once_again_and_again(self):
        seed = int(os.environ.get('HPCDIRECT_SEED', time.time_ns()))
        dice = random.Random(seed)  # noqa: S311
        self.addDetail('seed', testtools.content.text_content(str(seed)))
        one = self.history()
        one.ask(*create(count=2, seconds=0.1))
        begun = time.monotonic()
        one.start()
        one.settled('ACTIVE')
        usual = time.monotonic() - begun
        for _ in range(DEATHS):
            if one.status():
                one.ask(*change(count=dice.randint(0, 4)))
            for _ in range(3):
                one.start()
            # Anywhere: from before they have begun to when all is done.
            time.sleep(usual * dice.random())
            one.kill()
        one.start()
        self.assertEqual('ACTIVE', one.settled())
        one.check()
        one.ask('DELETE', '/v1/clusters/demo', None)
        self.assertEqual('DELETED', one.settled('DELETED'))
        one.check()
        self.assertEqual({}, fakes.machines(one.folder))

    @soak.only
    @testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
    def test_slow_database(self):
        own = self.useFixture(mariadb.Own())
        slow = self.useFixture(mariadb.Slow(own.server))
        one = self.history(slow.url('own', 'app'), lease_seconds=LEASE)
        one.ask(*create(count=1, seconds=LEASE))
        slow.seconds = STATEMENT
        one.start()
        one.start()
        self.assertEqual('ACTIVE', one.settled(seconds=600))
        # Whoever carries it out keeps the lease until that is done.
        with conductors.record(one.folder) as found:
            self.assertEqual([[1, 'apply', 'work'], [1, 'verify', 'work']], [
                entry for machine in found.values()
                for entry in machine['log']])
        slow.seconds = 0.0
        one.check()
