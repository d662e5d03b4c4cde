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

"""Somebody can write into the database, and has no key: nothing is believed.

The service is whole: HTTP, conductor, key file; only machines are fake.
"""

import contextlib
import json
import pathlib
import shutil
import time

from cryptography import fernet
import fixtures
import sqlalchemy as sa
import testtools

from hpcdirect.db import models
from hpcdirect.keys import KeyRing
from hpcdirect.tests.functional import service

TINY = pathlib.Path(__file__).with_name('tiny')


class Case(testtools.TestCase):
    """A service, and a pen for its database."""

    def setUp(self):
        super().setUp()
        # The elements are carried out nowhere.
        self.blueprints = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        shutil.copytree(TINY, self.blueprints, dirs_exist_ok=True)
        element = self.blueprints / 'elements/mark/element.yaml'
        element.write_text(element.read_text() + 'runner: fake\n')
        self.service = self.useFixture(service.Service(
            backend='fake', runner='fake', directories=(self.blueprints,),
            **self.options()))
        self.engine = sa.create_engine(self.connection(),
                                       poolclass=sa.NullPool)
        self.addCleanup(self.engine.dispose)

    def options(self):
        return {}

    def connection(self):
        return f'sqlite:///{self.service.folder}/db.sqlite'

    def keys(self):
        return self.service.folder / 'keys'

    def write(self, model, where=True, **values):
        """Change rows past the service; how many."""
        with self.engine.begin() as connection:
            return connection.execute(sa.update(model.__table__).where(
                where).values(values)).rowcount

    def read(self, model, where=True):
        """Rows as they are."""
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(
                sa.select(model.__table__).where(where))]

    def machines(self):
        """Names of all machines that there are."""
        try:
            said = json.loads((self.service.folder / 'fake.json').read_text())
        except FileNotFoundError:
            return []
        return sorted(name for one in said.values() for name in one)

    def told(self, words, seconds=60):
        """Wait for an event that says this; its message."""
        end, marker = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            for event in self.service.get(
                    f'/v1/events?marker={marker}&wait=5&limit=1000')['events']:
                marker = event['id']
                if words in event['message']:
                    return event['message']
        raise AssertionError(f'nobody said "{words}"\n' + self.service.log())

    def ask(self, method, path, body=None, status=202):
        answer = self.service.call(method, path, body)
        self.assertEqual(status, answer.status, answer.text)
        return answer.json

    def settled(self, status='ACTIVE'):
        cluster = self.service.settled('demo')
        self.assertEqual(status, cluster['status'], cluster['status_reason'])
        return cluster

    def assertRefused(self, words):
        cluster = self.settled('ERROR')
        self.assertIn(words, cluster['status_reason'])
        self.assertEqual('refused', cluster['failures'][0]['code'])


class WishTest(Case):
    """What is wanted."""

    def test_a_wish_that_is_edited_later_is_refused(self):
        """After it was taken up, while a machine is waited for."""
        self.service.start()
        self.service.create('demo', 'tiny', count=1, delay=600)
        self.told('BUILDING')
        (row,) = self.read(models.Cluster)
        desired = row['desired']
        desired['groups']['node'].append({'name': 'node-7', 'incarnation': 1})
        self.write(models.Cluster, desired=desired)
        self.assertRefused('not what was signed')
        self.assertEqual(['node-0'], self.machines())

    def test_a_wish_that_only_python_takes_for_the_same(self):
        """1, 1.0 and true are equal there; in JSON they are not."""
        self.service.start()
        self.service.create('demo', 'tiny', count=1, delay=600)
        self.told('BUILDING')
        (row,) = self.read(models.Cluster)
        desired = row['desired']
        desired['parameters']['count'] = True
        self.write(models.Cluster, desired=desired)
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))


class StrangerTest(Case):
    """What a conductor cannot judge or do is left to one that can."""

    def left(self, words):
        """It is waiting, says why, and says it once."""
        message = self.told(words)
        cluster, = self.read(models.Cluster)
        self.assertNotEqual('ERROR', cluster['status'])
        self.assertEqual(message, cluster['status_reason'])

    def test_a_key_that_is_not_here(self):
        self.service.start(HPCDIRECT_FAILPOINT='rpc.cast/before')
        with contextlib.suppress(OSError):
            self.service.create('demo', 'tiny', count=1)
        self.service.died()
        good = self.keys().read_bytes()
        self.keys().write_bytes(fernet.Fernet.generate_key())
        self.service.start()
        self.left('the key file here does not have')
        self.assertEqual([], self.machines())
        self.service.stop()
        # As if the key had been added, below.
        with self.keys().open('ab') as file:
            file.write(b'\n' + good)
        self.service.start()
        self.assertEqual('', self.settled()['status_reason'])

    def test_an_operation_of_another_release(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        cluster = self.settled()
        self.ask('POST', f'/v1/clusters/{cluster["id"]}/deployments',
                 {'operation': 'check'})
        self.service.settled('demo')
        self.service.stop()
        # An API of the next release signs with the same key.
        (row,) = self.read(models.Deployment,
                           models.Deployment.operation == 'check')
        row |= {'operation': 'defragment', 'status': 'QUEUED',
                'finished_at': None}
        row['signature'] = KeyRing.load(str(self.keys())).sign(
            models.Deployment(**row).signed_part)
        self.write(models.Deployment, models.Deployment.id == row['id'], **row)
        self.write(models.Cluster, status='UPDATING', due_at=0.0)
        self.service.start()
        self.left('"defragment" is not known here')
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))

    def test_a_backend_that_was_taken_out(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        self.service.stop()
        file = self.service.folder / 'hpcdirect.conf'
        before = file.read_text()
        file.write_text(before.replace('enabled_backends = fake',
                                       'enabled_backends = local'))
        self.service.start()
        self.ask('DELETE', '/v1/clusters/demo')
        self.left('backend "fake" is not among its enabled_backends')
        self.service.stop()
        self.assertNotIn('this is a bug', self.service.log())
        file.write_text(before)
        self.service.start()
        self.assertIsNone(self.service.settled('demo'))


class LostKeyTest(Case):

    def test_a_cluster_is_deleted_without_its_keys(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        self.service.stop()
        self.keys().write_bytes(fernet.Fernet.generate_key())
        self.service.start()
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
        self.assertEqual([], self.machines())
        self.assertNotIn('this is a bug', self.service.log())


class CatalogueTest(Case):
    """A version that changes all the same."""

    def test_a_plan_is_of_the_catalogue_that_it_was_made_from(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        plan = self.ask('POST', '/v1/plans', {'cluster': 'demo', 'change': {
            'node_groups': {'node': {'count': 2}}}}, 200)
        # Only the new machine is to be touched, it says.
        self.assertEqual([['node-1'], ['node-1'], ['node-1']],
                         [step['nodes'] for step in plan['steps']])
        file = self.blueprints / 'elements/mark/apply.yaml'
        file.write_text(file.read_text().replace('hello', 'good day')
                        .replace('Leave a mark', 'Leave another mark'))
        self.service.stop()
        self.service.start()
        answer = self.service.call('PATCH', '/v1/clusters/demo',
                                   {'plan': plan['id']})
        self.assertEqual(409, answer.status, answer.text)
        self.assertIn('is not in the catalogue as it was', answer.text)
        self.assertIn('is not in the catalogue as it was', self.service.get(
            f'/v1/plans/{plan["id"]}')['stale'])
