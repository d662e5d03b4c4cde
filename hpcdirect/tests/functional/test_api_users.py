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

"""/v1/clusters/{cluster}/users"""

import testtools

from hpcdirect.db import models
from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.api import BLUEPRINT
from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.functional.test_api_clusters import Case
from hpcdirect.tests.unit.blueprints import folders

KEY = public_keys.line('ann')
#: A blueprint whose parameters have users.
INHABITED = {
    **BLUEPRINT, 'name': 'inhabited',
    'parameters': {
        'type': 'object', 'additionalProperties': False, 'properties': {
            'compute_count': {'type': 'integer', 'default': 2},
            'people': {'type': 'array', 'default': []}}},
    'infrastructure': {'fake': {'groups': {'head': {}, 'compute': {}}}},
    'elements': [{'name': 'people', 'variables': {
        'users': {'parameter': 'people'}}}]}


class UsersTests(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api())
        folders.write_tree(self.api.folder, INHABITED, ())
        self.uuid = self.api.create('demo')['id']
        self.rest()

    def rest(self):
        with self.api.database.write() as session:
            session.get_one(models.Cluster, self.uuid).status = 'ACTIVE'

    def put_on(self):
        rows.peopled(self.api.services, self.uuid)

    def call(self, method, path='', body=None, status=202):
        answer = self.api.call(method, f'/v1/clusters/demo/users{path}', body)
        self.assertEqual(status, answer.status, answer.body)
        if status == 202:
            self.rest()
        return answer

    def users(self, query=''):
        return {one['name']: one for one in self.call(
            'GET', query, status=200).json['users']}

    def desired(self):
        with self.api.database.read() as session:
            return session.get_one(models.Cluster, self.uuid
                                   ).desired.to_json()

    def test_nothing_makes_accounts(self):
        answer = self.call('POST', body={'name': 'bob'}, status=400)
        self.assertIn('element add', answer.findings['$.users'])
        self.assertEqual({}, self.users())

    def test_life_of_one(self):
        self.put_on()
        self.call('POST', body={'name': 'bob', 'keys': [KEY]})
        bob = self.users()['bob']
        self.assertEqual(([KEY], 'on', True, bob['uid']), (
            bob['keys'], bob['state'], bob['own'], bob['gid']))
        self.assertIn(bob['uid'], range(20000, 60000))
        self.call('POST', body={'name': 'bob'}, status=409)
        self.call('PATCH', '/bob', {'sudo': True, 'groups': ['lab']})
        changed = self.call('GET', '/bob', status=200).json
        self.assertEqual((True, ['lab'], [KEY]), (
            changed['sudo'], changed['groups'], changed['keys']))
        self.call('PATCH', '/bob', {'sudo': True}, 200)
        answer = self.call('PATCH', '/bob', {'uid': 5000}, 400)
        self.assertIn('stays so', answer.findings['$.users.bob.uid'])
        self.call('DELETE', '/bob?home=archive&end_jobs=true')
        self.assertNotIn('bob', self.users())
        self.assertEqual('gone', self.users('?gone=true')['bob']['state'])
        self.assertEqual(
            {'uid': bob['uid'], 'state': 'gone', 'home': 'archive',
             'end_jobs': True}, self.desired()['users']['bob'])
        self.call('DELETE', '/bob', status=404)
        self.call('PATCH', '/bob', {'sudo': True}, 404)
        # An id is never given twice; the same name gets its own again.
        answer = self.call('POST', body={'name': 'tom', 'uid': bob['uid']},
                           status=400)
        self.assertIn('bob', answer.findings['$.users.tom.uid'])
        self.call('POST', body={'name': 'bob'})
        self.assertEqual((bob['uid'], []), (
            self.users()['bob']['uid'], self.users()['bob']['keys']))

    def test_keys_are_known_by_their_fingerprints(self):
        self.put_on()
        other = public_keys.line('bob').split()
        self.call('POST', body={'name': 'bob', 'keys': [
            f'restrict {KEY}', ' '.join(other[:2])]})
        found = self.users()['bob']['fingerprints']
        self.assertEqual([(KEY.split()[0], KEY.split(' ', 2)[2]),
                          (other[0], '')],
                         [(one['kind'], one['comment']) for one in found])
        self.assertEqual([True, True], [
            one['fingerprint'].startswith('SHA256:') for one in found])
        # One that was taken before keys were looked at.
        with self.api.database.write() as session:
            cluster = session.get_one(models.Cluster, self.uuid)
            users = cluster.desired.to_json()['users']
            cluster.desired = rows.wanted(cluster, users={
                **users, 'bob': {**users['bob'], 'keys': ['ssh-dss AAAA']}})
        self.assertEqual([{'kind': '', 'fingerprint': '', 'comment': ''}],
                         self.users()['bob']['fingerprints'])

    def test_where_there_is_no_node_yet(self):
        self.put_on()
        self.assertEqual({'wanted': 3, 'done': 0, 'changing': 0},
                         self.users()['ann']['nodes'])
        self.assertEqual(self.users()['ann'],
                         self.call('GET', '/ann', status=200).json)

    def test_wrong(self):
        self.put_on()
        answer = self.call('POST', body={
            'name': 'Bob', 'keys': ['a\nb'], 'shell': 'bash'}, status=400)
        self.assertEqual({'$.name', '$.keys[0]', '$.shell'},
                         set(answer.findings))
        answer = self.call('POST', body={
            'name': 'bob', 'expires_at': 'soon'}, status=400)
        self.assertEqual(1, len(answer.findings))
        for said in ('0001-01-01T00:00:00+14:00', '2020-01-01T00:00:00Z'):
            answer = self.call('POST', body={
                'name': 'bob', 'expires_at': said}, status=400)
            self.assertEqual(['$.users.bob.expires_at'],
                             list(answer.findings))

    def test_keys_that_are_not_public_keys(self):
        """By every door; what is refused is not repeated in the answer."""
        self.put_on()
        private = 'b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAA'
        wrong = ['-----BEGIN OPENSSH PRIVATE KEY-----', private, KEY,
                 '\ufeff' + KEY, 'ssh-ed25519 AAAA ann']
        for method, path, body in (
                ('POST', '/users', {'name': 'bob', 'keys': wrong}),
                ('PATCH', '/users/ann', {'keys': wrong}),
                ('PATCH', '', {'users': {'ann': {'keys': wrong}}})):
            answer = self.api.call(
                method, f'/v1/clusters/demo{path}', body)
            self.assertEqual(400, answer.status, answer.body)
            name = body.get('name', 'ann')
            self.assertEqual(
                {f'$.users.{name}.keys[{place}]' for place in (0, 1, 3, 4)},
                set(answer.findings))
            self.assertIn('is a private key', answer.findings[
                f'$.users.{name}.keys[1]'])
            self.assertNotIn(private[:20], str(answer.body))
        answer = self.api.call('POST', '/v1/clusters/demo/users', {
            'name': 'bob', 'keys': [f'{wrong[0]}\n{private}']})
        self.assertEqual(400, answer.status)
        self.assertNotIn(private[:20], str(answer.body))

    def test_keys_of_parameters(self):
        """Of a new cluster, and of one that is there."""
        people = [{'name': 'eve', 'keys': [KEY, 'ssh-ed25519 AAAA eve']}]
        for method, path, body in (
                ('POST', '', {'name': 'new', 'blueprint': 'inhabited',
                              'parameters': {'people': people}}),
                ('PATCH', '/lived-in', {'parameters': {'people': people}})):
            if path:
                self.lived_in(['damaged before'])
            answer = self.api.call(method, f'/v1/clusters{path}', body)
            self.assertEqual(400, answer.status, answer.body)
            self.assertEqual(['$.users.eve.keys[1]'], list(answer.findings))

    def lived_in(self, keys):
        """A cluster of a blueprint with users, whose keys went unchecked."""
        made = self.api.create(
            'lived-in', blueprint='inhabited',
            parameters={'people': [{'name': 'eve', 'keys': [KEY]}]})
        with self.api.database.write() as session:
            cluster = session.get_one(models.Cluster, made['id'])
            cluster.status = 'ACTIVE'
            rows.sign(session, self.api.services.keys, cluster, rows.wanted(
                cluster, parameters={
                    **cluster.desired.parameters,
                    'people': [{'name': 'eve', 'keys': keys}]}))

    def test_what_was_taken_before_stays(self):
        """Until somebody changes it."""
        self.put_on()
        old = 'ssh-ed25519 AAAA ann'
        with self.api.database.write() as session:
            cluster = session.get_one(models.Cluster, self.uuid)
            rows.sign(session, self.api.services.keys, cluster, rows.wanted(
                cluster, users={'ann': {**rows.ANN, 'keys': [old]}}))
        self.call('PATCH', '/ann', {'sudo': True})
        self.call('PATCH', '/ann', {'keys': [old, KEY]})
        answer = self.call('PATCH', '/ann', {'keys': [f'{old} 2']}, 400)
        self.assertEqual(['$.users.ann.keys[0]'], list(answer.findings))
        self.lived_in([old])
        answer = self.api.call('PATCH', '/v1/clusters/lived-in', {
            'parameters': {'people': [
                {'name': 'eve', 'keys': [old], 'sudo': True},
                {'name': 'tom', 'keys': [KEY]}]}})
        self.assertEqual(202, answer.status, answer.body)

    def test_who_never_was_burns_nothing(self):
        """Neither the name nor the id, when no node ever had the account."""
        self.put_on()
        self.call('POST', body={'name': 'bob', 'uid': 5000, 'keys': [KEY]})
        self.applied('FAILED', {'head-0': {'failed': 1},
                                'compute-0': {'unreachable': 1}})
        self.call('PATCH', '/bob', {'uid': 5001})
        self.assertEqual((5001, [KEY]), (self.users()['bob']['uid'],
                                         self.users()['bob']['keys']))
        self.applied('FAILED', {'head-0': {'failed': 1},
                                'compute-0': {'failed': 1}})
        self.call('DELETE', '/bob')
        self.assertNotIn('bob', self.users('?gone=true'))
        self.call('POST', body={'name': 'tom', 'uid': 5001})
        # On one of two nodes all was done: the account may be in use there.
        self.applied('FAILED', {'head-0': {'failed': 1},
                                'compute-0': {'changed': 1}})
        self.call('PATCH', '/tom', {'uid': 5002}, 400)
        self.applied('SUCCEEDED', {})
        self.call('DELETE', '/tom')
        self.assertEqual('gone', self.users('?gone=true')['tom']['state'])
        self.call('POST', body={'name': 'eve', 'uid': 5001}, status=400)

    def applied(self, status, summary):
        """The newest deployment is over, and so ended its one run."""
        with self.api.database.write() as session:
            deployment = session.query(models.Deployment).filter_by(
                cluster_id=self.uuid).order_by(
                    models.Deployment.generation.desc()).first()
            for row in session.query(models.Deployment).filter_by(
                    cluster_id=self.uuid, status='QUEUED'):
                row.status = 'SUPERSEDED'
            deployment.status = status
            session.add(models.Run(
                cluster_id=self.uuid, project_id=deployment.project_id,
                deployment_id=deployment.id, step_id=models.new_id(),
                verb='apply', element='people', status=status,
                nodes=['head-0', 'compute-0'], runner='fake',
                summary=summary))

    def test_until_then(self):
        self.put_on()
        self.call('POST', body={'name': 'bob',
                                'expires_at': '2027-01-01T01:00:00+01:00'})
        self.assertEqual('2027-01-01T00:00:00+00:00',
                         self.users()['bob']['expires_at'])

    def test_one_layer_is_what_it_touches(self):
        self.put_on()
        answer = self.api.call('POST', '/v1/plans', {
            'cluster': 'demo', 'change': {'users': {'bob': {}}}})
        self.assertEqual(200, answer.status, answer.body)
        self.assertFalse(answer.json['refused'])
        self.api.call('PATCH', '/v1/clusters/demo', {
            'users': {'bob': {'sudo': True}, 'ann': None}})
        self.assertEqual({'bob'}, set(self.users()))

    def test_what_would_be_lost(self):
        rows.converged(self.api.database, self.uuid)
        self.put_on()
        for home, lost in (('purge', ['/people/ann']), ('archive', [])):
            answer = self.api.call('POST', '/v1/plans', {
                'cluster': 'demo', 'change': {'users': {'ann': {
                    'state': 'gone', 'home': home}}}})
            self.assertEqual([lost], [
                one['lost'] for one in answer.json['changes']
                if one['subject'] == 'people'])

    def test_all_that_is_wrong(self):
        self.put_on()
        answer = self.api.call('PATCH', '/v1/clusters/demo', {'users': {
            'tom': None, 'bob': {'uid': 20001}}})
        self.assertEqual({'$.users.tom', '$.users.bob.uid'},
                         set(answer.findings))


class WhereTests(Case):
    """What is known of a node, and what is only written there"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        rows.converged(self.api.database, self.ident)
        rows.peopled(self.api.services, self.ident)

    def applied(self, node, status, users):
        """A run has put people onto a node, if it went well."""
        with self.api.database.write() as session:
            deployment = session.query(models.Deployment).one()
            run = models.Run(
                cluster_id=self.ident, project_id='ours', step_id='x',
                deployment_id=deployment.id, verb='apply', element='people',
                nodes=[node], status=status, runner='fake')
            session.add(run)
            session.flush()
            session.add(models.Layer(
                cluster_id=self.ident, node=node, incarnation=1,
                element='people', role='node', version='1.0.0', position=2,
                digest=f'{status} {len(users)}', state='applied',
                run_id=run.id, inputs={'variables': {'users': users}}))

    def test_only_what_went_well_is_known(self):
        ann = {'name': 'ann', **rows.ANN}
        del ann['state'], ann['expires_at']
        for node, status, users in (
                ('head-0', 'SUCCEEDED', [ann]), ('compute-0', 'FAILED', [ann]),
                ('compute-1', 'SUCCEEDED', [])):
            self.applied(node, status, users)
        (found,) = self.api.call(
            'GET', '/v1/clusters/demo/users').json['users']
        self.assertEqual({'wanted': 3, 'done': 1, 'changing': 0},
                         found['nodes'])


class MariaDBWhereTests(WhereTests):
    """The same on MariaDB"""

    def connection(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        return self.useFixture(mariadb.MariaDB()).url
