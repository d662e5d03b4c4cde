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

"""Who has an answer is not sent it again."""

import base64
import http.client

from hpcdirect.db import models
from hpcdirect.tests.functional import served

#: What is asked again and again.
POLLED = (
    '/', '/v1', '/v1/summary', '/v1/clusters', '/v1/clusters?limit=1',
    '/v1/clusters/{cluster}', '/v1/clusters/{cluster}/topology',
    '/v1/clusters/{cluster}/nodes', '/v1/clusters/{cluster}/layers',
    '/v1/clusters/{cluster}/users', '/v1/deployments',
    '/v1/deployments/{deployment}', '/v1/blueprints', '/v1/events',
    '/v1/openapi.json')


class NewsTest(served.ServedTest):

    def setUp(self):
        super().setUp()
        self.http = http.client.HTTPConnection(
            *self.listening.address, timeout=60)
        self.addCleanup(self.http.close)
        with self.api.database.read() as session:
            self.deployment = session.query(models.Deployment).one().id

    def ask(self, path, method='GET', **headers):
        """All on one connection: a body too many would break the next."""
        self.http.request(method, path.format(
            cluster=self.ident, deployment=self.deployment), headers={
                'Authorization': 'Basic ' + base64.b64encode(
                    b'me:word').decode(),
                **{name.replace('_', '-'): value
                   for name, value in headers.items()}})
        answer = self.http.getresponse()
        return answer.status, answer.headers, answer.read()

    def test_nothing_new(self):
        for path in POLLED:
            status, headers, body = self.ask(path)
            self.assertEqual(200, status, path)
            tag = headers['ETag']
            self.assertRegex(tag, '^"[0-9a-f-]+"$')
            self.assertEqual('private, no-cache', headers['Cache-Control'])
            for said in (tag, f'W/{tag}', f'"other", {tag}', '*'):
                status, again, body = self.ask(path, If_None_Match=said)
                self.assertEqual((304, b'', tag), (
                    status, body, again['ETag']), (path, said))
                for name in ('OpenStack-API-Version', 'Vary',
                             'X-Openstack-Request-Id'):
                    self.assertIn(name, again)
                self.assertIsNone(again['Content-Type'])
            for said in ('"other"', 'nonsense', '"', ''):
                self.assertEqual(200, self.ask(
                    path, If_None_Match=said)[0], (path, said))

    def test_whatever_changes_is_news(self):
        """Also what nobody's wish has changed, as the status."""
        def status(cluster):
            cluster.status = 'DEGRADED'

        def name(cluster):
            cluster.name = 'other'

        for change in (status, name):
            tags = {path: self.ask(path)[1]['ETag'] for path in (
                '/v1/clusters', '/v1/clusters/{cluster}', '/v1/summary',
                '/v1/clusters/{cluster}/topology')}
            with self.api.database.write() as session:
                change(session.get_one(models.Cluster, self.ident))
            for path, tag in tags.items():
                got, _, body = self.ask(path, If_None_Match=tag)
                self.assertEqual(200, got, (change, path))
                self.assertNotEqual(b'', body)

    def test_one_tag_for_both(self):
        """If-Match heeds what people change of a cluster, nothing else."""
        path = '/v1/clusters/{cluster}'
        tag = self.ask(path)[1]['ETag']
        with self.api.database.write() as session:
            session.get_one(models.Cluster, self.ident).status = 'DEGRADED'
        self.assertNotEqual(tag, self.ask(path)[1]['ETag'])
        short = '"' + '-'.join(tag.strip('"').split('-')[:2]) + '"'
        for said, status in ((tag, 202), (tag, 412), (short, 412)):
            self.assertEqual(status, self.ask(
                path, 'DELETE', If_Match=said)[0])

    def test_only_what_went_well(self):
        for method, path in (('GET', '/v1/clusters/nosuch'),
                             ('HEAD', '/v1/clusters'),
                             ('POST', '/v1/clusters')):
            status, headers, _ = self.ask(path, method, If_None_Match='*')
            self.assertNotEqual(304, status)
            self.assertIsNone(headers['Cache-Control'])

    def test_the_client(self):
        first, tag = self.hpc.read_news('/clusters', fields='name,status')
        self.assertEqual('demo', first['clusters'][0]['name'])
        self.assertEqual((None, tag), self.hpc.read_news(
            '/clusters', tag, fields='name,status'))
        with self.api.database.write() as session:
            session.get_one(models.Cluster, self.ident).status = 'ERROR'
        then, new = self.hpc.read_news('/clusters', tag,
                                       fields='name,status')
        self.assertEqual('ERROR', then['clusters'][0]['status'])
        self.assertNotEqual(tag, new)
