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


"""Generations over HTTP: looked at, compared, gone back to, cloned."""

import fixtures

from hpcdirect.db import models
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.test_api_clusters import Case

PATH = '/v1/clusters/demo'
ADA = {**rows.ANN, 'uid': 7}


class GenerationTests(Case):
    """What was wanted of a cluster, change by change"""

    def setUp(self):
        super().setUp()
        # Some tests make more of them than are read at one time.
        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.db.generations._PIECE', 2))
        self.ident = self.api.create()['id']
        self.api.settle(self.ident)

    def patch(self, status=202, **body):
        answer = self.api.call('PATCH', PATH, body)
        self.assertEqual(status, answer.status, answer.body)
        self.api.settle(self.ident)
        return answer

    def get(self, path=''):
        answer = self.api.call('GET', f'{PATH}/generations{path}')
        self.assertEqual(200, answer.status, answer.body)
        return answer.json

    def desired(self):
        with self.api.database.read() as session:
            return session.get_one(models.Cluster, self.ident
                                   ).desired.to_json()

    def differences(self, before, after):
        return {(one['kind'], one['subject']): (one['before'], one['after'])
                for one in self.get(f'/{after}?against={before}')[
                    'differences']}

    def test_list_and_show(self):
        self.patch(node_groups={'compute': {'count': 3}})
        self.patch(elements={'munge': None})
        self.patch(description='no generation', status=200)
        self.assertEqual(
            [(3, 'update', 'SUCCEEDED'), (2, 'scale', 'SUCCEEDED'),
             (1, 'create', 'SUCCEEDED')],
            [(one['generation'], one['operation'], one['status'])
             for one in self.get()['generations']])
        self.assertEqual([2], [one['generation'] for one in self.get(
            '?operation=scale')['generations']])
        first = self.get('?limit=2')
        self.assertEqual([3, 2], [one['generation'] for one
                                  in first['generations']])
        marker = first['generations'][-1]['id']
        self.assertEqual([1], [one['generation'] for one in self.get(
            f'?limit=2&marker={marker}')['generations']])
        shown = self.get('/2')
        self.assertEqual(('1.2.0', 'someone', 3, False, None), (
            shown['blueprint_version'], shown['user_id'],
            shown['parameters']['compute_count'], shown['deleted'],
            shown['differences']))
        self.assertEqual(
            {'name': 'compute-2', 'incarnation': 1},
            shown['node_groups'][1]['slots'][2])
        self.assertEqual({'munge': False, 'slurm': False}, {
            one['name']: one['on'] for one in self.get('/3')['elements']})
        for wrong in ('0', '4', 'x', '-1', '9' * 30):
            self.assertEqual(404, self.api.call(
                'GET', f'{PATH}/generations/{wrong}').status, wrong)
        self.assertEqual(404, self.api.call(
            'GET', f'/v1/clusters/{self.ident}/generations/1',
            project='theirs').status)
        self.assertEqual(404, self.api.call(
            'GET', f'{PATH}/generations/3?against=9').status)

    def test_differences(self):
        self.patch(node_groups={'compute': {'count': 3}},
                   elements={'munge': None})
        self.patch(node_groups={'compute': {'replace': ['compute-0']}})
        self.assertEqual({}, self.differences(2, 2))
        found = self.differences(1, 2)
        self.assertEqual((2, 3), found['parameter', 'compute_count'])
        self.assertEqual((None, {'group': 'compute', 'incarnation': 1}),
                         found['node', 'compute-2'])
        self.assertIsNone(found['element', 'munge'][1])
        # It stands on munge.
        self.assertIsNone(found['element', 'slurm'][1])
        self.assertEqual(4, len(found))
        self.assertEqual({('node', 'compute-0'): (
            {'incarnation': 1}, {'incarnation': 2})}, self.differences(2, 3))
        self.assertEqual({key: (after, before) for key, (before, after)
                          in found.items()}, self.differences(2, 1))

    def test_back(self):
        first = self.desired()
        self.patch(node_groups={'compute': {'count': 3}},
                   elements={'munge': None})
        self.patch(node_groups={'compute': {'replace': ['compute-0']}})
        self.patch(node_groups={'compute': {'slots': ['compute-2']}})
        answer = self.patch(generation=1)
        self.assertEqual(('rollback', 5), (
            answer.json['deployment']['operation'],
            answer.json['generation']))
        now = self.desired()
        # A machine of compute-0 may still be there; it is not the first.
        self.assertEqual(
            [('compute-0', 2), ('compute-1', 1)],
            [(one['name'], one['incarnation'])
             for one in now['groups']['compute']])
        now['groups'] = first['groups']
        self.assertEqual(first, now)
        self.patch(generation=5, status=200)
        # What is not known here comes along, too.
        with self.api.database.write() as session:
            row = session.query(models.Generation).filter_by(
                cluster_id=self.ident, generation=3).one()
            rows.sign(session, self.api.services.keys,
                      session.get_one(models.Cluster, self.ident),
                      rows.wanted(row, users={'ada': ADA}), 3)
        self.patch(generation=3)
        self.assertEqual({'ada': ADA}, self.desired()['users'])
        self.assertEqual((None, ADA), self.differences(5, 6)['users', 'ada'])
        # Nobody else is given the id.
        self.patch(generation=1)
        self.assertEqual(('gone', 7), tuple(
            self.desired()['users']['ada'][name] for name in (
                'state', 'uid')))

    def test_back_shown_first(self):
        self.patch(node_groups={'compute': {'count': 3}})
        plan = self.api.call('POST', '/v1/plans', {
            'cluster': 'demo', 'change': {'generation': 1}}).json
        self.assertFalse(plan['refused'])
        self.patch(plan=plan['id'])
        self.assertEqual(2, len(self.desired()['groups']['compute']))
        self.assertEqual(['rollback', 'scale', 'create'], [
            one['operation'] for one in self.get()['generations']])

    def test_no_way_back(self):
        for body, where in (
                ({'generation': 7}, '$.generation'),
                ({'generation': 1, 'parameters': {'compute_count': 1}},
                 '$.generation')):
            answer = self.patch(status=400, **body)
            self.assertEqual({where}, set(answer.findings))
        self.assertEqual(400, self.patch(status=400, generation=0).status)
        self.api.call('DELETE', PATH)
        self.api.settle(self.ident, 'ERROR')
        self.assertEqual('delete', self.get()['generations'][0]['operation'])
        answer = self.api.call('PATCH', PATH, {'generation': 1})
        self.assertEqual(409, answer.status)
        # Nor may a cluster be made like one that goes.
        answer = self.api.call('POST', '/v1/clusters', {
            'name': 'x', 'clone': {'cluster': 'demo'}})
        self.assertEqual(400, answer.status)

    def test_clone(self):
        self.patch(elements={'munge': None})
        self.patch(node_groups={'compute': {'replace': ['compute-0']}})
        answer = self.api.call('POST', '/v1/clusters', {
            'name': 'twin', 'clone': {'cluster': 'demo'}, 'tags': ['t'],
            'parameters': {'compute_count': 3}})
        self.assertEqual(202, answer.status, answer.body)
        twin = answer.json
        self.assertEqual((1, 'create', ['t'], 3), (
            twin['generation'], twin['deployment']['operation'],
            twin['tags'], twin['node_groups'][1]['count']))
        with self.api.database.read() as session:
            state = session.get_one(
                models.Cluster, twin['id']).desired.to_json()
        self.assertEqual([1, 1, 1], [one['incarnation'] for one
                                     in state['groups']['compute']])
        self.assertEqual([{'name': 'munge', 'off': True}],
                         state['elements'])
        answer = self.api.call('POST', '/v1/clusters', {
            'name': 'first', 'clone': {'cluster': self.ident,
                                       'generation': 1}})
        self.assertEqual(2, answer.json['node_groups'][1]['count'])
        self.assertEqual({'on'}, {one['status'] for one in self.api.call(
            'GET', '/v1/clusters/first/elements').json['elements']})

    def test_of_a_cluster_that_is_gone(self):
        """By its id one sees what it was, and makes another like it."""
        self.patch(node_groups={'compute': {'count': 3}})
        self.api.call('DELETE', PATH)
        with self.api.database.write() as session:
            session.get_one(models.Cluster, self.ident).deleted = self.ident
        path = f'/v1/clusters/{self.ident}/generations'
        self.assertEqual(['delete', 'scale', 'create'], [
            one['operation'] for one in self.api.call(
                'GET', path).json['generations']])
        self.assertEqual(3, self.api.call('GET', f'{path}/2').json[
            'parameters']['compute_count'])
        for where in (path, f'{path}/2'):
            self.assertEqual(404, self.api.call(
                'GET', where, project='theirs').status)
        # Its name may be another one's.
        self.assertEqual(404, self.api.call(
            'GET', f'{PATH}/generations').status)
        model = {'cluster': self.ident, 'generation': 2}
        answer = self.api.call('POST', '/v1/clusters', {
            'name': 'demo', 'clone': model})
        self.assertEqual((202, 3), (
            answer.status, answer.json['node_groups'][1]['count']))
        for wrong, where in (({'cluster': self.ident}, '$.clone.cluster'),
                             ({'cluster': self.ident, 'generation': 3},
                              '$.clone.generation')):
            answer = self.api.call('POST', '/v1/clusters', {
                'name': 'x', 'clone': wrong})
            self.assertEqual({where}, set(answer.findings))
        answer = self.api.call('POST', '/v1/clusters', {
            'name': 'x', 'clone': model}, project='theirs')
        self.assertEqual({'$.clone.cluster'}, set(answer.findings))

    def test_clone_shown_first(self):
        shown = self.api.call('POST', '/v1/plans', {'create': {
            'name': 'x', 'clone': {'cluster': 'demo'}}}).json
        self.assertFalse(shown['refused'])
        self.assertEqual('add node', shown['changes'][0]['verdict'])

    def test_no_clone(self):
        for clone, where in (({'cluster': 'nix'}, '$.clone.cluster'),
                             ({'cluster': 'demo', 'generation': 3},
                              '$.clone.generation')):
            answer = self.api.call('POST', '/v1/clusters', {
                'name': 'x', 'clone': clone})
            self.assertEqual({where}, set(answer.findings))
        answer = self.api.call('POST', '/v1/clusters', {
            'name': 'x', 'clone': {'cluster': self.ident}}, project='theirs')
        self.assertEqual({'$.clone.cluster'}, set(answer.findings))
        answer = self.api.call('POST', '/v1/clusters', {
            'name': 'x', 'clone': {'cluster': 'demo'},
            'parameters': {'compute_count': 99}})
        self.assertEqual({'$.parameters.compute_count'},
                         set(answer.findings))
        for body in ({'clone': {'cluster': 'demo'}, 'blueprint': 'small'},
                     {}):
            self.assertEqual(400, self.api.call(
                'POST', '/v1/clusters', {'name': 'x', **body}).status)
