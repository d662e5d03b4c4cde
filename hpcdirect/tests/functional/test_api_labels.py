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


"""Protection, tags, names: what is said of a cluster and changes nothing."""

from hpcdirect.conductor.inputs import Facts
from hpcdirect.db import models
from hpcdirect.planning import wanted
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.test_api_clusters import Case


class LabelTests(Case):
    """PATCH of what makes no generation"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create(tags=['b', 'a'], protected=True)['id']

    def patch(self, path='/v1/clusters/demo', **body):
        return self.api.call('PATCH', path, body)

    def test_all_of_it_while_work_is_under_way(self):
        deployments = self.count(models.Deployment)
        answer = self.patch(name='other', description='d', tags=['x'],
                            protected=False)
        self.assertEqual(200, answer.status)
        self.assertEqual(
            ('other', 'd', ['x'], False, 1, 'CREATING'),
            tuple(answer.json[name] for name in (
                'name', 'description', 'tags', 'protected', 'generation',
                'status')))
        self.assertEqual(deployments, self.count(models.Deployment))
        self.assertEqual(404, self.api.call(
            'GET', '/v1/clusters/demo').status)

    def test_with_a_change_both_or_none(self):
        answer = self.patch(description='d', node_groups={
            'compute': {'count': 1}})
        self.assertEqual((409, 'cluster_busy'), (answer.status, answer.code))
        self.assertEqual('', self.api.call(
            'GET', '/v1/clusters/demo').json['description'])
        self.api.settle(self.ident)
        self.api.create('taken')
        answer = self.patch(name='taken', node_groups={
            'compute': {'count': 1}})
        self.assertEqual('duplicate_name', answer.code)
        answer = self.patch(name='free', node_groups={
            'compute': {'count': 1}})
        self.assertEqual((202, 'free', 2), (
            answer.status, answer.json['name'], answer.json['generation']))

    def test_name_is_unique(self):
        self.api.create('taken')
        answer = self.patch(name='taken')
        self.assertEqual((409, 'duplicate_name'),
                         (answer.status, answer.code))
        self.assertEqual(200, self.patch(name='demo').status)
        self.api.create('taken', project='theirs')

    def wanted(self):
        """What is wanted of the cluster, and what its nodes call it."""
        with self.api.database.read() as session:
            cluster = session.get_one(models.Cluster, self.ident)
            session.expunge(cluster)
        told = Facts(cluster, (), wanted.Wanted({}, (), {})
                     ).of_element('slurm')
        return cluster.desired, told['cluster']

    def test_nodes_know_the_first_name(self):
        self.api.settle(self.ident)
        before, told = self.wanted()
        self.assertEqual(('demo', 'demo.hpc'),
                         (told['name'], told['domain']))
        self.assertEqual(200, self.patch(name='Other').status)
        self.assertEqual((before, told), self.wanted())
        for body in ({'node_groups': {'compute': {'count': 1}}},
                     {'generation': 1}):
            self.assertEqual(202, self.patch(
                '/v1/clusters/Other', **body).status)
            self.api.settle(self.ident)
            self.assertEqual(told, self.wanted()[1])
        self.ident = self.api.call('POST', '/v1/clusters', {
            'name': 'second', 'clone': {'cluster': self.ident}}).json['id']
        self.assertEqual('second', self.wanted()[1]['name'])

    def test_nodes_of_an_old_cluster_keep_the_name_it_has(self):
        self.api.settle(self.ident)
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            rows.sign(session, self.api.services.keys, row,
                      rows.wanted(row, name=''))
        self.assertEqual('demo', self.wanted()[1]['name'])
        answer = self.patch(name='other')
        self.assertEqual((202, 2, 'other'), (
            answer.status, answer.json['generation'], answer.json['name']))
        self.assertEqual('demo', self.wanted()[1]['name'])
        self.assertEqual([], self.api.call(
            'GET', '/v1/clusters/other/generations/2?against=1').json[
                'differences'])
        for body in ({'node_groups': {'compute': {'count': 1}}},
                     {'generation': 1}):
            self.api.settle(self.ident)
            self.assertEqual(202, self.patch(
                '/v1/clusters/other', **body).status)
            self.assertEqual('demo', self.wanted()[1]['name'])

    def test_protected_is_not_deleted(self):
        answer = self.api.call('DELETE', '/v1/clusters/demo')
        self.assertEqual((409, 'cluster_protected'),
                         (answer.status, answer.code))
        shown = self.api.call('POST', '/v1/plans', {
            'cluster': 'demo', 'delete': True}).json
        self.assertEqual((True, '$.protected'), (
            shown['refused'], shown['changes'][0]['subject']))
        self.patch(protected=False)
        self.assertEqual(202, self.api.call(
            'DELETE', '/v1/clusters/demo').status)
        # It is too late for that.
        self.assertEqual((409, 'conflict'), (
            self.patch(protected=True).status,
            self.patch(protected=True).code))
        self.assertEqual(202, self.api.call(
            'DELETE', '/v1/clusters/demo').status)

    def test_tags(self):
        self.api.create('second', tags=['b', 'B', 'unit:7'])
        self.api.create('third')
        self.api.create('foreign', project='theirs', tags=['b'])
        for asked, found in (
                ('b', {'demo', 'second'}), ('B', {'second'}),
                ('a,b', {'demo'}), ('b,unit:7', {'second'}),
                ('nix', set())):
            listed = self.api.call('GET', f'/v1/clusters?tags={asked}').json
            self.assertEqual(found, {one['name'] for one
                                     in listed['clusters']}, asked)
        self.assertEqual(['a', 'b'], self.api.call(
            'GET', '/v1/clusters/demo').json['tags'])
        self.patch(tags=['c', 'a'])
        self.assertEqual([], self.api.call(
            'GET', '/v1/clusters?tags=b,a').json['clusters'])
        self.assertEqual(['a', 'c'], self.patch(description='x').json['tags'])
        for wrong in (['a b'], ['a,b'], ['a', 'a'], [''], ['x' * 65], 'a',
                      [str(number) for number in range(51)]):
            self.assertEqual(400, self.patch(tags=wrong).status, wrong)


class MariaDBLabelTests(LabelTests):
    """The same on MariaDB"""

    def connection(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        return self.useFixture(mariadb.MariaDB()).url
