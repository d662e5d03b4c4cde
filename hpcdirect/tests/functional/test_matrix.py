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

"""Whatever happens to a process wherever, every request comes to its end.

A cluster lives once without any fault, which tells where a conductor and an
API come by at each stage. Then each of these places gets each fault: the
process is killed there, or stopped until another one has done its work, the
call or the commit fails, or its answer is lost. As a rule each place has each
fault at one stage. ``HPCDIRECT_SOAK`` is for all of them at all stages, or
for every kill and ``HPCDIRECT_SAMPLE`` of the others that ``HPCDIRECT_SEED``
draws, and for the same over MariaDB and RabbitMQ.
"""

import collections
from concurrent import futures
import os
import pathlib
import random
import time

import fixtures
import testtools

from hpcdirect.tests.functional import conductors
from hpcdirect.tests.functional import history
from hpcdirect.tests.functional import life
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import rabbitmq
from hpcdirect.tests.functional import soak
from hpcdirect.tests.unit import test_failpoints

SAMPLE = int(os.environ.get('HPCDIRECT_SAMPLE', 0))
SEED = int(os.environ.get('HPCDIRECT_SEED', time.time()))
#: Faults at a time; each waits most of the time.
TOGETHER = 6
#: Transactions of conductors that this life has no use for.
ELSEWHERE = {
    'db.endings.AccountEnds._order', 'db.endings.AccountEnds._refused',
    'db.endings.ClusterEnds._tell',
    'db.deployment_writer.DeploymentWriter.left',
}
#: Modules in which conductors write.
OF_CONDUCTORS = ('db.ledger.', 'db.holds.', 'db.service.', 'db.watch.',
                 'db.endings.')


class Fault:
    """One fault at one place of one stage.

    :ivar happened: whether a process came by there at all.
    """

    def __init__(self, stage, place, action):
        self.stage, self.place, self.action = stage, place, action
        self.happened = False

    def __str__(self):
        return f'{self.stage.name}: {self.place} {self.action}'

    @property
    def said(self):
        return f'{self.place} {self.action}'

    @property
    def database(self):
        """Whether it is one of the database's."""
        return self.place.startswith('db.')

    @property
    def locked(self):
        """Whether it is in the middle of a transaction."""
        return self.database and self.place.endswith('/before')

    # -- of a conductor ---------------------------------------------------

    def conduct(self, one):
        """Let it happen to a conductor; the cluster comes to its end."""
        ends = (self.stage.status, 'ERROR')
        first = one.start(self.said)
        conductors.wait(lambda: one.mark.exists() or one.status() in ends
                        or not first.alive, self)
        self.happened = one.mark.exists()
        if self.happened:
            getattr(self, f'_{self.action}')(one, first)
        conductors.wait(lambda: one.status() in ends or not first.alive, self)
        if not first.alive:
            one.start()
        status = one.settled(*ends)
        if self.action == 'error' and not self.database and (
                status != self.stage.status or self.stage.name == 'halt'):
            # It failed, as it was told to; asked again, it goes on.
            one.ask(*self.stage.retry)
            status = one.settled(*ends)
        if status != self.stage.status:
            raise AssertionError(f'{status} instead of {self.stage.status}')
        one.check(self.stage.whole)

    def _kill(self, one, first):
        conductors.wait(lambda: not first.alive, 'it to be killed')

    def _error(self, one, first):
        pass

    def _stop(self, one, first):
        """It stands still until another one has done all there is to do."""
        conductors.wait(lambda: first.stopped, 'it to be stopped')
        if self.locked:
            # Nobody else can go on without it.
            first.send(conductors.signal.SIGCONT)
            return
        if not one.writable():
            first.send(conductors.signal.SIGCONT)
            one.freeze(first)
        one.start()
        one.settled(self.stage.status)
        one.wake_up(first)

    # -- of an API --------------------------------------------------------

    def request(self, one):
        """Let it happen to an API; who asked asks again."""
        request = self.stage.request
        before = len(one.rows(life.models.Deployment.id))
        process, _ = one.asking(request, self.said, key='once')
        conductors.wait(lambda: process.stopped or not process.alive, self)
        self.happened = one.mark.exists()
        if process.stopped and self.locked:
            process.send(conductors.signal.SIGCONT)
            conductors.wait(lambda: not process.alive, self)
        elif process.stopped and not one.writable():
            # A thread that only looks may have hold of SQLite's file, too.
            process.send(conductors.signal.SIGCONT)
            one.freeze(process)
        answer = one.asked(request, key='once')
        process.send(conductors.signal.SIGCONT)
        conductors.wait(lambda: not process.alive, self)
        busy = answer[1]['errors'][0]['code'] if answer[0] == 409 else ''
        if answer[0] not in (200, 202) and busy != 'hpcdirect.cluster_busy':
            raise AssertionError(f'answered {answer}')
        made = len(one.rows(life.models.Deployment.id)) - before
        # To delete or to cancel twice is the same as once.
        if made != 1 and self.stage.name not in ('delete', 'cancel'):
            raise AssertionError(f'{made} deployments')
        one.start()
        status = one.settled(self.stage.status, 'ERROR')
        if status != self.stage.status:
            raise AssertionError(f'{status} instead of {self.stage.status}')
        one.check(self.stage.whole)


def dealt(places):
    """Every place with each fault, once, or at every stage.

    :param places: stage -> its places.
    """
    load, done, found = collections.Counter(), set(), []
    for stage in life.STAGES:
        for place in places.get(stage.name, ()):
            # A place by itself is no call that could fail.
            for action in ('kill', 'stop', 'error')[:3 if '/' in place else 2]:
                if not soak.SOAK and (place, action) in done:
                    continue
                done.add((place, action))
                can = [stage] if soak.SOAK else [
                    other for other in life.STAGES
                    if place in places.get(other.name, ())]
                there = min(can, key=lambda one: load[one.name])
                load[there.name] += 1
                found.append(Fault(there, place, action))
    if soak.SOAK and SAMPLE:
        others = [one for one in found if one.action != 'kill']
        found = [one for one in found if one.action == 'kill']
        found += random.Random(SEED).sample(  # noqa: S311
            others, min(SAMPLE, len(others)))
    return found


class MatrixTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.launcher = self.useFixture(conductors.Launcher())
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def live(self, **real):
        """A life without faults."""
        self.life = life.Life(self.launcher, history.Site(
            self.folder, self.folder, **real))
        self.life.live()
        return self.life

    def suffered(self, faults, copies, way):
        """Let each fault happen; all ends well.

        :param copies: stage -> what each begins with.
        :param way: what is done then.
        """
        def suffer(numbered):
            number, fault = numbered
            one = history.History(
                self.launcher, copies[fault.stage.name].copy(
                    self.folder / f'{way.__name__}-{number}'),
                **fault.stage.options)
            try:
                way(fault, one)
            except (AssertionError, LookupError, OSError) as exc:
                return (f'{fault}: {type(exc).__name__} {exc}\n'
                        + one.told()[-4000:])
            finally:
                one.kill()
            return ''

        begun = time.monotonic()
        with futures.ThreadPoolExecutor(TOGETHER) as pool:
            wrong = [one for one in pool.map(suffer, enumerate(faults))
                     if one]
        happened = sum(fault.happened for fault in faults)
        print(f'\n{way.__name__}: {len({fault.place for fault in faults})} '
              f'places, {len(faults)} faults, {happened} came about, '
              f'{len(wrong)} went wrong; {time.monotonic() - begun:.0f} s, '
              f'HPCDIRECT_SEED={SEED}')
        self.assertEqual([], wrong, '\n'.join(wrong))
        self.assertGreater(happened, 0.9 * len(faults), '\n'.join(
            str(fault) for fault in faults if not fault.happened))

    @soak.in_turn('matrix')
    def test_conductors(self):
        places = self.live().places
        self.reached(places)
        self.suffered(dealt(places), self.life.copies, Fault.conduct)

    def reached(self, places):
        """A conductor commits nowhere that was not passed."""
        passed = {place.rpartition('/')[0] for found in places.values()
                  for place in found}
        self.assertEqual(ELSEWHERE, {
            place for place in test_failpoints.transactions()
            if place.startswith(OF_CONDUCTORS)} - passed)
        self.assertEqual(set(), {
            'backend.ensure', 'backend.observe', 'backend.delete',
            'runner.carry_out', 'runner.reach', 'runner.stop'} - passed)

    def test_requests(self):
        asked, places = self.live().asked, {}
        for stage in life.STAGES:
            if stage.request:
                one = history.History(self.launcher, asked[stage.name].copy(
                    self.folder / f'places {stage.name}'))
                self.assertLess(one.asked(stage.request, 'log')[0], 300)
                places[stage.name] = one.places()
        self.suffered(dealt(places), asked, Fault.request)

    @soak.only
    @testtools.skipUnless(mariadb.available() and rabbitmq.available(),
                          'MariaDB and RabbitMQ are not installed')
    def test_real_services(self):
        own = self.useFixture(mariadb.Own())
        broker = self.useFixture(rabbitmq.RabbitMQ())
        places = self.live(connection=own.server.url('own'),
                           url=broker.url).places
        self.suffered(dealt(places), self.life.copies, Fault.conduct)
