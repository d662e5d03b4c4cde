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

"""Every route, every persona, own and foreign project.

The table that is expected is made from the rules; what the routes do is
tried out through the front door.
"""

import itertools

import testtools

from hpcdirect import policies
from hpcdirect.api.auth import implied
from hpcdirect.api.controllers.root import Root
from hpcdirect.context import RequestContext
from hpcdirect.policies import base
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.api import Api

PERSONAS = ('reader', 'member', 'manager', 'admin', 'service', '')
BODIES = {
    ('post', '/v1/clusters'): {'name': 'new', 'blueprint': 'small'},
    ('patch', '/v1/clusters/{cluster}'): {'description': 'x'},
    ('post', '/v1/clusters/{cluster}/deployments'): {'operation': 'retry'},
}


class PolicyWalk(testtools.TestCase):
    """All of it; 0 surprises."""

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api())
        self.names = itertools.count()

    def words(self, project):
        """What the words in paths stand for, in a project."""
        view = self.api.create(f'demo{next(self.names)}', project=project)
        run = rows.converged(self.api.database, view['id'])
        return {'cluster': view['id'], 'node': 'head-0', 'run': run,
                'deployment': view['deployment']['id'], 'backend': 'fake',
                'blueprint': 'small', 'element': 'munge'}

    def rule(self, verb, path):
        """The rule that says it is about a route."""
        found = [rule.name for rule in policies.list_rules()
                 if rule.name != base.ALL_PROJECTS
                 for one in getattr(rule, 'operations', ())
                 if (one['method'].lower(), one['path']) == (verb, path)]
        self.assertEqual(1, len(found), f'{verb} {path}: {found}')
        return found[0]

    def expected(self, verb, path, persona, foreign):
        """200 for any good answer, 403, or 404."""
        context = RequestContext(user_id='me', project_id='ours',
                                 roles=implied([persona]))
        owned = any(word in path for word in
                    ('{cluster}', '{deployment}', '{run}'))
        project = 'theirs' if foreign and owned else 'ours'
        enforcer = self.api.services.policy
        if enforcer.allows(context, self.rule(verb, path),
                           {'project_id': project}):
            return 200
        own = enforcer.allows(context, self.rule(verb, path),
                              {'project_id': 'ours'})
        # Whether something is there is told before what may be done to
        # it only where the path names a cluster.
        if foreign and owned and (own or '{cluster}' in path):
            return 404
        return 403

    def test_walk(self):
        routes = [route for route in Root(self.api.services).walk()
                  if not route[2].schemas.public]
        tried = 0
        for (path, verb, _), persona, foreign in itertools.product(
                routes, PERSONAS, (False, True)):
            words = self.words('theirs' if foreign else 'ours')
            body = BODIES.get((verb, path))
            if body and 'name' in body:
                body = {**body, 'name': f'new{next(self.names)}'}
            answer = self.api.call(verb.upper(), path.format(**words), body,
                                   roles=persona, project='ours')
            got = 200 if answer.status in (200, 202) else answer.status
            self.assertEqual(
                self.expected(verb, path, persona, foreign), got,
                f'{persona or "no role"}, {verb} {path}, '
                f'{"foreign" if foreign else "own"}: {answer.body}')
            tried += 1
        self.assertEqual(len(routes) * 12, tried)

    def test_anonymous(self):
        for path, verb, method in Root(self.api.services).walk():
            answer = self.api.call(verb.upper(), path, BODIES.get(
                (verb, path)), X_USER_ID='')
            if method.schemas.public:
                self.assertEqual(200, answer.status)
            else:
                self.assertEqual(401, answer.status, f'{verb} {path}')
