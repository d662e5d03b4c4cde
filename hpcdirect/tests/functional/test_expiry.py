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


"""Clusters that go by themselves, with a clock that the test sets."""

import datetime
import functools
import pathlib
import time

import fixtures
import testtools

from hpcdirect.conductor.endings import ClusterEnds
from hpcdirect.db import expiry
from hpcdirect.db import models
from hpcdirect.db.models import now
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import stacked
from hpcdirect.tests.functional.test_api_clusters import Case

PATH = '/v1/clusters/demo'
HOUR, DAY = 3600, 86400


def text(moment):
    return moment.isoformat(timespec='seconds') + 'Z'


class ExpiryTests(Case):
    """What a conductor does about it, look by look"""

    def setUp(self):
        super().setUp()
        self.end = now().replace(microsecond=0) + datetime.timedelta(days=9)
        self.at = now()
        self.lifetime = ClusterEnds(self.api.database, self.api.services.keys,
                             (DAY, HOUR), lambda: self.at)
        self.ident = self.api.create(expires_at=text(self.end))['id']
        self.api.settle(self.ident)

    def patch(self, **body):
        answer = self.api.call('PATCH', PATH, body)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json

    def look(self, seconds_before):
        """Have the conductor look; what it tells then."""
        self.at = self.end - datetime.timedelta(seconds=seconds_before)
        return self.again()

    def again(self):
        with self.api.database.read() as session:
            last = max((event.id for event in session.query(models.Event)),
                       default=0)
        self.lifetime.look()
        with self.api.database.read() as session:
            return [event.message for event in session.query(
                models.Event).filter(models.Event.id > last,
                                     models.Event.level == 'warning')]

    def status(self):
        return self.api.call('GET', PATH).json['status']

    def test_warned_of_and_gone(self):
        self.assertEqual([], self.look(DAY + 1))
        told, = self.look(DAY)
        self.assertIn('It goes in 24 hours', told)
        self.assertEqual([], self.look(DAY - 60))
        told, = self.look(HOUR)
        self.assertIn('It goes in 60 minutes', told)
        self.assertEqual([], self.look(1))
        self.assertEqual('ACTIVE', self.status())
        self.assertEqual(['Its time is over; it is being deleted.'],
                         self.look(0))
        view = self.api.call('GET', PATH).json
        self.assertEqual(('DELETING', 'delete', 2), (
            view['status'], view['deployment']['operation'],
            view['generation']))
        with self.api.database.read() as session:
            row = session.get_one(models.Deployment,
                                  view['deployment']['id'])
        self.assertEqual(('someone', ['member', 'reader']),
                         (row.user_id, row.roles))
        self.assertTrue(self.api.services.keys.verify(
            row.signed_part, row.signature))
        self.assertEqual([], self.again())

    def last(self):
        """The latest deployment, as it is shown."""
        ident = self.api.call('GET', PATH).json['deployment']['id']
        return self.api.call('GET', f'/v1/deployments/{ident}').json

    def test_in_whose_name_it_goes(self):
        self.end += datetime.timedelta(days=1)
        self.assertEqual(200, self.api.call(
            'PATCH', PATH, {'expires_at': text(self.end)},
            X_USER_NAME='Ann').status)
        self.look(0)
        self.assertEqual(('delete', 'someone', 'Ann'), tuple(
            self.last()[name] for name in ('operation', 'user_id',
                                           'user_name')))

    def test_as_a_release_before_names_signed_it(self):
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            by = {name: value for name, value in row.expires_by.items()
                  if name not in ('signature', 'user_name')}
            row.expires_by = {**by, 'signature': self.api.services.keys.sign(
                functools.partial(expiry.covered, row, row.expires_at, by))}
        self.look(0)
        self.assertEqual(('delete', 'someone', ''), tuple(
            self.last()[name] for name in ('operation', 'user_id',
                                           'user_name')))

    def test_what_was_missed_is_not_told_late(self):
        told, = self.look(HOUR - 300)
        self.assertIn('It goes in 55 minutes', told)
        self.assertEqual([], self.again())

    def test_more_time(self):
        self.look(HOUR)
        self.end += datetime.timedelta(days=2)
        self.assertEqual(text(self.end)[:-1], self.patch(
            expires_at=text(self.end))['expires_at'][:19])
        self.assertEqual([], self.look(DAY + 1))
        self.assertEqual(1, len(self.look(DAY)))
        self.assertIsNone(self.patch(expires_at=None)['expires_at'])
        self.assertEqual([], self.look(-DAY))
        self.assertEqual('ACTIVE', self.status())

    def test_protected_stays(self):
        self.patch(protected=True)
        self.assertEqual(['Its time is over; it stays, since it is '
                          'protected.'], self.look(0))
        self.assertEqual([], self.look(-DAY))
        self.assertEqual('ACTIVE', self.status())
        self.patch(protected=False)
        self.again()
        self.assertEqual('DELETING', self.status())

    def near(self):
        with self.api.database.read() as session:
            return [seen.id for seen in expiry.near(
                session, self.at, self.lifetime.warnings)]

    def test_what_is_told_does_not_come_back(self):
        for left in (DAY, HOUR):
            self.assertEqual(1, len(self.look(left)))
            self.assertEqual([], self.near())
        self.patch(protected=True)
        self.assertEqual(1, len(self.look(0)))
        self.assertEqual([], self.near())
        self.patch(protected=False)
        self.assertEqual([self.ident], self.near())
        self.assertEqual(1, len(self.again()))
        self.assertEqual([], self.near())

    def test_one_that_was_deleted_before(self):
        self.assertEqual(202, self.api.call('DELETE', PATH).status)
        self.assertEqual([], self.look(HOUR))
        self.assertEqual([], self.near())
        self.assertEqual([], self.look(0))

    def test_a_time_that_nobody_signed(self):
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            row.expires_at = self.end - datetime.timedelta(days=1)
        told, = self.look(0)
        self.assertIn('it stays', told)
        self.assertEqual('ACTIVE', self.status())
        self.assertEqual([], self.near())

    def test_two_conductors(self):
        other = ClusterEnds(self.api.database, self.api.services.keys,
                       (DAY, HOUR), lambda: self.at)
        for left in (HOUR, 0):
            self.at = self.end - datetime.timedelta(seconds=left)
            self.race(2, lambda number: (self.lifetime, other)[number].look())
        with self.api.database.read() as session:
            self.assertEqual(2, session.query(models.Event).filter_by(
                level='warning').count())
            self.assertEqual(2, session.query(models.Deployment).count())

    def test_times_that_cannot_be(self):
        for wrong in ('soon', '2020-01-01T00:00:00Z', '2026-13-01T00:00:00Z',
                      5, ''):
            answer = self.api.call('PATCH', PATH, {'expires_at': wrong})
            self.assertEqual(400, answer.status, wrong)
            self.assertIn('$.expires_at', answer.findings)
        self.assertEqual(200, self.api.call('PATCH', PATH, {
            'expires_at': '2999-01-01T00:00:00+02:00'}).status)
        self.assertEqual(
            '2998-12-31T22:00:00.000000Z',
            self.api.call('GET', PATH).json['expires_at'])


class MariaDBExpiryTests(ExpiryTests):
    """The same on MariaDB"""

    def connection(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        return self.useFixture(mariadb.MariaDB()).url


class ServiceExpiryTest(testtools.TestCase):
    """A whole service, and the time of day"""

    def test_it_goes(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        stacked.write(folder, 'fake')
        running = self.useFixture(service.Service(
            backend='fake', runner='fake', directories=(folder,))).start()
        running.create('demo', 'stacked', disk=0)
        cluster = running.settled('demo')
        end = time.time() + 3
        answer = running.call('PATCH', PATH, {
            'expires_at': datetime.datetime.fromtimestamp(
                end, datetime.UTC).isoformat()})
        self.assertEqual(200, answer.status, answer.text)
        self.assertIsNone(running.settled('demo', statuses=()))
        self.assertEqual(
            ['It goes in less than two minutes', 'Its time is over'],
            [event['message'].rpartition(
                ', at' if 'goes' in event['message'] else ';')[0]
             for event in running.events(cluster['id'], level='warning')])
