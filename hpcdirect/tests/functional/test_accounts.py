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

"""Accounts on a cluster that is there, as the conductor sees to them."""

import dataclasses
import datetime
import pathlib
import time

import fixtures
import testtools

from hpcdirect.conductor.endings import AccountEnds
from hpcdirect.db import models
from hpcdirect.db.ledger import Ledger
from hpcdirect.planning.state import Account
from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional.test_api_clusters import Case
from hpcdirect.tests.unit.blueprints import folders

PATH = '/v1/clusters/demo'


#: One that makes accounts, and may fail to.
FALLIBLE = folders.changed(
    api.PEOPLE, 'parameters', 'properties', to={
        **api.PEOPLE['parameters']['properties'],
        'fake_delay': {'type': 'number', 'default': 0},
        'fake_fail': {'type': 'array', 'default': []}})


class ExpiryTests(Case):
    """What a conductor does about it, with a clock that the test sets"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        self.api.settle(self.ident)
        self.patch('', elements={'people': {}})
        self.end = models.now() + datetime.timedelta(days=9)
        self.patch('', users={
            'bob': {'expires_at': self.text()}, 'ann': {},
            'eve': {'expires_at': self.text(days=1)}})
        self.expiry = self.conductor()

    def text(self, **after):
        """The time of bob's end, or one after it."""
        moment = self.end + datetime.timedelta(**after)
        return moment.isoformat() + 'Z'

    def conductor(self):
        return AccountEnds(self.api.database, self.api.services.keys,
                           self.api.services.policy, self.api.services.pins)

    def patch(self, path, **body):
        answer = self.api.call('PATCH', f'{PATH}{path}', body,
                               X_USER_NAME='Ann')
        self.assertEqual(202, answer.status, answer.body)
        self.api.settle(self.ident)

    def look(self, **after):
        """Have the conductor look at a time after bob's; what it says."""
        with self.api.database.read() as session:
            last = max(event.id for event in session.query(models.Event))
        self.expiry.carry_out(
            Ledger(self.api.database, self.ident, 0).snapshot(),
            self.end + datetime.timedelta(**after))
        with self.api.database.read() as session:
            return [event.message for event in session.query(
                models.Event).filter(models.Event.id > last,
                                     models.Event.level == 'warning')]

    def states(self):
        return {one['name']: one['state'] for one in self.api.call(
            'GET', f'{PATH}/users').json['users']}

    def test_one_after_the_other(self):
        self.assertEqual([], self.look(seconds=-1))
        self.assertEqual(['The time of these users is over: bob'],
                         self.look())
        self.assertEqual({'ann': 'on', 'bob': 'off', 'eve': 'on'},
                         self.states())
        view = self.api.call('GET', PATH).json
        self.assertEqual(('UPDATING', 4, 'update'), (
            view['status'], view['generation'],
            view['deployment']['operation']))
        with self.api.database.read() as session:
            row = session.get_one(models.Deployment,
                                  view['deployment']['id'])
        self.assertEqual(('someone', 'Ann', ['member', 'reader']),
                         (row.user_id, row.user_name, row.roles))
        self.assertTrue(self.api.services.keys.verify(
            row.signed_part, row.signature))
        # Something is under way; later there is nothing to be done.
        self.assertEqual([], self.look(days=1))
        self.api.settle(self.ident)
        self.assertEqual([], self.look(hours=1))
        self.assertEqual(['The time of these users is over: eve'],
                         self.look(days=1))

    def test_who_is_looked_at_next(self):
        rest = self.expiry.rest(self.ident, self.end - datetime.timedelta(
            seconds=60))
        self.assertEqual(60, rest)
        self.assertGreater(self.expiry.rest(self.ident, self.end), 0)
        self.look(days=1)
        self.assertIsNone(self.expiry.rest(self.ident, self.end))
        self.assertIsNone(self.expiry.rest('none', self.end))

    def test_what_nobody_signed(self):
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            row.desired = dataclasses.replace(row.desired, users={
                **row.desired.users, 'tom': Account(
                    1000, sudo=True, keys=('mine',))})
        told, = self.look()
        self.assertIn('is not what was signed', told)
        self.assertEqual('on', self.states()['bob'])
        self.assertEqual([], self.look())
        self.assertEqual(3, self.count(models.Deployment))

    def test_an_order_that_was_changed(self):
        with self.api.database.write() as session:
            for row in session.query(models.Deployment):
                row.roles = ['admin']
        told, = self.look()
        self.assertIn('not signed', told)

    def test_one_at_fault_is_left_alone(self):
        self.api.settle(self.ident, 'ERROR')
        self.assertEqual([], self.look())
        self.assertEqual('on', self.states()['bob'])

    def test_two_conductors(self):
        both = self.expiry, self.conductor()
        seen = Ledger(self.api.database, self.ident, 0).snapshot()
        self.assertEqual([False, True], sorted(self.race(
            2, lambda number: both[number].carry_out(seen, self.end))))
        self.assertEqual(4, self.count(models.Deployment))


class MariaDBExpiryTests(ExpiryTests):
    """The same on MariaDB"""

    def connection(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        return self.useFixture(mariadb.MariaDB()).url


class AccountsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        # Nobody looks after its machines; that must not matter.
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        folders.write_tree(folder, folders.changed(
            api.BLUEPRINT, 'volumes', to={}), tuple(
                {**element, 'runner': 'fake'} for element in (
                    folders.MUNGE, folders.SLURM, FALLIBLE)))
        self.folder = folder
        self.service = self.useFixture(service.Service(
            backend='fake', runner='fake', directories=(folder,),
            conductor={'watch_interval': 0})).start()
        self.cluster = self.service.create('demo', 'small')
        self.settled()

    def settled(self):
        cluster = self.service.settled('demo')
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        return cluster

    def change(self, method, path, body=None):
        answer = self.service.call(method, f'/v1/clusters/demo{path}', body)
        self.assertEqual(202, answer.status, answer.text)
        return self.settled()

    def test_one_layer_and_its_time(self):
        self.change('PATCH', '', {'elements': {'people': {}}})
        marker = self.last()
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(
            seconds=3)
        cluster = self.change('POST', '/users', {
            'name': 'bob', 'expires_at': soon.isoformat()})
        self.assertEqual({'people'}, {
            event['element'] for event in self.service.events(
                cluster['id']) if event['id'] > marker
            and event['kind'] == 'task'})
        event = self.told_of('The time of these users is over: bob')
        self.service.settled('demo')
        self.assertEqual('off', self.service.get(
            '/v1/clusters/demo/users/bob')['state'])
        self.assertGreaterEqual(
            datetime.datetime.fromisoformat(event['at']), soon)
        # Somebody gives it more time.
        self.change('PATCH', '/users/bob', {'expires_at': None})
        self.assertEqual('on', self.service.get(
            '/v1/clusters/demo/users/bob')['state'])

    def where(self):
        """User -> nodes on which the account is to be, is, and may be."""
        return {one['name']: tuple(one['nodes'].values())
                for one in self.service.get(
                    '/v1/clusters/demo/users?gone=true')['users']}

    def ask(self, status='ACTIVE', **wish):
        answer = self.service.call('PATCH', '/v1/clusters/demo', wish)
        self.assertEqual(202, answer.status, answer.text)
        cluster = self.service.settled('demo')
        self.assertEqual(status, cluster['status'])
        return cluster['generation']

    def set_people(self, **values):
        return {'people': {'parameters': values}}

    def test_on_how_many_nodes_everybody_is(self):
        before = self.ask(elements={'people': {}})
        # Many come in one request, which is one change.
        self.assertEqual(before + 1, self.ask(
            users={name: {} for name in ('ann', 'bob', 'eve')}))
        self.assertEqual(dict.fromkeys(('ann', 'bob', 'eve'), (3, 3, 0)),
                         self.where())
        # They come, are changed and go together. One node is left behind: it
        # cannot be told what is there.
        self.assertEqual(before + 2, self.ask(
            'ERROR', users={'tom': {}, 'ann': {'sudo': True}, 'bob': None},
            elements=self.set_people(fake_fail=['apply compute-1'])))
        self.assertEqual(dict.fromkeys(('ann', 'bob', 'eve', 'tom'),
                                       (3, 2, 0)), self.where())
        self.ask(elements=self.set_people(fake_fail=[]))
        self.assertEqual({(3, 3, 0)}, set(self.where().values()))

    def test_what_stands_there_of_an_element_that_is_another_now(self):
        self.ask(elements={'people': {}})
        self.ask(users={'ann': {}})
        old = self.service.get('/v1/elements/people')['digest']
        file = self.folder / 'elements' / 'people' / 'apply.yaml'
        file.write_text('- ansible.builtin.debug: {msg: otherwise}\n')
        folders.noticed(self.folder, lambda: [
            one['name'] for one in self.service.get('/v1/elements')[
                'elements']])
        self.assertNotEqual(old, self.service.get('/v1/elements/people')[
            'digest'])
        self.assertEqual({'ann': (3, 3, 0)}, self.where())

    def test_while_they_are_being_changed(self):
        self.ask(elements={'people': {}})
        answer = self.service.call('PATCH', '/v1/clusters/demo', {
            'users': {'ann': {}},
            'elements': self.set_people(fake_delay=600)})
        self.assertEqual(202, answer.status, answer.text)
        end = time.monotonic() + 60
        while self.where() != {'ann': (3, 0, 3)}:
            self.assertLess(time.monotonic(), end, self.where())
            self.service.get(f'/v1/events?cluster={self.cluster["id"]}&'
                             f'wait=1&marker={self.last()}')

    def last(self):
        return self.service.events(self.cluster['id'])[-1]['id']

    def told_of(self, message):
        """Wait for an event that says so."""
        end, marker = time.monotonic() + 60, 0
        while time.monotonic() < end:
            for event in self.service.get(
                    f'/v1/events?cluster={self.cluster["id"]}&wait=5&'
                    f'marker={marker}&limit=1000')['events']:
                marker = event['id']
                if event['message'] == message:
                    return event
        raise AssertionError(f'nobody said: {message}')
