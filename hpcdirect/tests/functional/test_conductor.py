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

"""What a conductor refuses, waits for and gives up on; machines are fake."""

import contextlib
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys

import fixtures
import testtools

from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import service

TINY = pathlib.Path(__file__).with_name('tiny')


class ConductorTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='fake', runner='ansible,fake', directories=(TINY,),
            conductor={'provision_timeout': 2}))

    def committed(self, **parameters):
        """A cluster that the API has written and no conductor has seen."""
        self.service.start(HPCDIRECT_FAILPOINT='rpc.cast/before')
        with contextlib.suppress(OSError):
            self.service.create('demo', 'tiny', **parameters)
        self.service.died()

    def edit(self, statement, *values):
        with sqlite3.connect(self.service.folder / 'db.sqlite') as database:
            database.execute(statement, values)
        database.close()

    def machines(self):
        return fakes.machines(self.service.folder)

    def assertRefused(self, words):
        self.service.start()
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn(words, cluster['status_reason'])
        self.assertEqual('refused', cluster['failures'][0]['code'])
        self.assertEqual({}, self.machines())

    def test_a_row_with_other_roles_is_refused(self):
        self.committed()
        self.edit('UPDATE deployments SET roles = ?', '["admin"]')
        self.assertRefused('not signed')

    def test_another_wish_than_was_signed_is_refused(self):
        self.committed(count=1)
        with sqlite3.connect(self.service.folder / 'db.sqlite') as database:
            (text,), = database.execute('SELECT desired FROM clusters')
        database.close()
        desired = json.loads(text)
        desired['groups']['node'].append({'name': 'node-7', 'incarnation': 1})
        self.edit('UPDATE clusters SET desired = ?', json.dumps(desired))
        self.assertRefused('not what was signed')

    def test_roles_that_may_no_longer_are_refused(self):
        self.committed()
        policy = self.service.folder / 'policy.yaml'
        policy.write_text('"hpcdirect:clusters:create": "role:nobody"\n')
        configuration = self.service.folder / 'hpcdirect.conf'
        configuration.write_text(
            configuration.read_text()
            + f'[oslo_policy]\npolicy_file = {policy}\n')
        self.assertRefused('Policy does not allow')

    def test_a_machine_that_fails_is_named(self):
        self.service.start()
        self.service.create('demo', 'tiny', fail=True)
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertEqual(
            {('node-0', 'node_failed', 'It was told to fail.'),
             ('node-1', 'node_failed', 'It was told to fail.')},
            {(one['node'], one['code'], one['message'])
             for one in cluster['failures']})
        self.service.call('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
        self.assertEqual({}, self.machines())

    def test_a_machine_that_never_comes_is_given_up(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1, delay=600)
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertEqual('node-0', cluster['failures'][0]['node'])
        self.assertIn('provision, node-0: The machine was not up within 2 s',
                      cluster['status_reason'])


class WatchTest(testtools.TestCase):
    """Machines change behind our back; nodes are replaced on demand."""

    def setUp(self):
        super().setUp()
        # The same blueprint, with elements that are carried out nowhere.
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        shutil.copytree(TINY, folder, dirs_exist_ok=True)
        element = folder / 'elements/mark/element.yaml'
        element.write_text(element.read_text() + 'runner: fake\n')
        self.service = self.useFixture(service.Service(
            backend='fake', runner='fake', directories=(folder,),
            conductor={'watch_interval': 0.3})).start()
        self.service.create('demo', 'tiny', count=2)
        self.cluster = self.service.settled('demo')
        self.assertEqual('ACTIVE', self.cluster['status'])

    def machines(self, change):
        """Let somebody else change what is there."""
        fakes.change(self.service.folder, change)

    def nodes(self):
        return {node['name']: node for node in self.service.get(
            '/v1/clusters/demo/nodes')['nodes']}

    def retried(self):
        self.service.call('POST', '/v1/clusters/demo/deployments',
                          {'operation': 'retry'})
        cluster = self.service.settled('demo')
        self.assertEqual(('ACTIVE', ''), (cluster['status'],
                                          cluster['status_reason']))
        return self.service.get('/v1/deployments/{id}'.format(
            **cluster['deployment']))

    def test_a_machine_that_vanishes_is_told_of_and_made_again(self):
        before = self.nodes()
        self.machines(lambda clusters: [
            machines.pop('node-1') for machines in clusters.values()])
        cluster = self.service.settled('demo', 30, ('DEGRADED',))
        self.assertIn('node-1: the machine is gone.',
                      cluster['status_reason'])
        nodes = self.nodes()
        self.assertEqual('FAILED', nodes['node-1']['status'])
        self.assertEqual(before['node-0'], nodes['node-0'])
        self.assertIn('error', [
            event['level'] for event in self.service.events(cluster['id'])
            if event['kind'] == 'node' and event['node'] == 'node-1'])
        done = self.retried()
        self.assertIn(('provision', ['node-1']), [
            (step['kind'], step['nodes']) for step in done['steps']])
        # The new machine gets its layers; nobody else is touched.
        for step in done['steps']:
            self.assertEqual(['node-1'], step['nodes'])
            # Such a step ended well before.
            self.assertIsNotNone(step['expected'], step)
        first = self.service.get('/v1/deployments/{id}'.format(
            **self.cluster['deployment']))
        self.assertEqual({None}, {
            step['expected'] for step in first['steps']})
        self.assertIn('apply', {step['kind'] for step in done['steps']})

    def test_all_of_it_vanishes(self):
        self.machines(dict.clear)
        cluster = self.service.settled('demo', 30, ('DEGRADED',))
        self.assertIn('everything of this cluster is gone',
                      cluster['status_reason'])
        self.retried()
        self.service.call('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))

    def test_another_machine_in_its_place_gets_every_layer(self):
        def swap(clusters):
            for machines in clusters.values():
                machines['node-0'] |= {'number': 9000, 'seed': 'other'}

        before = self.nodes()['node-0']
        self.machines(swap)
        self.service.settled('demo', 30, ('DEGRADED',))
        done = self.retried()
        self.assertEqual({'apply', 'verify'},
                         {step['kind'] for step in done['steps']})
        self.assertNotEqual(before['ref'], self.nodes()['node-0']['ref'])

    def test_a_node_is_replaced(self):
        answer = self.service.call('PATCH', '/v1/clusters/demo', {
            'node_groups': {'node': {'replace': ['node-1', 'node-7']}}})
        self.assertEqual(400, answer.status)
        self.assertIn('node-7', answer.text)
        answer = self.service.call('PATCH', '/v1/clusters/demo', {
            'node_groups': {'node': {'replace': ['node-1']}}})
        self.assertEqual(202, answer.status, answer.text)
        self.assertEqual('ACTIVE', self.service.settled('demo')['status'])
        nodes = self.nodes()
        self.assertEqual((1, 2), (nodes['node-0']['incarnation'],
                                  nodes['node-1']['incarnation']))

    def test_a_cloud_that_was_away_is_asked_again(self):
        self.service.create('late', 'tiny', count=1, away=1)
        cluster = self.service.settled('late')
        self.assertEqual('ACTIVE', cluster['status'])
        self.assertIn('fake: it was told to be away Trying again.', [
            event['message'] for event in self.service.events(cluster['id'])])

    def test_leftovers_are_told_of_and_swept(self):
        self.machines(lambda clusters: clusters.update({
            'fake-of-nobody': {'node-0': {
                'incarnation': 1, 'number': 77, 'up_at': 0.0, 'fail': False,
                'seed': 'x'}}}))
        command = [sys.executable, '-c', 'from hpcdirect.cmd import manage; '
                   'raise SystemExit(manage.main())', '--config-file',
                   str(self.service.folder / 'hpcdirect.conf'), 'leftovers']
        deleted = self.service.create('gone', 'tiny', count=1)['id']
        self.service.settled('gone')
        self.service.call('DELETE', '/v1/clusters/gone')
        self.assertIsNone(self.service.settled('gone'))
        self.machines(lambda clusters: clusters.update({
            f'fake-{deleted}': clusters['fake-of-nobody']}))

        def run(*options, answer='', code=0):
            """Cluster of what is listed -> why it stays."""
            done = subprocess.run([*command, *options], capture_output=True,
                                  text=True, input=answer)
            self.assertEqual(code, done.returncode, done.stderr)
            return {line.split()[1]: ' '.join(line.split()[4:])
                    for line in done.stdout.splitlines()}

        young = run('--sweep', '--yes')
        self.assertEqual('not known here', young.pop('of-nobody'))
        self.assertIn('first seen', young.pop(deleted))
        self.assertEqual({}, young)
        ripe = ('--older-than', '0')
        both = {'of-nobody': 'not known here', deleted: 'may be swept'}
        for options, answer, code in (
                ((), '', 0), (('--sweep',), '', 1), (('--sweep',), 'y\n', 1),
                (('--sweep', '--max', '0', '--yes'), '', 1)):
            self.assertEqual(both, run(*ripe, *options, answer=answer,
                                       code=code))
        run(*ripe, '--sweep', answer='sweep 1\n')
        # What another installation made is there until it is named.
        self.assertEqual({'of-nobody'}, set(run(*ripe, '--sweep', '--yes')))
        run('--sweep', '--yes', '--only', 'of-nobody')
        self.assertEqual({}, run())
        # What belongs to a cluster that is alive was left alone.
        self.assertEqual(['UP', 'UP'], [node['status'] for node
                                        in self.nodes().values()])
