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
from hpcdirect.tests.functional import tracing
from hpcdirect.tests.functional.api import Api

PERSONAS = ('reader', 'member', 'manager', 'admin', 'service', '')
#: With a token for the whole system, which has no project.
SYSTEM = ('reader', 'member', 'admin')
BODIES = {
    ('post', '/v1/clusters'): {'name': 'new', 'blueprint': 'small'},
    ('patch', '/v1/clusters/{cluster}'): {'description': 'x'},
    ('post', '/v1/plans'): {'create': {'name': 'n', 'blueprint': 'small'}},
    ('post', '/v1/clusters/{cluster}/users'): {'name': 'bob'},
    ('patch', '/v1/clusters/{cluster}/users/{user}'): {'sudo': True},
    ('post', '/v1/clusters/{cluster}/deployments'): {'operation': 'retry'},
}


class PolicyWalk(testtools.TestCase):
    """All of it; 0 surprises."""

    def setUp(self):
        super().setUp()
        tracing.off(self)
        self.api = self.useFixture(Api())
        self.names = itertools.count()

    def words(self, project):
        """What the words in paths stand for, in a project."""
        view = self.api.create(f'demo{next(self.names)}', project=project)
        run = rows.converged(self.api.database, view['id'])
        rows.peopled(self.api.services, view['id'])
        return {'project': project, 'cluster': view['id'], 'node': 'head-0',
                'user': 'ann', 'generation': '1',
                'plan': rows.plan(self.api.database, view['id']),
                'run': run, 'deployment': view['deployment']['id'],
                'backend': 'fake', 'blueprint': 'small', 'element': 'munge'}

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
                    ('{cluster}', '{deployment}', '{plan}', '{run}',
                     '{project}'))
        project = 'theirs' if foreign and owned else 'ours'
        enforcer = self.api.services.policy
        if enforcer.allows(context, self.rule(verb, path),
                           {'project_id': project}):
            return 200
        own = enforcer.allows(context, self.rule(verb, path),
                              {'project_id': 'ours'})
        # Whether something is there is told before what may be done to
        # it only where the path names a cluster or a project.
        if foreign and owned and (own or '{cluster}' in path
                                  or '{project}' in path):
            return 404
        return 403

    def test_walk(self):
        routes = [route for route in Root(self.api.services).walk()
                  if not route[2].schemas.public]
        tried = 0
        seen = {project: self.words(project) for project in ('ours', 'theirs')}
        for (path, verb, _), persona, foreign in itertools.product(
                routes, PERSONAS, (False, True)):
            project = 'theirs' if foreign else 'ours'
            # What is only looked at is the next one's as well.
            words = seen[project] if verb == 'get' else self.words(project)
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

    def test_system(self):
        """An admin of the whole system gets to all that is there already."""
        rules = {rule.name: rule for rule in policies.list_rules()}
        reached = set()
        for path, verb, method in Root(self.api.services).walk():
            if method.schemas.public:
                continue
            words, body = self.words('theirs'), BODIES.get((verb, path))
            for role in SYSTEM:
                answer = self.api.call(
                    verb.upper(), path.format(**words), body, roles=role,
                    project='', OPENSTACK_SYSTEM_SCOPE='all')
                may = role == 'admin' and 'system' in rules[
                    self.rule(verb, path)].scope_types
                said = f'{role}, {verb} {path}: {answer.body}'
                if path == '/v1/capacity' and may:
                    # It has to say whose.
                    self.assertEqual(400, answer.status, said)
                    continue
                self.assertEqual(may, answer.status < 300, said)
                if may:
                    reached.add((verb, path))
                else:
                    self.assertEqual(403, answer.status, said)
        self.assertEqual(set(), {
            ('get', '/v1/clusters'), ('delete', '/v1/clusters/{cluster}'),
            ('get', '/v1/projects/{project}'), ('get', '/v1/runs/{run}/log'),
        } - reached)
        self.assertNotIn(('post', '/v1/clusters'), reached)

    def test_anonymous(self):
        for path, verb, method in Root(self.api.services).walk():
            answer = self.api.call(verb.upper(), path, BODIES.get(
                (verb, path)), X_USER_ID='')
            if method.schemas.public:
                self.assertEqual(200, answer.status)
            else:
                self.assertEqual(401, answer.status, f'{verb} {path}')
