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

"""What the API says that a caller may do is what it lets the caller do."""

import collections
import dataclasses
import itertools
import shutil

import testtools
import yaml

from hpcdirect import policies
from hpcdirect.db import models
from hpcdirect.policies import clusters
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.api import Api

CLUSTER = '/v1/clusters/demo'
CALLS = {
    'update': ('PATCH', CLUSTER, {'node_groups': {'compute': {'count': 1}}}),
    'label': ('PATCH', CLUSTER, {'description': 'new'}),
    'protect': ('PATCH', CLUSTER, {'protected': True}),
    'expire': ('PATCH', CLUSTER, {'expires_at': '2100-01-01T00:00:00Z'}),
    'delete': ('DELETE', CLUSTER, None),
    **{word: ('POST', f'{CLUSTER}/deployments', {'operation': word})
       for word in ('retry', 'check', 'repair', 'cancel')},
    'clone': ('POST', '/v1/clusters',
              {'clone': {'cluster': 'demo'}}),
}
#: Who asks, and whether policy lets them change something.
CALLERS = {'admin': True, 'manager': True, 'member': True, 'reader': False,
           'service': False}
#: Status, whether it is to go, whether it is protected.
STATES = [*itertools.product(
    ('CREATING', 'UPDATING', 'ACTIVE', 'DEGRADED', 'ERROR', 'CHECKING'),
    (False,), (False, True)), ('DELETING', True, False),
    ('ERROR', True, False), ('ERROR', True, True)]


class AllowedTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api())
        self.twins = itertools.count()
        self.ident = self.api.create()['id']
        rows.converged(self.api.database, self.ident)
        with self.api.database.read() as session:
            self.desired = session.get_one(models.Cluster, self.ident).desired

    def put(self, status, leaving, protected):
        """The cluster as a conductor and its owner left it."""
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            row.status, row.protected = status, protected
            row.description, row.expires_at = '', None
            rows.sign(session, self.api.services.keys, row,
                      dataclasses.replace(self.desired, deleted=leaving))

    def said(self, roles):
        answer = self.api.call('GET', CLUSTER, roles=roles)
        self.assertEqual(200, answer.status, answer.body)
        (listed,) = self.api.call(
            'GET', '/v1/clusters?name=demo&fields=allowed',
            roles=roles).json['clusters']
        self.assertEqual(answer.json['allowed'], listed['allowed'])
        return answer.json['allowed']

    def test_as_the_api_answers(self):
        for state in STATES:
            self.put(*state)
            for roles, may in CALLERS.items():
                said = self.said(roles)
                self.assertEqual(set(CALLS), set(said))
                for word, (method, path, body) in CALLS.items():
                    if word == 'clone':
                        body = {**body, 'name': f'twin-{next(self.twins)}'}
                    answer = self.api.call(method, path, body, roles=roles)
                    case = (state, roles, word, answer.body)
                    if answer.status < 300:
                        self.assertEqual('', said[word], case)
                        self.put(*state)
                    else:
                        self.assertEqual(
                            403 if not may else 400 if word == 'clone'
                            else 409, answer.status, case)
                        self.assertEqual(
                            answer.json['errors'][0]['detail'].removeprefix(
                                '$.clone.cluster: '), said[word], case)

    def test_clone_of_what_is_in_no_source(self):
        (blueprint,) = self.api.folder.glob('**/blueprint.yaml')
        shutil.rmtree(blueprint.parent)
        # What the sources hold is looked at once a second.
        said = local_bed.wait_for(lambda: self.api.call(
            'GET', CLUSTER).json['allowed']['clone'])
        self.assertEqual(said, self.said('member')['clone'])
        self.assertIn('small@', said)
        (kept,) = self.api.call('GET', f'{CLUSTER}/generations').json[
            'generations']
        self.assertEqual(said, kept['allowed']['clone'])
        answer = self.api.call('POST', '/v1/clusters', {
            'name': 'twin', 'clone': {'cluster': 'demo'}})
        self.assertGreaterEqual(answer.status, 400, answer.body)
        self.assertIn('small@', answer.json['errors'][0]['detail'])


class RulesTest(testtools.TestCase):
    """Of a list, each rule is asked as often as its answer may differ."""

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api())
        self.api.create('here')
        self.elsewhere = [f'lab{number}' for number in range(5)]
        for project in self.elsewhere:
            self.api.create(f'in-{project}', project=project)
        self.asked = collections.Counter()
        self.decide()

    def decide(self, **rules):
        """The operator's policy file says these."""
        path = self.api.folder / 'policy.yaml'
        path.write_text(yaml.safe_dump({
            f'hpcdirect:{name.replace("__", ":")}': check
            for name, check in rules.items()}))
        self.api.conf.set_override('policy_file', str(path), 'oslo_policy')
        enforcer = policies.Enforcer(self.api.conf)
        authorize = enforcer.authorize

        def count(context, rule, target):
            self.asked[rule] += 1
            authorize(context, rule, target)

        enforcer.authorize = count
        object.__setattr__(self.api.services, 'policy', enforcer)
        self.asked.clear()

    def said(self, word, roles):
        """Name -> whether the caller may, of every project's clusters."""
        answer = self.api.call('GET', '/v1/clusters?all_projects=true',
                               roles=roles)
        self.assertEqual(200, answer.status, answer.body)
        found = {one['name']: not one['allowed'][word]
                 for one in answer.json['clusters']}
        self.assertEqual(6, len(found))
        return found

    def test_once_where_the_project_does_not_matter(self):
        self.assertEqual({True}, set(self.said('label', 'admin').values()))
        self.assertEqual({1}, set(self.asked.values()), self.asked)

    def test_once_for_each_project_where_it_does(self):
        self.decide(all_projects='role:member', clusters__update=(
            "project_id:%(project_id)s or 'lab3':%(project_id)s"))
        self.assertEqual(
            {'here': True, 'in-lab3': True,
             **{f'in-lab{number}': False for number in (0, 1, 2, 4)}},
            self.said('label', 'member'))
        self.assertEqual(6, self.asked[clusters.UPDATE])

    def test_no_for_all(self):
        self.decide(all_projects='role:reader', clusters__update='!')
        self.assertEqual({False}, set(self.said('label', 'reader').values()))
        self.assertEqual(1, self.asked[clusters.UPDATE])
