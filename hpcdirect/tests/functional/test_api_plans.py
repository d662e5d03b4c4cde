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


"""Plans, elements of clusters and If-Match over HTTP, without a conductor."""

import concurrent.futures

from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.test_api_clusters import Case


class PlanTests(Case):
    """POST /v1/plans, and what is kept of them."""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        self.api.settle(self.ident)

    def plan(self, **body):
        return self.api.call('POST', '/v1/plans', body)

    def test_a_new_cluster(self):
        shown = self.plan(create={'name': 'x', 'blueprint': 'small'}).json
        self.assertIsNone(shown['id'])
        self.assertFalse(shown['refused'])
        self.assertEqual('add node', shown['changes'][0]['verdict'])
        self.assertEqual(['provision', 'apply'],
                         [step['kind'] for step in shown['steps']][:2])
        # Nothing was made.
        self.assertEqual(404, self.api.call(
            'GET', '/v1/clusters/x').status)

    def test_one_that_cannot_be(self):
        shown = self.plan(create={
            'name': 'x', 'blueprint': 'small',
            'parameters': {'compute_count': 999, 'nonsense': 1}}).json
        self.assertTrue(shown['refused'])
        self.assertEqual(
            {'$.parameters.compute_count', '$.parameters.nonsense'},
            {one['subject'] for one in shown['changes']})

    def test_a_name_that_is_taken(self):
        self.api.create('theirs', project='theirs')
        for name, wrong in (('demo', {'$.name'}), ('theirs', set())):
            shown = self.plan(create={'name': name, 'blueprint': 'small'})
            self.assertEqual(bool(wrong), shown.json['refused'], name)
        shown = self.plan(create={'name': 'demo', 'blueprint': 'small',
                                  'parameters': {'nonsense': 1}}).json
        self.assertEqual({'$.name', '$.parameters.nonsense'}, {
            one['subject'] for one in shown['changes']})

    def test_a_deletion(self):
        rows.converged(self.api.database, self.ident)
        shown = self.plan(cluster='demo', delete=True).json
        self.assertEqual([('release', ['compute-0', 'compute-1', 'head-0'])],
                         [(step['kind'], step['nodes'])
                          for step in shown['steps']])

    def test_one_wish_at_a_time(self):
        for body in ({}, {'cluster': 'demo'}, {'change': {}},
                     {'cluster': 'demo', 'change': {'parameters': {}},
                      'delete': True},
                     {'cluster': 'demo', 'delete': False}):
            self.assertEqual(400, self.plan(**body).status, body)

    def test_how_long_it_took(self):
        rows.converged(self.api.database, self.ident)
        with self.api.database.write() as session:
            session.connection().exec_driver_sql(
                "UPDATE steps SET started_at = '2026-01-01 00:00:00.0', "
                "finished_at = '2026-01-01 00:00:42.0' "
                "WHERE kind = 'provision'")
        shown = self.plan(create={'name': 'x', 'blueprint': 'small'}).json
        self.assertEqual([42.0], [step['seconds'] for step in shown['steps']
                                  if step['kind'] == 'provision'])
        self.assertIsNone(shown['seconds'])

    def test_of_another_project(self):
        shown = self.plan(cluster='demo', change={
            'node_groups': {'compute': {'count': 3}}}).json
        self.assertEqual(404, self.api.call(
            'GET', f'/v1/plans/{shown["id"]}', project='theirs').status)
        self.assertEqual(404, self.api.call('POST', '/v1/plans', {
            'cluster': self.ident, 'delete': True}, project='theirs').status)

    def test_a_plan_goes_alone_and_is_of_this_cluster(self):
        shown = self.plan(cluster='demo', change={
            'node_groups': {'compute': {'count': 3}}}).json
        answer = self.api.call('PATCH', '/v1/clusters/demo', {
            'plan': shown['id'], 'description': 'x'})
        self.assertIn('$.plan', answer.findings)
        answer = self.api.call('PATCH', '/v1/clusters/demo', {'plan': 'no'})
        self.assertIn('$.plan', answer.findings)
        other = self.api.create('other')['id']
        self.api.settle(other)
        answer = self.api.call('PATCH', '/v1/clusters/other',
                               {'plan': shown['id']})
        self.assertEqual((409, 'plan_stale'), (answer.status, answer.code))


class MatchTests(Case):
    """If-Match"""

    def test_the_newest_or_none(self):
        self.api.create()
        path = '/v1/clusters/demo'
        tag = self.api.call('GET', path).headers['etag']
        self.assertRegex(tag, '^"1-[0-9a-f]{12}-[0-9a-f]{16}"$')
        answer = self.api.call('PATCH', path, {'description': 'x'},
                               IF_MATCH='"7"')
        self.assertEqual((412, 'changed_since'), (answer.status, answer.code))
        self.assertEqual(200, self.api.call(
            'PATCH', path, {'description': 'x'}, IF_MATCH=tag).status)
        self.assertEqual(412, self.api.call(
            'DELETE', path, IF_MATCH='"7"').status)
        for said in ('', '1', 'W/"1"', '{}'):
            self.assertIn('If-Match', self.api.call(
                'DELETE', path, IF_MATCH=said).findings, said)
        tag = self.api.call('GET', path).headers['etag']
        self.assertEqual(202, self.api.call(
            'DELETE', path, IF_MATCH=tag).status)

    def test_it_sees_all_that_people_change(self):
        path = f'/v1/clusters/{self.api.create()["id"]}'
        for change in ({'name': 'new'}, {'tags': ['a']}, {'tags': ['b']},
                       {'description': 'x'}, {'protected': True},
                       {'protected': False},
                       {'expires_at': '2999-01-01T00:00:00Z'},
                       {'expires_at': None}):
            tag = self.api.call('GET', path).headers['etag']
            self.assertEqual(200, self.api.call('PATCH', path,
                                                change).status, change)
            for method, body in (('PATCH', {'description': 'y'}),
                                 ('DELETE', None)):
                answer = self.api.call(method, path, body, IF_MATCH=tag)
                self.assertEqual((412, 'changed_since'),
                                 (answer.status, answer.code), change)
        tag = self.api.call('GET', path).headers['etag']
        self.assertEqual(202, self.api.call('DELETE', path,
                                            IF_MATCH=tag).status)

    def test_it_does_not_see_what_the_service_changes(self):
        ident = self.api.create()['id']
        path = f'/v1/clusters/{ident}'
        tag = self.api.call('GET', path).headers['etag']
        self.api.settle(ident)
        # The answer is another one, which If-None-Match sees.
        self.assertNotEqual(tag, self.api.call('GET', path).headers['etag'])
        # As releases gave it that had no digest of the answer in it.
        short = f'{tag.rpartition("-")[0]}"'
        for said in (tag, short):
            self.assertEqual(200, self.api.call(
                'PATCH', path, {'protected': False}, IF_MATCH=said).status)

    def test_a_generation_alone(self):
        self.api.create()
        self.assertEqual(200, self.api.call(
            'PATCH', '/v1/clusters/demo', {'description': 'x'},
            IF_MATCH='"1"').status)

    def test_of_many_at_once_one_wins(self):
        path = f'/v1/clusters/{self.api.create()["id"]}'
        tag = self.api.call('GET', path).headers['etag']
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(lambda number: self.api.call(
                'PATCH', path, {'description': f'of {number}'},
                IF_MATCH=tag).status, range(16)))
        self.assertEqual([200] + [412] * 15, statuses)


class ElementTests(Case):
    """GET /v1/clusters/{cluster}/elements, and PATCH of them"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        self.api.settle(self.ident)

    def elements(self):
        return {one['name']: one for one in self.api.call(
            'GET', '/v1/clusters/demo/elements').json['elements']}

    def patch(self, **elements):
        answer = self.api.call('PATCH', '/v1/clusters/demo',
                               {'elements': elements})
        self.api.settle(self.ident)
        return answer

    def test_what_stands_on_it_goes_and_comes_along(self):
        self.assertEqual({'munge': 'on', 'slurm': 'on'}, {
            name: one['status'] for name, one in self.elements().items()})
        self.assertEqual(202, self.patch(munge=None).status)
        found = self.elements()
        self.assertEqual(('off', 'waits', ['munge']), (
            found['munge']['status'], found['slurm']['status'],
            found['slurm']['missing']))
        self.assertEqual(202, self.patch(munge={}).status)
        self.assertEqual({'on'}, {one['status'] for one
                                  in self.elements().values()})
        self.assertEqual(200, self.patch(munge={}).status)

    def test_what_cannot_be(self):
        answer = self.patch(slrm={}, munge={'version': '9'}, slurm={
            'parameters': {'nonsense': 1}, 'roles': {'boss': ['moon']}})
        self.assertEqual(400, answer.status)
        self.assertLessEqual(
            {'$.elements.slrm', '$.elements.munge',
             '$.elements.slurm.roles.boss',
             '$.elements.slurm.parameters.nonsense'}, set(answer.findings))
        self.assertIn('did you mean "slurm"?',
                      answer.findings['$.elements.slrm'])
        self.assertIn('$.elements.nothing',
                      self.patch(nothing=None).findings)
