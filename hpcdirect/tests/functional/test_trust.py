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
import subprocess
import time

from cryptography import fernet
import fixtures
import sqlalchemy as sa
import testtools

from hpcdirect import processes
from hpcdirect import signing
from hpcdirect.db import migration
from hpcdirect.db import models
from hpcdirect.db.plans import Plan
from hpcdirect.keys import KeyRing
from hpcdirect.planning.state import State
from hpcdirect.runners.ansible import family
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import test_secrets
from hpcdirect.tests.functional import test_waves

TINY = pathlib.Path(__file__).with_name('tiny')


TRIGGER = """
    CREATE TRIGGER at_{0} AFTER {0} ON nodes BEGIN
    UPDATE nodes SET address = '203.0.113.66',
                     ssh = replace(ssh, address, '203.0.113.66')
    WHERE id = NEW.id; END"""


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
            backend='fake', runner='fake,ansible',
            directories=(self.blueprints,), **self.options()))
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

    def edit(self, model, change, where=True, column='desired'):
        """Change JSON past the service, in every row that is meant."""
        rows = self.read(model, where)
        assert rows
        for row in rows:
            value = row[column]
            if isinstance(value, State):
                value = value.to_json()
            change(value)
            self.write(model, model.id == row['id'], **{
                column: sa.type_coerce(value, sa.JSON)})

    def until(self, true, seconds=300):
        """Wait until it is so."""
        end = time.monotonic() + seconds
        while not true():
            self.assertLess(time.monotonic(), end, self.service.log())
            time.sleep(0.05)

    def read(self, model, where=True):
        """Rows as they are."""
        with self.engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(
                sa.select(model.__table__).where(where))]

    def machines(self):
        """Names of all machines that there are."""
        said = fakes.machines(self.service.folder)
        return sorted(name for one in said.values() for name in one)

    def told(self, words, seconds=300):
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
        def create():
            # The second one wakes the conductor, and is no more than that.
            answer = self.service.call('POST', '/v1/clusters', {
                'name': 'demo', 'blueprint': 'tiny', 'parameters': {
                    'count': 1, 'delay': 600}}, **{'Idempotency-Key': 'one'})
            self.assertEqual(202, answer.status, answer.text)

        self.service.start()
        create()
        self.told('BUILDING')
        self.edit(models.Cluster, lambda desired: desired['groups'][
            'node'].append({'name': 'node-7', 'incarnation': 1}))
        create()
        self.assertRefused('not what was signed')
        self.assertEqual(['node-0'], self.machines())

    def test_a_wish_that_only_python_takes_for_the_same(self):
        """1, 1.0 and true are equal there; in JSON they are not."""
        self.service.start()
        self.service.create('demo', 'tiny', count=1, delay=600)
        self.told('BUILDING')
        self.edit(models.Cluster, lambda desired: desired[
            'parameters'].update(count=True))
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))


    def test_nothing_is_built_on_a_wish_that_nobody_signed(self):
        """It is edited while the cluster rests; its owner comes later."""
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        self.edit(models.Cluster, lambda desired: desired['groups'][
            'node'].append({'name': 'node-7', 'incarnation': 1}))
        for method, path, body in (
                ('PATCH', '', {'parameters': {'word': 'bye'}}),
                ('PATCH', '', {'node_groups': {'node': {'count': 2}}}),
                ('POST', '/deployments', {'operation': 'retry'}),
                ('POST', '/deployments', {'operation': 'check'})):
            answer = self.ask(method, f'/v1/clusters/demo{path}', body, 409)
            self.assertEqual('hpcdirect.not_as_signed',
                             answer['errors'][0]['code'])
        self.ask('POST', '/v1/clusters', {
            'name': 'twin', 'clone': {'cluster': 'demo'}}, 400)
        # What its owner did ask for can be had again.
        self.ask('PATCH', '/v1/clusters/demo', {'generation': 1})
        self.settled()
        self.assertEqual(['node-0'], self.machines())

    def test_it_goes_all_the_same(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        self.edit(models.Cluster, lambda desired: desired['parameters'].update(
            word='evil'))
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
        for row in self.read(models.Generation):
            self.assertEqual(row['generation'] == 2,
                             'word' not in row['desired'].parameters)

    def test_a_generation_that_nobody_signed(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        self.ask('PATCH', '/v1/clusters/demo', {'parameters': {'word': 'b'}})
        self.settled()
        self.edit(models.Generation, lambda desired: desired[
            'parameters'].update(word='evil'),
            models.Generation.generation == 1)
        for method, path, body in (
                ('PATCH', '/v1/clusters/demo', {'generation': 1}),
                ('POST', '/v1/clusters', {'name': 'twin', 'clone': {
                    'cluster': 'demo', 'generation': 1}})):
            self.assertIn('is not recorded as it was signed', json.dumps(
                self.ask(method, path, body, 400)))

    def test_a_plan_that_is_written_past_the_service(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        made = [self.ask('POST', '/v1/plans', {'cluster': 'demo', 'change': {
            'node_groups': {'node': {'count': count}}}}, 200)
            for count in (2, 3)]
        other, = self.read(Plan, Plan.id == made[1]['id'])
        for change, status in (({'parameters': {'word': 'evil'}}, 409),
                               (other['change'], 503)):
            self.write(Plan, Plan.id == made[0]['id'],
                       change=change)
            self.ask('PATCH', '/v1/clusters/demo', {'plan': made[0]['id']},
                     status)


class MariaDBWishTest(Case):
    """Some of it on MariaDB."""

    def options(self):
        self.url = self.useFixture(mariadb.MariaDB()).url
        migration.upgrade(databases.configuration(self.url))
        return {'database': {'connection': self.url}}

    def connection(self):
        return self.url

    test_edited = WishTest.test_a_wish_that_is_edited_later_is_refused
    test_nothing_is_built_on_it = (
        WishTest.test_nothing_is_built_on_a_wish_that_nobody_signed)


class NodesTest(Case):
    """What is recorded of nodes."""

    def test_addresses_are_the_backends_word(self):
        file = self.blueprints / 'elements/mark/element.yaml'
        file.write_text(file.read_text() + 'outputs: {where: {role: node, '
                        'fact: address}}\n')
        self.service.start()
        with self.engine.begin() as connection:
            for event in ('INSERT', 'UPDATE'):
                # Faster than anybody could look.
                connection.exec_driver_sql(TRIGGER.format(event))
        self.service.create('demo', 'tiny', count=1)
        outputs = self.settled()['outputs']
        row, = self.read(models.Node)
        self.assertEqual('203.0.113.66', row['address'])
        self.assertNotEqual('203.0.113.66', outputs['mark.where'])

    def test_machines_of_another_cluster_are_not_deleted(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        self.service.create('other', 'tiny', count=2)
        self.assertEqual('ACTIVE', self.service.settled('other')['status'])
        theirs, = self.read(models.Cluster, models.Cluster.name == 'other')
        self.write(models.Cluster, models.Cluster.name == 'demo',
                   backend_ref=theirs['backend_ref'])
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
        self.assertEqual(['node-0', 'node-1'], self.machines())

    def test_a_process_is_ended_only_when_a_conductor_wrote_it_down(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1, delay=600)
        self.told('BUILDING')
        self.service.kill()
        sleeper = subprocess.Popen(
            ['sleep', '600'], start_new_session=True,
            env={family.MARK: family.NEW})
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        deployment, = self.read(models.Deployment)
        process = {'pid': sleeper.pid, 'host': processes.place(),
                   'started': processes.started(sleeper.pid)}
        other = signing.Notes(KeyRing.load(str(self.keys())), 'another')
        with self.engine.begin() as connection:
            for number, written in enumerate((process,
                                              other.process(process))):
                connection.execute(sa.insert(models.Run.__table__).values(
                    id=f'run-{number}', deployment_id=deployment['id'],
                    cluster_id=deployment['cluster_id'], project_id='ours',
                    step_id='', verb='apply', element='mark', nodes=[],
                    status='RUNNING', summary={}, log_size=0,
                    runner='ansible', created_at=models.now(),
                    process=written))
        self.service.start()
        self.until(lambda: {'INTERRUPTED'} == {
            row['status'] for row in self.read(models.Run)})
        self.assertIsNone(sleeper.poll())


class LayersTest(Case):
    """What stands on nodes, and how it is taken off again."""

    def setUp(self):
        super().setUp()
        test_waves.write(self.blueprints)

    def edited(self, inputs):
        inputs['variables']['value'] = 666

    def test_what_is_taken_off(self):
        """Its variables are from the time when it was put on."""
        self.service.start()
        self.service.create('demo', 'waves', count=2)
        self.settled()
        self.edit(models.Layer, self.edited, models.Layer.element == 'tool',
                  column='inputs')
        self.ask('PATCH', '/v1/clusters/demo', {'parameters': {'kind': 2}})
        self.assertRefused('is not recorded as a conductor wrote it')

    def test_what_is_put_back(self):
        self.service.start()
        self.service.create('demo', 'waves', count=2)
        self.settled()
        self.service.stop()
        self.service.start(HPCDIRECT_FAILPOINT='db.deployment_writer.DeploymentWriter.halt/after')
        self.ask('PATCH', '/v1/clusters/demo', {'parameters': {
            'value': 2, 'fake_fail': ['apply worker-0']}})
        self.service.died()
        self.edit(models.Node, lambda before: [
            self.edited(entry['inputs']) for entry in before
            if entry['element'] == 'tool'],
            models.Node.before.is_not(None), column='before')
        self.service.start()
        self.assertRefused('is not recorded as a conductor wrote it')


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

    @contextlib.contextmanager
    def without(self, kind, enabled, others):
        """A cluster, then a service that lacks a plugin; mends it again."""
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        self.service.stop()
        file = self.service.folder / 'hpcdirect.conf'
        before, option = file.read_text(), f'enabled_{kind}s'
        lacking = before.replace(f'{option} = {enabled}',
                                 f'{option} = {others}')
        self.assertNotEqual(before, lacking)
        file.write_text(lacking)
        self.service.start()
        yield
        self.left(f'{kind} "fake" is not among its {option}')
        self.service.stop()
        self.assertNotIn('this is a bug', self.service.log())
        file.write_text(before)
        self.service.start()

    def test_a_backend_that_was_taken_out(self):
        with self.without('backend', 'fake', 'local'):
            self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))

    def test_a_runner_that_was_taken_out(self):
        with self.without('runner', 'fake,ansible', 'ansible'):
            self.ask('PATCH', '/v1/clusters/demo', {'parameters': {
                'count': 2}})
        self.assertEqual('', self.settled()['status_reason'])


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


class RotationTest(Case):
    """Keys are replaced while everything runs."""

    def test_from_the_release_before(self):
        test_secrets.write(self.blueprints, 'fake')
        configuration = self.service.folder / 'hpcdirect.conf'
        text = configuration.read_text()
        configuration.write_text(text.replace(
            '[DEFAULT]\n', '[DEFAULT]\nkey_scheme = 1\n'))
        self.service.start()
        given = {'word': 'a-word-of-people', 'plain': 'x'}
        self.service.create('demo', 'cage', **given)
        self.settled()
        self.service.stop()
        configuration.write_text(text)
        old = self.keys().read_bytes().strip()
        self.assertNotIn('.', self.read(models.Deployment)[0]['signature'])
        self.edit(models.Layer, lambda inputs: inputs.pop('signature'),
                  column='inputs')
        new = fernet.Fernet.generate_key()
        self.keys().write_bytes(new + b'\n' + old)
        code, said = self.service.manage('reseal')
        self.assertEqual(1, code, said)
        self.assertIn('layers: 0 made anew, 0 were well, 1 left', said)
        code, said = self.service.manage('reseal', '--adopt-unsigned')
        self.assertEqual(0, code, said)
        self.keys().write_bytes(new)
        self.service.start()
        # The same secret is no change; another one is.
        self.ask('PATCH', '/v1/clusters/demo', {'parameters': given}, 200)
        self.ask('PATCH', '/v1/clusters/demo', {'parameters': {
            **given, 'word': 'another-word'}})
        self.settled()
        self.ask('PATCH', '/v1/clusters/demo', {'generation': 1})
        self.settled()
