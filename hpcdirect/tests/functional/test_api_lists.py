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

import testtools

from hpcdirect.exception import BackendError
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
