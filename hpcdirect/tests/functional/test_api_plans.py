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

from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import local_bed as bed
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.test_api_clusters import Case
from hpcdirect.tests.unit.blueprints import folders


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

    def test_all_that_is_wrong_in_one_shape(self):
        past = '2000-01-01T00:00:00Z'
        bad = {'compute_count': 999, 'nonsense': 1}
        for body, wrong in (
                ({'name': '9', 'blueprint': 'small', 'colour': 1, 'tags': 'x',
                  'expires_at': past, 'backend': 'no', 'parameters': bad},
                 {'$.name', '$.colour', '$.tags', '$.expires_at', '$.backend',
                  '$.parameters.compute_count', '$.parameters.nonsense'}),
                ({'name': 7, 'clone': {'cluster': 'demo'}, 'description': 1,
                  'parameters': bad},
                 {'$.name', '$.description', '$.parameters.compute_count',
                  '$.parameters.nonsense'}),
                ({'blueprint': 'nosuch', 'expires_at': past},
                 {'$.name', '$.blueprint', '$.expires_at'}),
                ({'blueprint': 'small', 'parameters': [1], 'protected': 0},
                 {'$.name', '$.parameters', '$.protected'}),
                ({'name': 'x', 'tags': 1}, {'$', '$.tags'}),
                ({'name': 'x', 'blueprint': 'small', 'tags': 1,
                  'clone': {'cluster': 'demo'}}, {'$', '$.tags'})):
            shown = self.plan(create=body)
            self.assertEqual(200, shown.status, shown.body)
            self.assertTrue(shown.json['refused'])
            told = {one['subject']: one['reason']
                    for one in shown.json['changes']}
            self.assertEqual(wrong, set(told))
            # Just as whoever asks for the cluster is told.
            answer = self.api.call('POST', '/v1/clusters', body)
            self.assertEqual((400, told), (answer.status, answer.findings))

    def test_what_is_no_creation(self):
        body = {'name': 'x', 'blueprint': 'small', 'tags': 1}
        for wish in ({'create': None}, {'create': []}, {'created': body},
                     {'create': body, 'x': 1},
                     {'create': body, 'cluster': 'demo', 'change': {}}):
            self.assertEqual(400, self.plan(**wish).status, wish)

    def test_a_deletion(self):
        rows.converged(self.api.database, self.ident)
        shown = self.plan(cluster='demo', delete=True).json
        self.assertEqual([('release', ['compute-0', 'compute-1', 'head-0'])],
                         [(step['kind'], step['nodes'])
                          for step in shown['steps']])

    def test_what_is_wanted_otherwise(self):
        def differences(**change):
            shown = self.plan(cluster='demo', change=change).json
            self.assertFalse(shown['refused'], shown)
            self.assertEqual(shown, self.api.call(
                'GET', f'/v1/plans/{shown["id"]}').json)
            return [(one['kind'], one['subject'], one['before'], one['after'])
                    for one in shown['differences']]

        self.assertEqual([], differences())
        self.assertEqual([('parameter', 'partition', None, 'new')],
                         differences(parameters={'partition': 'new'}))
        # Nodes stand in the changes.
        self.assertEqual(
            [('parameter', 'compute_count', 2, 3)],
            differences(node_groups={'compute': {'count': 3}}))
        element, user = differences(elements={'people': {}},
                                    users={'ada': {'sudo': True}})
        self.assertEqual(('element', 'people', None), element[:3])
        self.assertEqual(('users', 'ada', None), user[:3])
        self.assertTrue(user[3]['sudo'])
        for one in (self.plan(cluster='demo', delete=True),
                    self.plan(create={'name': 'x', 'blueprint': 'small'}),
                    self.plan(cluster='demo', change={
                        'parameters': {'nonsense': 1}})):
            self.assertEqual([], one.json['differences'])

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


class NeedsTests(Case):
    """What of a cloud a new cluster takes"""

    def setUp(self):
        super().setUp()
        folders.write_tree(self.api.folder, folders.changed(
            folders.changed(api.BLUEPRINT, 'name', to='typed'),
            'infrastructure', to={'fake': {'groups': {
                'head': {}, 'compute': {'type': 'gpu', 'most': 3}}}}), ())
        folders.noticed(self.api.folder, lambda: [
            one['name'] for one in self.api.call(
                'GET', '/v1/elements').json['elements']])

    def plan(self, **parameters):
        self.body = {'name': 'x', 'blueprint': 'typed',
                     'parameters': parameters}
        return self.api.call('POST', '/v1/plans', {
            'create': self.body}).json

    def quota(self, name, **more):
        return {'name': name, 'used': 0, 'limit': None, 'fits': True, **more}

    def test_all_fits(self):
        shown = self.plan()
        self.assertFalse(shown['refused'])
        self.assertEqual([
            {'type': 'fake', 'wanted': 1, 'free': None, 'fits': True},
            {'type': 'gpu', 'wanted': 2, 'free': 3, 'fits': True}],
            shown['needs'])
        self.assertEqual([
            self.quota('fake', wanted=1, after=1),
            self.quota('gpu', wanted=2, after=2, limit=3)], shown['quotas'])

    def test_others_have_them(self):
        self.api.backend.ensure(bed.request('gpu-0', 'gpu-1', type='gpu'))
        shown = self.plan()
        self.assertTrue(shown['refused'])
        self.assertEqual(['$.node_groups'], [
            one['subject'] for one in shown['changes']])
        self.assertEqual({'type': 'gpu', 'wanted': 2, 'free': 1,
                          'fits': False}, shown['needs'][1])
        self.assertEqual(self.quota(
            'gpu', used=2, wanted=2, after=4, limit=3, fits=False),
            shown['quotas'][1])
        answer = self.api.call('POST', '/v1/clusters', self.body)
        self.assertEqual((400, ['$.node_groups']),
                         (answer.status, list(answer.findings)))
        self.assertFalse(self.plan(compute_count=1)['refused'])

    def test_told_beside_what_is_wrong(self):
        self.api.create('x')
        shown = self.plan(compute_count=9)
        self.assertEqual({'$.name', '$.node_groups'}, {
            one['subject'] for one in shown['changes']})
        self.assertEqual(9, shown['needs'][1]['wanted'])
        # Nobody knows how many of what, then.
        shown = self.plan(compute_count='many')
        self.assertEqual(([], []), (shown['needs'], shown['quotas']))

    def test_a_cluster_that_grows(self):
        ident = self.api.create(blueprint='typed')['id']
        self.api.settle(ident)
        self.api.backend.ensure(bed.request(
            'compute-0', 'compute-1', cluster_id=ident, type='gpu'))
        for count, fits in ((3, True), (4, False), (1, None)):
            shown = self.api.call('POST', '/v1/plans', {
                'cluster': 'demo', 'change': {
                    'node_groups': {'compute': {'count': count}}}}).json
            self.assertEqual(fits is False, shown['refused'], count)
            # Only what is not there: the head has not come yet.
            self.assertEqual([] if fits is None else [
                {'type': 'fake', 'wanted': 1, 'free': None, 'fits': True},
                {'type': 'gpu', 'wanted': count - 2, 'free': 1,
                 'fits': fits}], shown['needs'])
            self.assertEqual(shown, self.api.call(
                'GET', f'/v1/plans/{shown["id"]}').json)

    def test_of_other_plans(self):
        self.api.settle(self.api.create()['id'])
        for wish in ({'delete': True}, {'change': {}}):
            shown = self.api.call('POST', '/v1/plans', {
                'cluster': 'demo', **wish}).json
            self.assertEqual(([], []), (shown['needs'], shown['quotas']))


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
