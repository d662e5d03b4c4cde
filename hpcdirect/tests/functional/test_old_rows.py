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

"""Rows that were right once, and are put back: with them nothing is done.

Somebody can write into the database and has no key, but has kept what the
service itself once wrote and signed.
"""

import datetime
import os

import sqlalchemy as sa
import testtools

from hpcdirect.db import models
from hpcdirect.db.plans import Plan
from hpcdirect.keys import KeyRing
from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import test_trust
from hpcdirect.tests.functional import test_waves

#: What is signed of a cluster, or goes with it; what refers to others last.
TABLES = (models.Cluster, models.Generation, models.Deployment, models.Step,
          models.Run, models.Node, models.Layer, models.Secret, Plan)


class Rows:
    """What a cluster's rows were like at some time."""

    def __init__(self, case):
        self.case = case
        self.rows = {model: case.read(model) for model in TABLES}

    def put_back(self, **cluster):
        """All of them, in the place of what is there now.

        :param cluster: what is not as it was; the lease is as it is.
        """
        now, = self.case.read(models.Cluster)
        with self.case.engine.begin() as connection:
            for model in reversed(TABLES):
                if model is not models.Cluster:
                    connection.execute(sa.delete(model.__table__))
            for model, rows in self.rows.items():
                for row in rows:
                    if model is models.Cluster:
                        connection.execute(sa.update(model.__table__).values({
                            **row, 'epoch': now['epoch'], **cluster}))
                    else:
                        connection.execute(
                            sa.insert(model.__table__).values(row))

    def again(self, **cluster):
        """The same, to be carried out again."""
        newest = max(self.rows[models.Deployment],
                     key=lambda row: row['created_at'])
        newest |= {'status': 'QUEUED', 'started_at': None,
                   'finished_at': None}
        self.rows[models.Step] = []
        self.put_back(**{'status': 'UPDATING', 'due_at': 0.0, **cluster})


class Case(test_trust.Case):

    def patch(self, **body):
        self.ask('PATCH', '/v1/clusters/demo', body)
        return self.settled()

    def made(self, count):
        """A cluster "demo" of so many nodes; its rows as they are then."""
        self.service.start()
        self.service.create('demo', 'tiny', count=count)
        self.settled()
        return Rows(self)

    def scale(self, count):
        return self.patch(node_groups={'node': {'count': count}})

    def assertReplayed(self, words):
        """Refused: as a deployment, and of the cluster."""
        cluster = self.settled('ERROR')
        self.assertIn(words, cluster['status_reason'])
        failure, = cluster['failures']
        self.assertEqual('replayed', failure['code'])
        self.assertIn('Tell the operator', failure['hint'])
        return cluster


class WishTest(Case):
    """What was wanted."""

    def test_machines_that_were_not_there_yet_stay(self):
        before = self.made(1)
        self.scale(3)
        before.again()
        self.assertReplayed('were changed for generation 2 of what is '
                            'wanted, and the database says 1.')
        self.assertEqual(['node-0', 'node-1', 'node-2'], self.machines())
        # To delete it is to want nothing older.
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))

    def test_machines_that_are_gone_do_not_come_again(self):
        before = self.made(2)
        self.scale(1)
        self.patch(parameters={'word': 'bye'})
        before.again()
        self.assertReplayed('for generation 2 of what is wanted')
        self.assertEqual(['node-0'], self.machines())

    def test_what_is_built_on_old_rows(self):
        """They rest; its owner sees nothing wrong and wants something."""
        before = self.made(1)
        self.scale(3)
        before.put_back()
        self.ask('PATCH', '/v1/clusters/demo', {'parameters': {'word': 'b'}})
        self.assertReplayed('something else of the same generation')
        self.assertEqual(['node-0', 'node-1', 'node-2'], self.machines())

    def test_a_backup_that_is_restored(self):
        """Only the operator can tell it from an attack, and says so."""
        before = self.made(1)
        ident = self.read(models.Cluster)[0]['id']
        self.scale(3)
        self.scale(2)
        before.again()
        self.assertReplayed('for generation 3')
        code, said = self.service.manage('catch-up', ident, '--past', '3')
        self.assertEqual(0, code, said)
        self.assertEqual(4, self.settled()['generation'])
        self.assertEqual(['node-0'], self.machines())
        self.scale(2)
        for arguments, words in (
                (('unheard-of', '--past', '3'), 'was not found'),
                ((ident, '--past', 'many'), 'invalid int value')):
            code, said = self.service.manage('catch-up', *arguments)
            self.assertNotEqual(0, code)
            self.assertIn(words, said)

    def test_a_backup_that_was_edited(self):
        self.made(1)
        ident = self.read(models.Cluster)[0]['id']
        self.edit(models.Cluster, lambda desired: desired[
            'parameters'].update(word='evil'))
        code, said = self.service.manage('catch-up', ident, '--past', '7')
        self.assertEqual(1, code)
        self.assertIn('not what was signed', said)

    def test_a_cluster_that_was_deleted(self):
        """Nothing is left that could remember; but its order is old."""
        before = self.made(1)
        order, = before.rows[models.Deployment]
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
        # As it would be after two days; that is signed, too.
        order['created_at'] -= datetime.timedelta(days=2)
        before.again(status='CREATING')
        self.assertRefused('was not signed by')
        order['signature'] = KeyRing.load(str(self.keys())).sign(
            models.Deployment(**order).signed_part)
        before.again(status='CREATING')
        self.until(lambda: 'too long ago' in self.read(
            models.Cluster)[0]['status_reason'])
        self.assertReplayed('too long ago to begin with it now')
        self.assertEqual([], self.machines())
        # Who does want it says so once more.
        self.ask('POST', '/v1/clusters/demo/deployments',
                 {'operation': 'retry'})
        self.settled()

    def test_a_plan(self):
        self.made(1)
        plan = self.ask('POST', '/v1/plans', {'cluster': 'demo', 'change': {
            'node_groups': {'node': {'count': 2}}}}, 200)
        kept, = self.read(Plan)
        self.scale(3)
        with self.engine.begin() as connection:
            connection.execute(sa.delete(Plan.__table__))
            connection.execute(sa.insert(Plan.__table__).values(kept))
        answer = self.ask('PATCH', '/v1/clusters/demo', {'plan': plan['id']},
                          409)
        self.assertEqual('hpcdirect.plan_stale', answer['errors'][0]['code'])
        # That it is of this generation is said by its seal.
        self.write(Plan, generation=2)
        answer = self.service.call('PATCH', '/v1/clusters/demo',
                                   {'plan': plan['id']})
        self.assertIn(answer.status, (409, 503), answer.text)
        self.assertEqual(3, len(self.machines()))


class RestTest(Case):
    """Nobody wants anything, and its owner is told all the same."""

    def options(self):
        return {'conductor': {'watch_interval': 1}}

    def test_old_rows_at_rest(self):
        before = self.made(1)
        self.scale(2)
        before.put_back()
        words = ('changed for generation 2 of what is wanted, and the '
                 'database says 1. Tell the operator')
        self.told(words)
        cluster = self.service.get('/v1/clusters/demo')
        self.assertEqual('DEGRADED', cluster['status'])
        self.assertIn(words, cluster['status_reason'])
        self.assertEqual(['node-0', 'node-1'], self.machines())


class LayersTest(Case):
    """What stood on nodes."""

    def setUp(self):
        super().setUp()
        test_waves.write(self.blueprints)

    def value(self):
        """What ``tool`` was put on with, on all nodes."""
        return {row['inputs']['variables']['value'] for row in self.read(
            models.Layer, models.Layer.element == 'tool')}

    def test_layers_of_an_earlier_time(self):
        """They are what is to be mended, and no more than that."""
        self.service.start()
        self.service.create('demo', 'waves', count=2)
        self.settled()
        before = self.read(models.Layer)
        self.patch(parameters={'value': 2})
        for row in before:
            self.write(models.Layer, models.Layer.id == row['id'], **row)
        self.assertEqual({1}, self.value())
        self.ask('POST', '/v1/clusters/demo/deployments',
                 {'operation': 'retry'})
        self.settled()
        self.assertEqual({2}, self.value())

    def test_what_nodes_were_before_another_change(self):
        self.service.start(HPCDIRECT_FAILPOINT='db.deployment_writer.DeploymentWriter.halt/after')
        self.service.create('demo', 'waves', count=2)
        self.settled()
        self.ask('PATCH', '/v1/clusters/demo', {'parameters': {
            'value': 2, 'fake_fail': ['apply worker-0']}})
        self.service.died()
        before = self.read(models.Node, models.Node.before.is_not(None))
        self.assertTrue(before)
        self.service.start()
        self.settled('ERROR')
        self.patch(parameters={'value': 3, 'fake_fail': []})
        # As if the last change had failed, too, in the middle.
        for row in before:
            self.write(models.Node, models.Node.id == row['id'],
                       before=row['before'])
        last = max(self.read(models.Deployment),
                   key=lambda row: row['created_at'])
        self.write(models.Deployment, models.Deployment.id == last['id'],
                   status='RUNNING', failures=[{
                       'code': 'x', 'step': '', 'element': '', 'node': '',
                       'task': '', 'message': 'made up', 'hint': ''}])
        self.write(models.Cluster, status='UPDATING', due_at=0.0)
        self.assertIn('made up', self.settled('ERROR')['status_reason'])
        self.assertEqual({3}, self.value())
        self.assertIn('is not put back', self.service.log())
        self.ask('POST', '/v1/clusters/demo/deployments',
                 {'operation': 'retry'})
        self.settled()


@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class NodesTest(Case):
    """Where no machine comes or goes, the nodes themselves remember."""

    def setUp(self):
        testtools.TestCase.setUp(self)
        self.service = self.useFixture(service.Service(
            backend='local', directories=(test_trust.TINY,),
            local={'network': '10.233.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))
        self.engine = sa.create_engine(self.connection(),
                                       poolclass=sa.NullPool)
        self.addCleanup(self.engine.dispose)

    def test_what_was_put_on_is_not_put_on_again(self):
        before = self.made(1)
        ident = self.read(models.Cluster)[0]['id']
        self.patch(parameters={'word': 'second'})
        machine = nodes.Machine(self.service, ident, 'node-0')
        self.assertEqual('second', machine.read('/etc/mark').strip())
        for layer in before.rows[models.Layer]:
            layer['state'] = 'dirty'
        before.again()
        cluster = self.assertReplayed(
            'generation 2 of what is wanted has been here, this is 1')
        failure, = cluster['failures']
        self.assertEqual('node-0', failure['node'])
        self.assertTrue(self.service.get(
            f'/v1/runs/{failure["run_id"]}')['cause']['unreachable'])
        self.assertEqual('second', machine.read('/etc/mark').strip())
        # Nor what is built on it.
        before.put_back(status='ACTIVE', due_at=None)
        self.ask('PATCH', '/v1/clusters/demo', {'parameters': {'word': 'c'}})
        self.assertReplayed('this is another generation 2')
        self.assertEqual('second', machine.read('/etc/mark').strip())
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))
