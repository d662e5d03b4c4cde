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

"""Who may do what, with tokens of a real Keystone.

Personas are those of the bed's clouds.yaml: alice and bob are members of the
project lab, carol a reader, dave its manager and one of its domain, mallory a
member of another project, bed-admin the operator, hpcdirect the service.
"""

import datetime
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import uuid

from keystoneauth1.identity import v3
import openstack
from oslo_config import cfg
import requests
import testtools

from hpcdirect import policies
from hpcdirect.client import proxy
from hpcdirect.context import RequestContext
from hpcdirect.policies import base

#: Who of lab is what there, and who else there is.
ROLES = {
    'alice': ['member', 'reader'], 'bob': ['member', 'reader'],
    'carol': ['reader'], 'dave': ['manager', 'member', 'reader'],
    'mallory': ['member', 'reader'], 'hpcdirect': ['service'],
    'bed-admin': ['admin', 'manager', 'member', 'reader']}
WALKERS = ('mallory', 'hpcdirect', 'carol', 'bob', 'alice', 'dave',
           'bed-admin')
BODIES = {
    # Refused for what it asks for, when not for who asks.
    ('post', '/v1/clusters'): {'name': 'x', 'blueprint': 'nosuch'},
    ('patch', '/v1/clusters/{cluster}'): {'description': 'x'},
    # Refusing is what such a plan shows, and no error.
    ('post', '/v1/plans'): {'create': {'name': 'x', 'blueprint': 'nosuch'}},
    # There is no such user there, or somebody else changes the cluster.
    ('post', '/v1/clusters/{cluster}/users'): {'name': 'eve'},
    ('patch', '/v1/clusters/{cluster}/users/{user}'): {'sudo': True},
    ('post', '/v1/clusters/{cluster}/deployments'): {'operation': 'retry'},
}
FORGED = {
    'X-Roles': 'admin', 'X-Role': 'admin', 'X-User-Id': 'root',
    'X-Project-Id': '{lab}', 'X-Tenant-Id': '{lab}', 'X-Tenant': '{lab}',
    'X-Domain-Id': 'default', 'OpenStack-System-Scope': 'all',
    'X-Is-Admin-Project': 'True', 'X-Identity-Status': 'Confirmed',
    'X-Service-Identity-Status': 'Confirmed', 'X-Service-Roles': 'service',
    'X_Roles': 'admin', 'X_Project_Id': '{lab}'}


@testtools.skipUnless(os.environ.get('BED_NAME'),
                      'devstack/bed/bed exec runs these')
class Case(testtools.TestCase):
    """Speaks HTTP, so that nothing is made better by a client."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clouds = {name: openstack.connect(name) for name in ROLES}
        cls.tokens = {name: cloud.auth_token
                      for name, cloud in cls.clouds.items()}
        cls.url = proxy.attach(cls.clouds['alice']).get_endpoint().rstrip('/')
        cls.lab = cls.clouds['alice'].current_project_id

    def call(self, token, method='GET', path='/v1/clusters', body=None,
             **headers):
        """A request; the response."""
        given = {name.replace('__', '-'): value
                 for name, value in headers.items()}
        if token is not None:
            given['X-Auth-Token'] = self.tokens.get(token, token)
        return requests.request(method, self.url + path, json=body,
                                headers=given, timeout=90)

    def refused(self, response, status):
        """It is an error as all of ours are; its detail."""
        self.assertEqual(status, response.status_code, response.text)
        error = response.json()['errors'][0]
        self.assertTrue(error['code'].startswith('hpcdirect.'), error)
        return error['detail']

    def token(self, name, **auth):
        """Another token of somebody's, for some scope."""
        session = self.clouds[name].session
        return v3.Token(session.auth.auth_url, self.tokens[name],
                        reauthenticate=False, **auth).get_token(session)

    def cluster(self):
        """A small cluster of alice's; goes when the test is over."""
        name = f'who-{uuid.uuid4().hex[:8]}'
        response = self.call('alice', 'POST', body={
            'name': name, 'blueprint': 'single', 'backend': 'local'})
        self.assertEqual(202, response.status_code, response.text)
        path = f'/v1/clusters/{response.json()["id"]}'
        self.addCleanup(self.call, 'alice', 'DELETE', path)
        return response.json()


class WalkTest(Case):
    """Every route, with the token of everybody."""

    def rule(self, verb, path):
        found = [rule for rule in policies.list_rules()
                 if rule.name != base.ALL_PROJECTS
                 for one in getattr(rule, 'operations', ())
                 if (one['method'].lower(), one['path']) == (verb, path)]
        self.assertEqual(1, len(found), f'{verb} {path}: {found}')
        return found[0].name

    def expected(self, enforcer, who, verb, path):
        """The statuses that are right."""
        own = self.clouds[who].current_project_id
        context = RequestContext(user_id=who, project_id=own,
                                 roles=ROLES[who], overwrite=False)
        owned = any(word in path for word in (
            '{cluster}', '{deployment}', '{plan}', '{run}', '{project}'))

        def may(project):
            return enforcer.allows(context, self.rule(verb, path),
                                   policies.Target(project_id=project))

        if may(self.lab if owned else own):
            if (verb, path) == ('post', '/v1/clusters'):
                return {400}
            # Others change the cluster meanwhile, or there is no run yet.
            return {200, 202, 404, 409} if owned else {200}
        if owned and enforcer.reach(context) not in (None, self.lab):
            return {404} if may(own) else {403, 404}
        return {403}

    def test_walk(self):
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[], default_config_dirs=[])
        enforcer = policies.Enforcer(conf)
        cluster = self.cluster()
        runs = self.call('alice', path='/v1/runs').json()['runs']
        plan = self.call('alice', 'POST', '/v1/plans', {
            'cluster': cluster['id'], 'change': {'parameters': {}}})
        self.assertEqual(200, plan.status_code, plan.text)
        words = {'cluster': cluster['id'], 'node': 'node-0',
                 'project': self.lab, 'blueprint': 'single',
                 'user': 'nobody', 'element': 'base', 'backend': 'local',
                 'deployment': cluster['deployment']['id'],
                 'generation': '1', 'plan': plan.json()['id'],
                 'run': runs[0]['id'] if runs else 'none'}
        tried = 0
        for (verb, path), who in itertools.product(self.routes(), WALKERS):
            answer = self.call(who, verb.upper(), path.format(**words),
                               BODIES.get((verb, path)))
            self.assertIn(answer.status_code,
                          self.expected(enforcer, who, verb, path),
                          f'{who}, {verb} {path}: {answer.text}')
            if answer.status_code in (403, 404):
                self.assertNotIn(cluster['name'], answer.text)
            tried += 1
        print(f'\n{tried} requests with real tokens')
        self.assertGreaterEqual(tried, 189)

    def routes(self):
        """Verb and path of everything that not anybody may ask."""
        document = self.call(None, path='/v1/openapi.json').json()
        found = [(verb, path) for path, operations
                 in document['paths'].items()
                 for verb, operation in operations.items()
                 if operation.get('security') != []]
        # What takes the cluster away comes last.
        return sorted(found, key=lambda route: route[0] == 'delete')


class ForgeryTest(Case):
    """Headers that say who one is"""

    def setUp(self):
        super().setUp()
        self.forged = {name: value.format(lab=self.lab)
                       for name, value in FORGED.items()}

    def test_without_a_token(self):
        for headers in (self.forged, *({name: value} for name, value
                                       in self.forged.items())):
            answer = requests.get(f'{self.url}/v1/clusters', headers=headers,
                                  timeout=30)
            self.refused(answer, 401)
            self.assertIn('Keystone uri=', answer.headers['WWW-Authenticate'])

    def test_with_somebody_else_s_token(self):
        cluster = self.cluster()
        for name, value in self.forged.items():
            headers = {'X-Auth-Token': self.tokens['mallory'], name: value}
            for path, status in ((f'/v1/clusters/{cluster["id"]}', 404),
                                 (f'/v1/projects/{self.lab}', 404),
                                 ('/v1/clusters?all_projects=true', 403)):
                self.refused(requests.get(self.url + path, headers=headers,
                                          timeout=30), status)
            found = requests.get(f'{self.url}/v1/clusters', headers=headers,
                                 timeout=30).json()['clusters']
            self.assertNotIn(self.lab, [one['project_id'] for one in found])

    def test_foreign_ids_are_not_there(self):
        cluster = self.cluster()
        deployment = cluster['deployment']['id']
        for path in (f'/v1/clusters/{cluster["id"]}',
                     f'/v1/clusters/{cluster["name"]}',
                     f'/v1/clusters/{cluster["id"]}/nodes',
                     f'/v1/clusters/{cluster["id"]}/events',
                     f'/v1/deployments/{deployment}',
                     f'/v1/projects/{self.lab}'):
            there = self.refused(self.call('mallory', path=path), 404)
            word = path.split('/')[3]
            none = self.refused(self.call('mallory', path=path.replace(
                word, 'nosuch')), 404)
            self.assertEqual(none, there.replace(word, 'nosuch'))
        self.refused(self.call(
            'mallory', path=f'/v1/clusters?marker={cluster["id"]}'), 400)
        for query in (f'cluster={cluster["id"]}', f'deployment={deployment}'):
            self.refused(self.call(
                'mallory', path=f'/v1/events?{query}'), 400)
        self.refused(self.call(
            'mallory', path=f'/v1/capacity?project_id={self.lab}'), 403)


class TokenTest(Case):
    """Tokens that are not what they were, and those of other kinds"""

    def test_nonsense(self):
        for token in ('nonsense', 'gAAAAA' + 'x' * 180, '',
                      self.tokens['alice'][:-4], self.tokens['alice'] * 30):
            self.refused(self.call(token), 401)

    def test_revoked(self):
        token = self.token('alice', project_id=self.lab)
        cloud = self.clouds['alice']
        answer = cloud.identity.delete('/auth/tokens', headers={
            'X-Subject-Token': token})
        self.assertEqual(204, answer.status_code)
        self.refused(self.call(token), 401)

    def test_expired(self):
        _, token = self.credential(seconds=8)
        self.assertEqual(200, self.call(token).status_code)
        time.sleep(9)
        self.refused(self.call(token), 401)
        self.refused(self.call(token, X__Service__Token=self.tokens['alice']),
                     401)

    def test_no_project(self):
        for scope, said in (
                ({'domain_id': 'default'}, 'for a domain'),
                ({'unscoped': True}, 'for no project')):
            self.assertIn(said, self.refused(self.call(
                self.token('dave', **scope)), 403))

    def test_the_whole_system(self):
        cluster = self.cluster()
        token = self.login('bed-admin', system_scope='all')
        path = f'/v1/clusters/{cluster["id"]}'
        for query in ('', '?all_projects=true'):
            self.assertIn(cluster['id'], [one['id'] for one in self.call(
                token, path=f'/v1/clusters{query}').json()['clusters']])
        self.assertEqual(200, self.call(token, 'PATCH', path, {
            'description': 'seen'}).status_code)
        self.assertEqual(200, self.call(
            token, path=f'/v1/projects/{self.lab}').status_code)
        self.assertIn('needs a token for a project', self.refused(self.call(
            token, 'POST', body={'name': 'x', 'blueprint': 'single'}), 403))
        self.assertEqual(202, self.call(token, 'DELETE', path).status_code)

    def test_service_tokens(self):
        service = self.tokens['hpcdirect']
        self.assertEqual(200, self.call(
            'alice', X__Service__Token=service).status_code)
        for token in ('nonsense', self.tokens['alice'],
                      self.tokens['bed-admin']):
            self.refused(self.call('alice', X__Service__Token=token), 401)
        # It lends nothing.
        self.refused(self.call(None, X__Service__Token=service), 401)
        self.refused(self.call('alice', path='/v1/clusters?all_projects=true',
                               X__Service__Token=service), 403)

    def test_application_credential(self):
        _, token = self.credential()
        self.assertEqual(200, self.call(token).status_code)
        self.refused(self.call(token, 'POST', body={
            'name': 'x', 'blueprint': 'nosuch'}), 400)
        _, token = self.credential(roles=['reader'])
        self.assertEqual(200, self.call(token).status_code)
        self.refused(self.call(token, 'POST', body={
            'name': 'x', 'blueprint': 'nosuch'}), 403)

    def test_application_credential_with_rules(self):
        _, token = self.credential(access_rules=[
            {'service': 'hpc-cluster', 'method': 'GET',
             'path': '/v1/clusters'}])
        self.assertEqual(200, self.call(token).status_code)
        for method, path in (('GET', '/v1/events'), ('POST', '/v1/clusters'),
                             ('GET', '/v1/clusters/x')):
            self.refused(self.call(token, method, path), 401)
        _, token = self.credential(access_rules=[
            {'service': 'compute', 'method': 'GET', 'path': '/v2.1/servers'}])
        self.refused(self.call(token), 401)

    def login(self, name, **scope):
        """A token by name and password."""
        session = self.clouds[name].session
        auth = self.clouds[name].config.config['auth']
        return v3.Password(
            auth['auth_url'], username=auth['username'],
            password=auth['password'],
            user_domain_name=auth['user_domain_name'],
            **scope).get_token(session)

    def credential(self, seconds=None, roles=('member',), **more):
        """An application credential of alice's, and a token by it."""
        cloud = self.clouds['alice']
        if seconds:
            more['expires_at'] = (datetime.datetime.now(datetime.UTC)
                                  + datetime.timedelta(seconds=seconds)
                                  ).strftime('%Y-%m-%dT%H:%M:%S')
        user = cloud.current_user_id
        answer = cloud.identity.post(
            f'/users/{user}/application_credentials',
            json={'application_credential': {
                'name': uuid.uuid4().hex, 'secret': 'x' * 20,
                'roles': [{'name': role} for role in roles], **more}})
        self.assertEqual(201, answer.status_code, answer.text)
        made = answer.json()['application_credential']
        self.addCleanup(
            cloud.identity.delete,
            f'/users/{user}/application_credentials/{made["id"]}')
        return made, v3.ApplicationCredential(
            cloud.config.config['auth']['auth_url'],
            application_credential_id=made['id'],
            application_credential_secret='x' * 20).get_token(cloud.session)


class EnableTest(Case):
    """hpc project show, enable, disable; in a project of its own"""

    def setUp(self):
        super().setUp()
        admin = self.clouds['bed-admin']
        self.project = admin.identity.create_project(
            name=f'who-{uuid.uuid4().hex[:8]}', domain_id='default')
        self.addCleanup(admin.identity.delete_project, self.project)
        for name, role in (('alice', 'member'), ('dave', 'manager')):
            admin.identity.put(
                f'/projects/{self.project.id}/users/'
                f'{self.clouds[name].current_user_id}/roles/'
                f'{admin.identity.find_role(role).id}')

    def hpc(self, who, *words, code=0, project=None):
        """``openstack hpc ...`` in the project; stdout and stderr."""
        done = subprocess.run(
            [pathlib.Path(sys.executable).with_name('openstack'),
             '--os-cloud', who, '--os-project-name',
             project or self.project.name, 'hpc', *words],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=120)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        self.assertNotIn('Traceback', done.stderr)
        return done.stdout, done.stderr

    def enabled(self, who='alice'):
        return json.loads(self.hpc(who, 'project', 'show', '-f', 'json')[0])

    def granted(self):
        """Roles of the service's user in the project."""
        return {one.role['id'] for one
                in self.clouds['bed-admin'].identity.role_assignments(
                    scope_project_id=self.project.id,
                    user_id=self.clouds['hpcdirect'].current_user_id)}

    def test_from_end_to_end(self):
        found = self.enabled()
        service = self.clouds['hpcdirect'].current_user_id
        self.assertEqual((False, 'member', service), (
            found['enabled'], found['role'], found['service_user']['id']))
        self.assertIn('hpc project enable', found['reason'])
        _, said = self.hpc('alice', 'project', 'enable', code=1)
        command = f'openstack role add --user {service} --project ' \
                  f'{self.project.id} member'
        self.assertIn(f'\n{command}\n', said)
        self.assertEqual(set(), self.granted())
        self.hpc('dave', 'project', 'enable')
        self.assertEqual(1, len(self.granted()))
        self.assertTrue(self.enabled()['enabled'])
        _, said = self.hpc('alice', 'project', 'disable', code=1)
        self.assertIn(command.replace(' add ', ' remove '), said)
        self.hpc('dave', 'project', 'disable')
        self.assertEqual(set(), self.granted())

    def test_what_is_printed_is_what_helps(self):
        _, said = self.hpc('alice', 'project', 'enable', code=1)
        command = re.search('^openstack (role add .*)$', said, re.MULTILINE)
        subprocess.run(
            [pathlib.Path(sys.executable).with_name('openstack'),
             '--os-cloud', 'bed-admin', *command[1].split()], check=True,
            timeout=120)
        self.assertTrue(self.enabled()['enabled'])

    def test_the_operator_enables_others(self):
        self.hpc('bed-admin', 'project', 'enable', self.project.name,
                 project='admin')
        self.assertEqual(1, len(self.granted()))
        self.hpc('bed-admin', 'project', 'disable', self.project.id,
                 project='admin')
        self.assertEqual(set(), self.granted())
