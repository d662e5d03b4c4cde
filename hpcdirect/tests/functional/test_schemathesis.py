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

schemathesis makes them, good ones and bad ones, by somebody who is known and
by somebody who is not. Not one may end in a 5xx, a status that the document
does not know, a body that breaks its schema, or cost more than a second of
CPU; and every operation has to answer well at least once.
"""

import collections
import dataclasses
import json
import os
import re
import subprocess
import sys
import time

import bcrypt
import fixtures
import testtools

from hpcdirect.api import app
from hpcdirect.api import auth
from hpcdirect.api import server
from hpcdirect.db import models
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional import tracing
from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.functional.api import basic

EXAMPLES = int(os.environ.get('HPCDIRECT_SCHEMATHESIS_EXAMPLES', '60'))
#: The same for somebody who is not known.
STRANGERS = max(5, EXAMPLES if 'HPCDIRECT_SCHEMATHESIS_EXAMPLES'
                in os.environ else EXAMPLES // 6)
LEAST = 5000
#: Seconds of CPU that one request may cost.
CAP = 1.0


class _Instant:
    """A conductor that brings every cluster to rest at once."""

    def __init__(self, services):
        self._database, self._keys = services.database, services.keys

    def advance(self, cluster_id):
        with self._database.write() as session:
            session.execute(models.Cluster.__table__.update().where(
                models.Cluster.id == cluster_id).values(status='ACTIVE'))
            # What was to be deleted comes back, so that it is there again.
            row = session.get_one(models.Cluster, cluster_id)
            users = row.desired.to_json().get('users', {})
            if 'ann' in users:
                users['ann'] = {**rows.ANN, 'uid': users['ann']['uid']}
            rows.sign(session, self._keys, row, rows.wanted(
                row, deleted=False, users=users))


class SchemathesisTests(testtools.TestCase):
    """The document and the service say the same."""

    def setUp(self):
        super().setUp()
        tracing.off(self)
        self.api = self.useFixture(Api(auth_strategy='basic', port=0,
                                       long_poll_seconds=0.1))
        secret = bcrypt.hashpw(b'word', bcrypt.gensalt(4)).decode()
        (self.api.folder / 'users').write_text(f'me:{secret}:ours:admin\n')
        # schemathesis tries many wrong passwords, and wants a 401 each time.
        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.api.attempts._FREE', (10**6, 10**6)))
        self.seen = collections.defaultdict(collections.Counter)
        self.dearest = (0.0, '')
        listening = server.serve(self.counted(app.make_app(
            dataclasses.replace(self.api.services, conductor=_Instant(
                self.api.services)))), self.api.conf)
        self.addCleanup(listening.shutdown)
        self.url = f'http://127.0.0.1:{listening.address[1]}'
        self.known = self.seed()
        self.document = self.hinted(self.get('/v1/openapi.json'))

    def counted(self, application):
        """The application; every answer is counted, and what it costs."""
        def counting(environ, start):
            request = (environ['REQUEST_METHOD'], environ['REQUEST_URI'])

            def counted_start(status, *more):
                self.seen[environ['REQUEST_METHOD'], environ['PATH_INFO']][
                    int(status.split()[0])] += 1
                return start(status, *more)
            begin = time.thread_time()
            try:
                return application(environ, counted_start)
            finally:
                self.dearest = max(self.dearest, (
                    time.thread_time() - begin, f'{request}'))
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
            rows.peopled(self.api.services, view['id'])
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
        # Its other fields have rules of their own that the schema cannot say.
        document['paths']['/v1/clusters/{cluster}/users']['post'][
            'requestBody']['content']['application/json']['example'] = {
                'name': 'zoe'}
        document['paths']['/v1/clusters/{cluster}/users/{user}']['patch'][
            'requestBody']['content']['application/json']['example'] = {
                'sudo': True}
        return document

    def walk(self, examples, *options):
        """Let schemathesis walk over the document; what was answered."""
        self.seen.clear()
        path = self.api.folder / 'openapi.json'
        path.write_text(json.dumps(self.document))
        # Whether valid requests are taken cannot be said from the document
        # alone: names may be taken, parameters are the blueprint's.
        done = subprocess.run(
            [sys.executable, '-m', 'schemathesis.cli', 'run', str(path),
             '--url', self.url, *options,
             '--phases', 'examples,coverage,fuzzing',
             # Python 3.11 counts the depth of ast.parse in one place for
             # all threads, and hypothesis calls that: so one.
             '--max-examples', str(examples), '--workers', '1',
             '--exclude-checks', 'positive_data_acceptance',
             '--continue-on-failure', '--generation-deterministic',
             '--no-color'],
            cwd=self.api.folder, capture_output=True, text=True,
            timeout=7200)
        self.assertEqual(0, done.returncode,
                         done.stdout[-12000:] + done.stderr[-2000:])
        answers = sum(self.seen.values(), collections.Counter())
        print(f'\n{sum(answers.values())} requests, ' + ', '.join(
            f'{status}: {count}' for status, count
            in sorted(answers.items())) + '; the dearest took '
            f'{self.dearest[0]:.3f} s of CPU: {self.dearest[1][:200]}')
        self.assertLess(self.dearest[0], CAP, self.dearest)
        return answers

    def test_document_and_service_agree(self):
        answers = self.walk(EXAMPLES, '--auth', 'me:word')
        self.assertGreaterEqual(sum(answers.values()), LEAST)
        self.assertEqual([], self.never_well())

    def test_nobody_gets_anywhere(self):
        answers = self.walk(STRANGERS)
        self.assertGreaterEqual(sum(answers.values()), STRANGERS * 20)
        # CORS answers OPTIONS for every path, and tells nothing of it.
        answered = {where for (verb, where), counts in self.seen.items()
                    if verb != 'OPTIONS'
                    and any(status < 400 for status in counts)}
        self.assertEqual(set(), answered - auth.PUBLIC)

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
