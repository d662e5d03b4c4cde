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

"""GET /v1/stalls: work that does not go on, and whose it would be."""

import datetime
import time

import sqlalchemy as sa

from hpcdirect.db import leases
from hpcdirect.db import models
from hpcdirect.tests.functional.test_api_clusters import Case

OWNER = 'big-host:boot:4026531836:77:123'


class StallTests(Case):
    """Rows as conductors leave them"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        with self.api.database.read() as session:
            self.deployment = session.scalars(
                sa.select(models.Deployment.id)).one()

    def old(self, seconds, *kinds):
        """Let these be of so long ago."""
        moment = models.now() - datetime.timedelta(seconds=seconds)
        with self.api.database.write() as session:
            for model, column, ident in (
                    (models.Cluster, 'created_at', models.Cluster.id),
                    (models.Cluster, 'updated_at', models.Cluster.id),
                    (models.Deployment, 'created_at',
                     models.Deployment.cluster_id),
                    (models.Event, 'at', models.Event.cluster_id)):
                if model in kinds or not kinds:
                    session.execute(sa.update(model).where(
                        ident == self.ident).values({column: moment}))

    def stalls(self, query='', **more):
        answer = self.api.call('GET', f'/v1/stalls{query}',
                               **{'roles': 'admin', **more})
        self.assertEqual(200, answer.status, answer.body)
        return answer.json['stalls']

    def stall(self, query=''):
        (found,) = self.stalls(query)
        return found

    def claim(self, seconds=60):
        with self.api.database.write() as session:
            return leases.claim(session, self.ident, OWNER, seconds)

    def test_nobody_takes_it(self):
        self.assertEqual([], self.stalls())
        self.old(400)
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            row.due_at = time.time() - 390
            row.status_reason = 'the element is not here'
        found = self.stall()
        self.assertEqual(
            ('unattended', self.ident, 'demo', 'ours', 'CREATING', 'create',
             self.deployment, '', '', None, 'the element is not here'),
            tuple(found[name] for name in (
                'kind', 'cluster_id', 'cluster', 'project_id', 'status',
                'operation', 'deployment_id', 'conductor', 'step',
                'expected', 'reason')))
        self.assertAlmostEqual(400, found['seconds'], delta=60)
        self.assertAlmostEqual(390, found['waited'], delta=60)
        self.assertEqual([], self.stalls('?seconds=500'))

    def test_that_a_turn_comes_moves_nothing(self):
        # It is taken, left to others, and due again, once and again.
        self.old(400)
        for _ in range(3):
            epoch = self.claim()
            with self.api.database.write() as session:
                leases.release(session, self.ident, epoch)
        found = self.stall()
        self.assertEqual('unattended', found['kind'])
        self.assertLess(found['waited'], 300)

    def test_who_has_it_says_nothing(self):
        self.old(400)
        self.assertTrue(self.claim())
        with self.api.database.write() as session:
            began = models.now() - datetime.timedelta(seconds=350)
            for position, (element, status) in enumerate(
                    (('munge', 'SUCCEEDED'), ('slurm', 'RUNNING'))):
                session.add(models.Step(
                    deployment_id=self.deployment, position=position,
                    kind='apply', element=element, nodes=['head-0'],
                    status=status, started_at=began, expected=12.5))
        found = self.stall()
        self.assertEqual(('silent', 'big-host:77', 'apply slurm', 12.5, None),
                         tuple(found[name] for name in (
                             'kind', 'conductor', 'step', 'expected',
                             'waited')))
        # A step that began moved it.
        self.assertAlmostEqual(350, found['seconds'], delta=45)
        # Its lease is over: nobody has it.
        with self.api.database.write() as session:
            session.get_one(models.Cluster, self.ident).lease_until = 1.0
        self.assertEqual(('unattended', ''), tuple(
            self.stall()[name] for name in ('kind', 'conductor')))

    def test_what_moves_is_no_stall(self):
        for moving in (models.Event, models.Deployment):
            self.old(400)
            self.assertEqual(1, len(self.stalls()))
            self.old(1, moving)
            self.assertEqual([], self.stalls(), moving)

    def test_what_is_over(self):
        with self.api.database.write() as session:
            session.get_one(models.Deployment,
                            self.deployment).status = 'SUCCEEDED'
        self.old(400)
        # Whoever is to see that it is over has not come.
        self.assertEqual('unattended', self.stall()['kind'])
        with self.api.database.write() as session:
            session.get_one(models.Cluster, self.ident).due_at = None
        self.old(400)
        found = self.stall()
        self.assertEqual(('forgotten', None, None, None), tuple(
            found[name] for name in ('kind', 'deployment_id', 'operation',
                                     'waited')))
        for status in ('ACTIVE', 'ERROR', 'DEGRADED'):
            with self.api.database.write() as session:
                session.get_one(models.Cluster, self.ident).status = status
            self.old(400)
            self.assertEqual([], self.stalls(), status)

    def test_the_longest_first_and_of_all_projects(self):
        self.old(400)
        first, self.ident = self.ident, self.api.create(
            'theirs', project='theirs')['id']
        self.old(500)
        self.assertEqual([self.ident, first], [
            one['cluster_id'] for one in self.stalls()])

    def test_for_the_operator(self):
        for roles in ('manager', 'member', 'reader', 'service'):
            self.assertEqual(403, self.api.call(
                'GET', '/v1/stalls', roles=roles).status)
        for query in ('?seconds=0', '?seconds=x', '?seconds=nan'):
            self.assertEqual(400, self.api.call(
                'GET', f'/v1/stalls{query}', roles='admin').status)
