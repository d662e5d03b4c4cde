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


"""What moves in a deployment, one answer a look."""

import datetime

import testtools

from hpcdirect.db import models
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.api import Api


class MotionTest(testtools.TestCase):

    connection = staticmethod(lambda: '')

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(self.connection()))
        self.ident = self.api.create()['id']
        self.run_id = rows.converged(self.api.database, self.ident)
        with self.api.database.write() as session:
            deployment = session.query(models.Deployment).one()
            deployment.status = 'RUNNING'
            self.deployment = deployment.id
            # Long enough ago for what a write takes.
            past = models.now() - datetime.timedelta(minutes=1)
            for row in (*session.query(models.Node),
                        *session.query(models.Layer)):
                row.updated_at = past
            applied = session.query(models.Step).filter_by(
                kind='apply').one()
            applied.nodes = ['head-0', 'compute-0', 'compute-1']
            self.step = applied.id

    def look(self, query='', **more):
        return self.api.call(
            'GET', f'/v1/deployments/{self.deployment}/progress{query}',
            **more)

    def seen(self, query=''):
        answer = self.look(query)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json

    def write(self, *given):
        with self.api.database.write() as session:
            session.add_all(given)

    def event(self, **more):
        return models.Event(**{
            'cluster_id': self.ident, 'project_id': 'ours', 'kind': 'node',
            'deployment_id': self.deployment, **more})

    def run_row(self, status, nodes, failures=None):
        return models.Run(
            cluster_id=self.ident, project_id='ours', step_id=self.step,
            deployment_id=self.deployment, verb='apply', element='munge',
            nodes=nodes, status=status, failures=failures, runner='fake')

    def test_first_all_then_what_is_new(self):
        first = self.seen()
        self.assertEqual(['compute-0', 'compute-1', 'head-0'],
                         [one['name'] for one in first['nodes']])
        self.assertEqual({'munge': 'verified'}, first['nodes'][0]['layers'])
        self.assertEqual(['provision', 'apply'],
                         [one['kind'] for one in first['steps']])
        every = self.api.call('GET', f'/v1/events?deployment='
                              f'{self.deployment}').json['events']
        self.assertEqual(every, first['events'])
        self.assertFalse(first['left_out'])
        again = self.seen(f'?since={first["next"]}')
        self.assertEqual(([], [], first['next'].partition('-')[0]), (
            again['nodes'], again['events'],
            again['next'].partition('-')[0]))
        with self.api.database.write() as session:
            session.query(models.Layer).filter_by(
                node='compute-1').one().state = 'dirty'
            session.query(models.Node).filter_by(
                name='head-0').one().status = 'FAILED'
        self.write(self.event(node='head-0', message='gone'))
        moved = self.seen(f'?since={again["next"]}')
        self.assertEqual([
            ('compute-1', 'BUILDING', {'munge': 'dirty'}),
            ('head-0', 'FAILED', {'munge': 'verified'})],
            [(one['name'], one['status'], one['layers'])
             for one in moved['nodes']])
        self.assertEqual(['gone'], [one['message']
                                    for one in moved['events']])

    def test_steps_node_by_node(self):
        def apply():
            _, found = self.seen()['steps']
            return (found['nodes'], found['done'], found['running'],
                    found['failed'])

        self.assertEqual((3, 1, [], []), apply())
        self.write(self.run_row('RUNNING', ['compute-0', 'compute-1']))
        self.assertEqual((3, 1, ['compute-0', 'compute-1'], []), apply())
        with self.api.database.write() as session:
            row = session.query(models.Run).filter_by(status='RUNNING').one()
            row.status = 'FAILED'
            row.failures = [{'node': 'compute-1', 'message': 'no'}]
        self.assertEqual((3, 2, [], ['compute-1']), apply())
        self.write(self.run_row('SUCCEEDED', ['compute-1']))
        self.assertEqual((3, 3, [], []), apply())

    def test_a_flood_shows_its_end(self):
        self.write(*(self.event(message=f'{number}')
                     for number in range(450)))
        first = self.seen()
        self.assertEqual((True, 200, '449'), (
            first['left_out'], len(first['events']),
            first['events'][-1]['message']))
        # As many as are told at a time, and no more.
        self.write(*(self.event(message=f'{number}')
                     for number in range(200)))
        whole = self.seen(f'?since={first["next"]}')
        self.assertEqual((False, 200), (whole['left_out'],
                                        len(whole['events'])))
        self.write(self.event(message='last'))
        then = self.seen(f'?since={whole["next"]}')
        self.assertEqual((False, ['last']), (then['left_out'], [
            one['message'] for one in then['events']]))

    def test_the_log_goes_on(self):
        first = self.seen(f'?run={self.run_id}')['log']
        self.assertEqual((0, 12, True), (
            first['offset'], first['next_offset'], first['complete']))
        with self.api.database.write() as session:
            session.add(models.LogChunk(run_id=self.run_id, start=12,
                                        text='x' * 70000))
            session.get_one(models.Run, self.run_id).log_size = 70012
        then = self.seen(f'?run={self.run_id}&offset=12')['log']
        self.assertEqual((12, 65548, False), (
            then['offset'], then['next_offset'], then['complete']))
        end = self.seen(f'?run={self.run_id}')['log']
        self.assertEqual((70012 - 65536, 70012), (end['offset'],
                                                  end['next_offset']))
        self.assertIsNone(self.seen()['log'])

    def test_what_is_wrong(self):
        for query, where in (('?since=x', '$.since'),
                             ('?since=1-' + '9' * 18, '$.since'),
                             ('?run=none', '$.run')):
            answer = self.look(query)
            self.assertEqual((400, [where]), (
                answer.status, list(answer.findings)), query)
        other = self.api.create('other')['deployment']['id']
        answer = self.api.call(
            'GET', f'/v1/deployments/{other}/progress?run={self.run_id}')
        self.assertEqual(['$.run'], list(answer.findings))
        self.assertEqual(404, self.look(project='theirs').status)

    def test_over(self):
        self.assertEqual(2, self.seen()['poll_seconds'])
        self.api.settle(self.ident)
        with self.api.database.write() as session:
            session.query(models.Deployment).filter_by(
                id=self.deployment).one().status = 'SUCCEEDED'
        self.assertEqual(30, self.seen()['poll_seconds'])


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class MariaDBMotionTest(MotionTest):

    def connection(self):
        return self.useFixture(mariadb.MariaDB()).url
