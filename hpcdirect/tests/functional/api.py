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

"""The API as a WSGI application, with a real database, and a client."""

import base64
import io
import json
import pathlib
import shutil
import tempfile
import urllib.parse

import fixtures
from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect import policies
from hpcdirect.api import app
from hpcdirect.backends.fake import FakeBackend
from hpcdirect.db import models
from hpcdirect.db.session import Database
from hpcdirect.keys import KeyRing
from hpcdirect.sources.catalogue import Catalogue
from hpcdirect.sources.directory import DirectorySource
from hpcdirect.tests.functional import databases
from hpcdirect.tests.unit.blueprints import folders

BLUEPRINT = folders.changed(
    folders.BLUEPRINT, 'infrastructure', to={
        'fake': {'groups': {'head': {}, 'compute': {}}},
        'other': {'groups': {'head': {}, 'compute': {}}}})
OUTPUTS = {
    'page': {'title': 'Page', 'kind': 'url', 'value': 'http://$at/',
             'with': {'at': {'output': 'slurm.address'}}},
    'memory': {'title': 'Memory', 'kind': 'text', 'value': '$mib MiB',
               'with': {'mib': {'parameter': 'memory'}}}}


ICON = ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">'
        '<path d="M0 0h8"></path></svg>')

#: Not of the blueprint; makes accounts.
PEOPLE = {
    'name': 'people', 'version': '1.0.0', 'label': 'People',
    'description': 'Accounts.', 'accounts': 'users', 'data': ['/people'],
    'parameters': {
        'type': 'object', 'additionalProperties': False, 'properties': {
            'users': {'type': 'array', 'default': [], 'items': {
                'type': 'object', 'properties': {
                    name: {} for name in (
                        'name', 'uid', 'keys', 'groups', 'shell', 'sudo',
                        'state', 'home', 'end_jobs')}}}}},
}


class Recorder:
    """A conductor that only remembers what it was told."""

    def __init__(self):
        self.told = []

    def advance(self, cluster_id):
        self.told.append(cluster_id)


class Answer:
    """A response; ``json`` is what it holds."""

    def __init__(self, status, headers, body):
        self.status = int(status.split()[0])
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The code of the one error."""
        return self.json['errors'][0]['code'].removeprefix('hpcdirect.')

    @property
    def findings(self):
        """Where -> message of everything that is wrong."""
        return {finding['where']: finding['message']
                for finding in self.json['errors'][0]['findings']}


class Api(fixtures.Fixture):
    """An API on an empty database; ``call()`` sends a request."""

    def __init__(self, connection='', **options_of_api):
        super().__init__()
        self._connection = connection
        self._options = {'auth_strategy': 'noauth',
                         'response_validation': 'error', **options_of_api}

    def _setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        made = folders.write_tree(self.folder, folders.changed(
            folders.changed(BLUEPRINT, 'outputs', to=OUTPUTS),
            'fields', to=['testing', 'life-sciences']), (
            folders.MUNGE, folders.SLURM, PEOPLE))
        (made / 'icon.svg').write_text(ICON)
        self.conf = cfg.ConfigOpts()
        options.register_opts(self.conf)
        self.conf([], project='hpcdirect', default_config_files=[],
                  default_config_dirs=[])
        self.conf.set_override('state_path', str(self.folder))
        self.conf.set_override('directories', [str(self.folder)],
                               'blueprints')
        if self._connection:
            self.conf.set_override('connection', self._connection,
                                   'database')
        for name, value in self._options.items():
            self.conf.set_override(name, value, 'api')
        databases.make_tables(self.conf)
        self.database = Database(self.conf)
        self.addCleanup(self.database.engine.dispose)
        self.conductor = Recorder()
        self.backend = FakeBackend(self.conf)
        self.services = app.Services(
            conf=self.conf, database=self.database,
            keys=KeyRing.load_or_create(self.conf.key_file),
            policy=policies.Enforcer(self.conf),
            catalogue=Catalogue([DirectorySource(self.conf)]),
            backends={'fake': self.backend}, conductor=self.conductor)
        self.app = app.make_app(self.services)

    def call(self, method, path, body=None, roles='member', project='ours',
             stream=None, **headers):
        """Send a request; *body* is made JSON unless it is bytes.

        :param stream: what the body is read from, when not from memory.
        """
        raw = body if isinstance(body, bytes) else (
            b'' if body is None else json.dumps(body).encode())
        where, _, query = path.partition('?')
        environ = {
            'REQUEST_METHOD': method, 'SCRIPT_NAME': '',
            'PATH_INFO': urllib.parse.unquote(where, 'latin-1'),
            'QUERY_STRING': query, 'SERVER_NAME': 'api',
            'SERVER_PORT': '80', 'HTTP_HOST': 'api',
            'SERVER_PROTOCOL': 'HTTP/1.1', 'CONTENT_LENGTH': str(len(raw)),
            'CONTENT_TYPE': 'application/json', 'wsgi.version': (1, 0),
            'wsgi.input': stream or io.BytesIO(raw),
            'wsgi.errors': io.StringIO(),
            'wsgi.url_scheme': 'http', 'wsgi.multithread': True,
            'wsgi.multiprocess': False, 'wsgi.run_once': False,
            'HTTP_X_ROLES': roles, 'HTTP_X_PROJECT_ID': project,
            'HTTP_X_USER_ID': 'someone',
        }
        for name, value in headers.items():
            environ[name if name == 'CONTENT_TYPE'
                    else f'HTTP_{name.upper()}'] = value
        said = []
        chunks = self.app(environ, lambda *given: said.append(given))
        return Answer(said[0][0], said[0][1], b''.join(chunks))

    def create(self, name='demo', **more):
        """A new cluster; its view."""
        roles = {key: more.pop(key) for key in ('roles', 'project')
                 if key in more}
        answer = self.call('POST', '/v1/clusters', {
            'name': name, 'blueprint': 'small', **more}, **roles)
        if answer.status != 202:
            raise AssertionError(answer.body)
        return answer.json

    def settle(self, ident, status='ACTIVE'):
        """Do as a conductor: the cluster is at rest, its nodes are up."""
        with self.database.write() as session:
            cluster = session.get_one(models.Cluster, ident)
            cluster.status = status
            for row in session.query(models.Deployment).filter_by(
                    cluster_id=ident):
                if row.status == 'QUEUED':
                    row.status = 'SUCCEEDED'


def basic(name, password):
    """The value of an Authorization header."""
    return 'Basic ' + base64.b64encode(
        f'{name}:{password}'.encode()).decode()
