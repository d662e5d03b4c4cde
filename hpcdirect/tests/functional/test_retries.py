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

"""Requests that are sent again: by who lost the answer, or all at once."""

import collections
import concurrent.futures
import http.client
import json
import pathlib
import shutil
import tempfile

import testtools

from hpcdirect.api import server
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional.api import BLUEPRINT
from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.functional.service import Service
from hpcdirect.tests.unit.blueprints import folders

BODY = {'name': 'demo', 'blueprint': 'small'}


class KilledTests(testtools.TestCase):
    """A service that is killed before the database keeps anything"""

    def test_the_same_key_makes_one(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        self.addCleanup(shutil.rmtree, folder)
        folders.write_tree(folder, BLUEPRINT, (folders.MUNGE, folders.SLURM))
        service = self.useFixture(Service(runner='fake',
                                          directories=(folder,)))
        service.start(HPCDIRECT_FAILPOINT='db.orders.once/before')

        def post():
            return service.call('POST', '/v1/clusters', BODY, **{
                'Idempotency-Key': 'once'})

        self.assertRaises((OSError, http.client.HTTPException), post)
        service.died()
        service.start()
        self.assertEqual([], service.get('/v1/clusters')['clusters'])
        first, second = post(), post()
        self.assertEqual((202, 202), (first.status, second.status))
        self.assertEqual([first.json['id']] * 2, [second.json['id']] + [
            one['id'] for one in service.get('/v1/clusters')['clusters']])


class AtOnceTests(testtools.TestCase):
    """A hundred of the same, at the same time"""

    def setUp(self):
        super().setUp()
        self.serve()

    def serve(self, connection=''):
        self.api = self.useFixture(Api(connection, port=0))
        self.server = server.serve(self.api.app, self.api.conf)
        self.addCleanup(self.server.shutdown)

    def post(self, headers):
        connection = http.client.HTTPConnection(*self.server.address,
                                                timeout=120)
        connection.request('POST', '/v1/clusters', json.dumps(BODY), {
            'Content-Type': 'application/json', **headers})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        return answer.status, told.get('id') or told['errors'][0]['code']

    def answers(self, **headers):
        """Answer -> how many got it."""
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            return collections.Counter(
                pool.map(self.post, [headers] * 100))

    def ident(self):
        """The id of the one cluster that there is."""
        found, = self.api.call('GET', '/v1/clusters',
                               project='test').json['clusters']
        return found['id']

    def test_the_same_key(self):
        found = self.answers(**{'Idempotency-Key': 'once'})
        self.assertEqual({(202, self.ident()): 100}, found)

    def test_the_same_name(self):
        found = self.answers()
        self.assertEqual({(202, self.ident()): 1,
                          (409, 'hpcdirect.duplicate_name'): 99}, found)


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class AtOnceOnMariaDBTests(AtOnceTests):
    """The same with MariaDB"""

    def setUp(self):
        testtools.TestCase.setUp(self)
        self.serve(self.useFixture(mariadb.MariaDB()).url)
