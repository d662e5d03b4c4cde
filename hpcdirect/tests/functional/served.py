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

"""The API over real HTTP, with the client's proxy and its commands."""

import json

import bcrypt
from keystoneauth1 import http_basic
from keystoneauth1 import session
import openstack

from hpcdirect.api import app
from hpcdirect.api import server
from hpcdirect.client import proxy
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.unit.client import base


class ServedTest(base.ClientTest):
    """Has an API with cluster "demo", ``hpc`` and ``openstack()``."""

    connection = staticmethod(lambda: '')

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(
            self.connection(), auth_strategy='basic', port=0))
        secret = bcrypt.hashpw(b'word', bcrypt.gensalt(4)).decode()
        (self.api.folder / 'users').write_text(f'me:{secret}:ours:admin\n')
        self.listening = server.serve(
            app.make_app(self.api.services), self.api.conf)
        self.addCleanup(self.listening.shutdown)
        account = {
            'endpoint': f'http://127.0.0.1:{self.listening.address[1]}',
            'username': 'me', 'password': 'word'}
        self.clouds(auth_type='http_basic', auth=account)
        self.hpc = proxy.attach(openstack.connection.Connection(
            session=session.Session(auth=http_basic.HTTPBasicAuth(
                **account))))
        self.ident = self.hpc.create_cluster(name='demo',
                                             blueprint='small').id
        rows.converged(self.api.database, self.ident)

    def shown(self, *words, code=0):
        """What ``openstack hpc`` prints: on stdout and on stderr."""
        got, out, err = self.openstack('hpc', *words)
        self.assertEqual(code, got, err)
        return out, err

    def read(self, *words):
        """The JSON that ``openstack hpc`` prints."""
        return json.loads(self.shown(*words, '-f', 'json')[0])
