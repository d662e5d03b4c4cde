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

"""Lists: filters by names, and pages of what is not in the database."""

import datetime

import testtools

from hpcdirect.exception import BackendError
from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.api import Api


class Case(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api())

    def get(self, path, **more):
        answer = self.api.call('GET', path, **more)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json


class FilterTests(Case):
    """What a filter names is there, or the answer says that it is not"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        rows.converged(self.api.database, self.ident)
        self.api.create('other')
        self.theirs = self.api.create('theirs', project='theirs')['id']

    def test_by_name_or_id(self):
        for kind in ('deployments', 'runs', 'events'):
            by_id = self.get(f'/v1/{kind}?cluster={self.ident}')[kind]
            self.assertTrue(by_id, kind)
            self.assertEqual(by_id, self.get(
                f'/v1/{kind}?cluster=demo')[kind])
            self.assertEqual({self.ident}, {
                one['cluster_id'] for one in by_id})

    def test_clusters_that_are_gone_are_known_by_id(self):
        with self.api.database.write() as session:
            session.get_one(rows.models.Cluster,
                            self.ident).deleted = self.ident
        for kind in ('deployments', 'runs', 'events'):
            self.assertTrue(self.get(
                f'/v1/{kind}?cluster={self.ident}')[kind], kind)
            self.refused(f'/v1/{kind}?cluster=demo', '$.cluster')

    def test_all_projects(self):
        rows.converged(self.api.database, self.theirs)
        ours, theirs = {self.ident}, {self.theirs}
        for kind in ('deployments', 'runs', 'events'):
            def seen(query, kind=kind, **more):
                found = self.get(f'/v1/{kind}?{query}', **more)[kind]
                return {(one['cluster_id'], one['project_id'])
                        for one in found}
            every = seen('all_projects=true', roles='admin')
            self.assertLessEqual({(self.ident, 'ours'),
                                  (self.theirs, 'theirs')}, every, kind)
            # An admin's own project is what is meant without it.
            for query in ('', 'all_projects=false'):
                self.assertEqual({'ours'}, {project for _, project in seen(
                    query, roles='admin')}, kind)
            for cluster, found in ((self.theirs, theirs), (self.ident, ours)):
                self.assertEqual(found, {ident for ident, _ in seen(
                    f'all_projects=true&cluster={cluster}', roles='admin')})
            for roles in ('member', 'reader', 'service'):
                answer = self.api.call(
                    'GET', f'/v1/{kind}?all_projects=true', roles=roles)
                self.assertEqual(403, answer.status, kind)
            answer = self.api.call(
                'GET', f'/v1/{kind}?all_projects=true&cluster=theirs',
                roles='member')
            self.assertEqual(403, answer.status, kind)

    def refused(self, path, where):
        answer = self.api.call('GET', path)
        self.assertEqual((400, [where]),
                         (answer.status, list(answer.findings)), path)

    def test_what_is_not_there(self):
        for kind in ('deployments', 'runs', 'events'):
            for ident in ('nosuch', 'theirs', self.theirs):
                self.refused(f'/v1/{kind}?cluster={ident}', '$.cluster')
        self.refused('/v1/runs?deployment=x', '$.deployment')
        self.refused('/v1/events?deployment=x', '$.deployment')
        self.refused('/v1/events?run=x', '$.run')


class ClusterListTests(Case):
    """Clusters: which, in what order, and how many"""

    def setUp(self):
        super().setUp()
        for name, user, expires in (
                ('Alpha_1', 'ann', '2100-01-03T00:00:00Z'),
                ('alpha21', 'bob', None),
                ('beta', 'ann', '2100-01-02T00:00:00Z'),
                ('beta2', 'bob', '2100-01-01T01:00:00+01:00')):
            answer = self.api.call('POST', '/v1/clusters', {
                'name': name, 'blueprint': 'small', 'expires_at': expires,
            }, X_USER_ID=user)
            self.assertEqual(202, answer.status, answer.body)
        self.api.create('theirs', project='theirs')

    def names(self, query):
        return [one['name'] for one in
                self.get(f'/v1/clusters?{query}')['clusters']]

    def test_which(self):
        for query, names in {
                'q=ALPHA': ['Alpha_1', 'alpha21'],
                'q=a_1': ['Alpha_1'], 'q=%25': [], 'q=/': [],
                'q=2': ['alpha21', 'beta2'],
                'q=e': ['beta', 'beta2'],
                'user=ann': ['Alpha_1', 'beta'],
                'user=me': [],
                'status=ACTIVE,CREATING': ['Alpha_1', 'alpha21', 'beta',
                                           'beta2'],
                'status=ACTIVE,ERROR': [],
                'expires_before=2100-01-02T00:00:00Z': ['beta2'],
                'expires_before=2100-01-03T00:00:00Z': ['beta', 'beta2'],
                'q=beta&user=bob&expires_before=2200-01-01T00:00:00Z': [
                    'beta2'],
        }.items():
            self.assertEqual(names, self.names(f'sort=name&{query}'), query)

    def test_soonest_first(self):
        expected = ['beta2', 'beta', 'Alpha_1', 'alpha21']
        for way, names in (('asc', expected), ('desc', expected[::-1])):
            url, found = f'/v1/clusters?sort=expires_at:{way}&limit=1', []
            while url:
                page = self.get(url)
                found += [one['name'] for one in page['clusters']]
                url = self.link(page, 'next')
            self.assertEqual(names, found)

    def link(self, page, rel):
        return ''.join(one['href'].removeprefix('http://api')
                       for one in page['links'] if one['rel'] == rel)

    def test_there_and_back(self):
        first = self.get('/v1/clusters?sort=name&limit=2')
        self.assertEqual('', self.link(first, 'previous'))
        second = self.get(self.link(first, 'next'))
        self.assertEqual('', self.link(second, 'next'))
        self.assertEqual(['beta', 'beta2'], [
            one['name'] for one in second['clusters']])
        back = self.get(self.link(second, 'previous'))
        self.assertEqual(first['clusters'], back['clusters'])
        self.assertEqual('', self.link(back, 'previous'))
        self.assertEqual(second['clusters'], self.get(
            self.link(back, 'next'))['clusters'])
        last = self.get('/v1/clusters?sort=name&limit=3&page_reverse=true')
        self.assertEqual(['alpha21', 'beta', 'beta2'], [
            one['name'] for one in last['clusters']])
        self.assertEqual(['Alpha_1'], [
            one['name'] for one in self.get(
                self.link(last, 'previous'))['clusters']])

    def test_how_many(self):
        for query, number in (('', 4), ('q=beta&', 2), ('limit=1&', 4),
                              ('status=ERROR&', 0), ('name=beta&', 1)):
            self.assertEqual(number, self.get(
                f'/v1/clusters?{query}with_count=true')['count'], query)
        self.assertNotIn('count', self.get('/v1/clusters'))

    def test_what_is_no_question(self):
        for query, where in (
                ('status=ACTIVE,WELL', '$.status'), ('q=', '$.q'),
                ('expires_before=soon', '$.expires_before'),
                ('expires_before=2026-13-01', '$.expires_before')):
            answer = self.api.call('GET', f'/v1/clusters?{query}')
            self.assertEqual((400, [where]), (
                answer.status, list(answer.findings)), query)


class ExperienceTests(Case):
    """Blueprints: found by words, and what came of them before"""

    def created(self, status, seconds, **more):
        ident = self.api.create(**more)['id']
        with self.api.database.write() as session:
            row = session.query(rows.models.Deployment).filter_by(
                cluster_id=ident).one()
            row.status = status
            row.finished_at = row.created_at + datetime.timedelta(
                seconds=seconds)

    def small(self):
        (found,) = self.get('/v1/blueprints?q=SMALL')['blueprints']
        shown = self.get('/v1/blueprints/small')
        for name in ('typical', 'in_use'):
            self.assertEqual(found[name], shown[name])
        return found['typical'], found['in_use']

    def test_nothing_came_of_it_yet(self):
        self.assertEqual((None, 0), self.small())

    def test_all_projects_and_the_own_one(self):
        for number in range(1, 11):
            self.created('SUCCEEDED', number, name=f'c{number}',
                         project='ours' if number < 4 else 'theirs')
        self.created('FAILED', 1, name='failed')
        self.created('RUNNING', 1, name='running')
        self.assertEqual(({'seconds': 5.5, 'p90': 9.0, 'count': 11,
                           'succeeded': 10}, 5), self.small())
        # For a while the same is told, but not of one's own clusters.
        self.created('SUCCEEDED', 99, name='later')
        typical, in_use = self.small()
        self.assertEqual((11, 6), (typical['count'], in_use))

    def test_by_words(self):
        for query, found in (
                ('q=small', 1), ('q=nothing%20like%20it', 0), ('q=SCIENCE', 1),
                ('field=testing', 1), ('field=life-sciences', 1),
                ('field=science', 0), ('field=testing&q=nothing', 0)):
            self.assertEqual(found, len(self.get(
                f'/v1/blueprints?{query}')['blueprints']), query)

    def test_what_it_is_for_and_how_it_looks(self):
        (found,) = self.get('/v1/blueprints')['blueprints']
        shown = self.get('/v1/blueprints/small')
        for one in (found, shown):
            self.assertEqual((['testing', 'life-sciences'], api.ICON),
                             (one['fields'], one['icon']))


class PageTests(Case):
    """Blueprints, elements and backends by the page"""

    def walk(self, kind, query=''):
        """Names, by pages of one."""
        names, url = [], f'/v1/{kind}?limit=1{query}'
        while url:
            page = self.get(url)
            self.assertLessEqual(len(page[kind]), 1)
            names += [one['name'] for one in page[kind]]
            url = ''.join(link['href'].removeprefix('http://api')
                          for link in page['links']
                          if link['rel'] == 'next')
        return names

    def test_pages(self):
        for kind in ('blueprints', 'elements', 'backends'):
            names = [one['name'] for one in self.get(f'/v1/{kind}')[kind]]
            self.assertEqual(sorted(names), names)
            self.assertEqual(names, self.walk(kind))
            self.assertEqual(names[::-1], self.walk(kind,
                                                    '&sort=name:desc'))
            self.assertEqual(names[1:], [one['name'] for one in self.get(
                f'/v1/{kind}?marker={names[0]}')[kind]])
            self.assertEqual([{'name': name} for name in names], self.get(
                f'/v1/{kind}?fields=name')[kind])
            answer = self.api.call('GET', f'/v1/{kind}?marker=nosuch')
            self.assertEqual((400, ['$.marker']), (
                answer.status, list(answer.findings)))

    def test_sort(self):
        self.assertEqual(
            ['slurm', 'people', 'munge'],
            [one['name'] for one in self.get(
                '/v1/elements?sort=runner,name:desc')['elements']])

    def test_a_backend_that_is_away(self):
        def away(project):
            raise BackendError(plugin='fake', reason='it is away')

        self.api.backend.capacity = away
        self.assertEqual(
            [{'name': 'fake', 'capacity': {}, 'reason': 'fake: it is away'}],
            self.get('/v1/backends')['backends'])
        self.assertEqual(503, self.api.call(
            'GET', '/v1/backends/fake').status)
