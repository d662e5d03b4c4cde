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

"""Thousands of requests made from the OpenAPI document, against a server.

schemathesis makes them, good ones and bad ones. Not one may end in a 5xx, a
status that the document does not know, or a body that breaks its schema; and
every operation has to answer well at least once.
"""

import collections
import dataclasses
import json
import os
import re
import subprocess
import sys

import bcrypt
import testtools

from hpcdirect.api import app
from hpcdirect.api import server
from hpcdirect.db import models
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional import tracing
from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.functional.api import basic

EXAMPLES = int(os.environ.get('HPCDIRECT_SCHEMATHESIS_EXAMPLES', '60'))
LEAST = 5000


class _Instant:
    """A conductor that brings every cluster to rest at once."""

    def __init__(self, database):
        self._database = database

    def advance(self, cluster_id):
        with self._database.write() as session:
            session.execute(models.Cluster.__table__.update().where(
                models.Cluster.id == cluster_id).values(status='ACTIVE'))
            # What was to be deleted comes back, so that it is there again.
            row = session.get_one(models.Cluster, cluster_id)
            row.desired = {**row.desired, 'deleted': False}
            users = row.desired.get('users', {})
            if 'ann' in users:
                row.desired = {**row.desired, 'users': {
                    **users, 'ann': {**rows.ANN, 'uid': users['ann']['uid']}}}


class SchemathesisTests(testtools.TestCase):
    """The document and the service say the same."""

    def setUp(self):
        super().setUp()
        tracing.off(self)
        self.api = self.useFixture(Api(auth_strategy='basic', port=0,
                                       long_poll_seconds=0.1))
        secret = bcrypt.hashpw(b'word', bcrypt.gensalt(4)).decode()
        (self.api.folder / 'users').write_text(f'me:{secret}:ours:admin\n')
        self.seen = collections.defaultdict(collections.Counter)
        listening = server.serve(self.counted(app.make_app(
            dataclasses.replace(self.api.services, conductor=_Instant(
                self.api.database)))), self.api.conf)
        self.addCleanup(listening.shutdown)
        self.url = f'http://127.0.0.1:{listening.address[1]}'
        self.known = self.seed()
        self.document = self.hinted(self.get('/v1/openapi.json'))

    def counted(self, application):
        """The application; every answer is counted."""
        def counting(environ, start):
            def counted_start(status, *more):
                self.seen[environ['REQUEST_METHOD'], environ['PATH_INFO']][
                    int(status.split()[0])] += 1
                return start(status, *more)
            return application(environ, counted_start)
        return counting

    def call(self, method, path, body=None):
        return self.api.call(method, path, body,
                             AUTHORIZATION=basic('me', 'word'))

    def get(self, path):
        return self.call('GET', path).json

    def seed(self):
        """Some clusters; what the words in paths may stand for."""
        known = {'cluster': [], 'run': [], 'deployment': [], 'plan': [],
                 'generation': ['1'], 'user': ['ann', 'eve'],
                 'node': ['head-0', 'compute-0'], 'backend': ['fake'],
                 'project': ['ours', 'theirs'],
                 'blueprint': ['small', 'small@1.2.0'],
                 'element': ['munge', 'slurm']}
        for number in range(3):
            view = self.call('POST', '/v1/clusters', {
                'name': f'seed{number}', 'blueprint': 'small'}).json
            known['cluster'] += [view['id'], view['name']]
            known['deployment'].append(view['deployment']['id'])
            known['run'].append(rows.converged(self.api.database,
                                               view['id']))
            rows.peopled(self.api.database, view['id'])
            known['plan'].append(rows.plan(self.api.database, view['id']))
        return known

    def hinted(self, document):
        """The document, with names of things that are there."""
        for operations in document['paths'].values():
            for operation in operations.values():
                for given in operation['parameters']:
                    if given['in'] == 'path':
                        names = self.known[given['name']]
                        given['schema'] = {'anyOf': [
                            {'enum': names},
                            # An operator may ask for any project.
                            {'type': 'string', 'minLength': 1} | (
                                {'pattern': '^[A-Za-z0-9._-]{1,64}$'}
                                if given['name'] == 'project'
                                else {'maxLength': 40})]}
                        given['example'] = names[0]
        body = document['paths']['/v1/clusters']['post']['requestBody'][
            'content']['application/json']
        body['schema']['properties']['blueprint']['enum'] = ['small']
        body['example'] = {'name': 'first', 'blueprint': 'small'}
        document['paths']['/v1/clusters/{cluster}/users/{user}']['patch'][
            'requestBody']['content']['application/json']['example'] = {
                'sudo': True}
        return document

    def test_document_and_service_agree(self):
        path = self.api.folder / 'openapi.json'
        path.write_text(json.dumps(self.document))
        # Whether valid requests are taken cannot be said from the document
        # alone: names may be taken, parameters are the blueprint's.
        done = subprocess.run(
            [sys.executable, '-m', 'schemathesis.cli', 'run', str(path),
             '--url', self.url, '--auth', 'me:word',
             '--phases', 'examples,coverage,fuzzing',
             # Python 3.11 counts the depth of ast.parse in one place for
             # all threads, and hypothesis calls that: so one.
             '--max-examples', str(EXAMPLES), '--workers', '1',
             '--exclude-checks', 'positive_data_acceptance',
             '--continue-on-failure', '--generation-deterministic',
             '--no-color'],
            cwd=self.api.folder, capture_output=True, text=True,
            timeout=1200)
        self.assertEqual(0, done.returncode,
                         done.stdout[-12000:] + done.stderr[-2000:])
        answers = sum(sum(one.values()) for one in self.seen.values())
        print(f'\n{answers} requests, ' + ', '.join(
            f'{status}: {count}' for status, count in sorted(
                sum(self.seen.values(), collections.Counter()).items())))
        self.assertGreaterEqual(answers, LEAST)
        self.assertEqual([], self.never_well())

    def never_well(self):
        """Operations that never answered with 2xx."""
        found = []
        for path, operations in self.document['paths'].items():
            pattern = re.compile(re.sub(r'{\w+}', '[^/]+', path) + r'\Z')
            for verb in operations:
                statuses = {status for (method, where), counts
                            in self.seen.items() for status in counts
                            if method.lower() == verb
                            and pattern.match(where)}
                if not any(status < 300 for status in statuses):
                    found.append(f'{verb} {path}: {sorted(statuses)}')
        return found
