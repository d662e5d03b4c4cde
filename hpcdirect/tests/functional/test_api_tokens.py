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

"""auth_strategy = keystone: what a token says counts, and nothing else.

Keystone's answers are made up; everything on our side of them is real.
"""

import itertools
import logging
from unittest import mock

import fixtures
from keystoneauth1 import exceptions as ksa_exceptions
from keystonemiddleware import auth_token
from keystonemiddleware.auth_token import _exceptions
from oslo_context import context
import testtools

from hpcdirect.api import tokens
from hpcdirect.tests.functional.api import Api

#: Everything that keystonemiddleware or oslo.context read or write.
FORGED = {
    'X_ROLES': 'admin,member', 'X_ROLE': 'admin', 'X_USER_ID': 'root',
    'X_USER': 'root', 'X_USER_NAME': 'root', 'X_USER_DOMAIN_ID': 'default',
    'X_PROJECT_ID': 'theirs', 'X_PROJECT_NAME': 'theirs',
    'X_PROJECT_DOMAIN_ID': 'default', 'X_TENANT_ID': 'theirs',
    'X_TENANT': 'theirs', 'X_TENANT_NAME': 'theirs',
    'X_DOMAIN_ID': 'default', 'X_DOMAIN_NAME': 'Default',
    'OPENSTACK_SYSTEM_SCOPE': 'all', 'X_IS_ADMIN_PROJECT': 'True',
    'X_IDENTITY_STATUS': 'Confirmed', 'IDENTITY_STATUS': 'Confirmed',
    'X_SERVICE_IDENTITY_STATUS': 'Confirmed', 'X_SERVICE_ROLES': 'service',
    'X_SERVICE_USER_ID': 'nova', 'X_SERVICE_PROJECT_ID': 'service',
    'X_SERVICE_CATALOG': '[]', 'X_STORAGE_TOKEN': 'admin',
}
OWN = {'project': {'id': 'ours', 'name': 'Ours', 'domain': {
    'id': 'default', 'name': 'Default'}}}
SYSTEM = {'system': {'all': True}}
DOMAIN = {'domain': {'id': 'default', 'name': 'Default'}}


def token(*roles, expires='2100', rules=None, **scope):
    """What Keystone says of a token."""
    said = {
        'expires_at': f'{expires}-01-01T00:00:00.000000Z',
        'issued_at': '2026-01-01T00:00:00.000000Z', 'audit_ids': ['x'],
        'methods': ['password'], 'catalog': [
            {'type': 'hpc-cluster', 'name': 'hpcdirect', 'id': 'c',
             'endpoints': []}],
        'roles': [{'id': role, 'name': role} for role in roles],
        'user': {'id': 'uid', 'name': 'me', 'domain': {
            'id': 'default', 'name': 'Default'}}, **scope}
    if rules is not None:
        said['application_credential'] = {
            'id': 'a', 'name': 'a', 'restricted': True,
            'access_rules': [{'service': 'hpc-cluster', 'method': method,
                              'path': path} for method, path in rules]}
    return {'token': said}


#: Tokens that Keystone knows.
KNOWN = {
    'reader': token('reader', **OWN),
    'member': token('member', 'reader', **OWN),
    'admin': token('admin', 'member', 'reader', **OWN),
    'unscoped': token(), 'domain': token('admin', **DOMAIN),
    'system': token('admin', 'member', 'reader', **SYSTEM),
    'system-reader': token('reader', **SYSTEM),
    'service': token('service', project={'id': 'service', 'name': 'service',
                                         'domain': {'id': 'default',
                                                    'name': 'Default'}}),
    'system-service': token('service', 'admin', **SYSTEM),
    'expired': token('member', 'reader', expires='2026', **OWN),
    'credential': token('member', 'reader', rules=[
        ('GET', '/v1/clusters'), ('GET', '/v1/clusters/*')], **OWN),
}


def _verify(self, name, retry=True, allow_expired=False):
    """In place of IdentityServer.verify_token: what Keystone answers."""
    if name == 'down':
        raise _exceptions.ServiceError('no answer')
    if name not in KNOWN:
        raise _exceptions.InvalidToken('unknown')
    return KNOWN[name]


class Case(testtools.TestCase):
    """An API that knows some tokens."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'keystonemiddleware.auth_token._identity.IdentityServer.'
            'verify_token', _verify))
        self.api = self.useFixture(Api(auth_strategy='keystone'))
        self.api.conf.set_override(
            'www_authenticate_uri', 'http://keystone', 'keystone_authtoken')
        from hpcdirect.api import app
        self.api.app = app.make_app(self.api.services)

    def call(self, name, method='GET', path='/v1/clusters', body=None,
             **headers):
        """A request with a token and perhaps more."""
        if name is not None:
            headers['X_AUTH_TOKEN'] = name
        return self.api.call(method, path, body, **headers)

    def detail(self, answer, status):
        self.assertEqual(status, answer.status, answer.body)
        return answer.json['errors'][0]['detail']


class ForgeryTests(Case):
    """Headers from outside"""

    def test_without_a_token(self):
        for headers in ({}, FORGED, *({name: value}
                                      for name, value in FORGED.items())):
            answer = self.call(None, **headers)
            self.assertEqual((401, 'unauthorized'),
                             (answer.status, answer.code), headers)
            self.assertEqual('Keystone uri="http://keystone"',
                             answer.headers['www-authenticate'])

    def test_with_a_token_of_no_project(self):
        for name in ('unscoped', 'domain', 'system-reader'):
            for headers in (FORGED, *({one: value} for one, value
                                      in FORGED.items())):
                answer = self.call(name, **headers)
                self.assertEqual((403, 'forbidden'),
                                 (answer.status, answer.code),
                                 f'{name} {headers}')

    def test_with_a_member_s_token(self):
        view = self.call('member', 'POST', body={
            'name': 'demo', 'blueprint': 'small'}, **FORGED).json
        self.assertEqual(('ours', 'Ours', 'uid', 'me'), tuple(
            view[name] for name in ('project_id', 'project_name', 'user_id',
                                    'user_name')))
        for headers in (FORGED, *({one: value} for one, value
                                  in FORGED.items())):
            self.assertEqual(403, self.call(
                'member', path='/v1/clusters?all_projects=true',
                **headers).status, headers)
            self.assertEqual(404, self.call(
                'member', path='/v1/projects/theirs', **headers).status)

    def test_a_reader_stays_one(self):
        for one, value in FORGED.items():
            self.assertEqual(403, self.call(
                'reader', 'POST', body={'name': 'x', 'blueprint': 'small'},
                **{one: value}).status, one)

    def test_every_header_that_the_libraries_know_is_in_the_list(self):
        request = auth_token._request._AuthTokenRequest({})
        known = {name.upper().replace('-', '_')
                 for name in request._all_auth_headers()}
        known |= {name.removeprefix('HTTP_') for names
                  in context._ENVIRON_HEADERS.values() for name in names
                  if name.startswith('HTTP_')}
        known -= {'X_AUTH_TOKEN', 'X_SERVICE_TOKEN'}
        seen = []
        answer = dict.fromkeys(known, 'forged')
        with mock.patch.object(tokens, 'identify', lambda environ, **more:
                               seen.append(dict(environ))):
            self.assertEqual(500, self.call('member', **answer).status)
        self.assertEqual([], [name for name, value in seen[0].items()
                              if value == 'forged'])


class ScopeTests(Case):
    """Tokens that are not for a project"""

    def setUp(self):
        super().setUp()
        self.ident = self.call('member', 'POST', body={
            'name': 'demo', 'blueprint': 'small'}).json['id']

    def test_the_operator_sees_all(self):
        for path, name in (('/v1/clusters', 'clusters'),
                           ('/v1/clusters?all_projects=true', 'clusters'),
                           ('/v1/deployments', 'deployments'),
                           ('/v1/events', 'events'), ('/v1/runs', 'runs'),
                           (f'/v1/clusters/{self.ident}/nodes', 'nodes')):
            answer = self.call('system', path=path)
            self.assertEqual(200, answer.status, answer.body)
            self.assertEqual(name in ('runs', 'nodes'),
                             not answer.json[name], path)
        self.assertEqual('ours', self.call(
            'system', path=f'/v1/clusters/{self.ident}').json['project_id'])

    def test_the_operator_acts_on_what_is_there(self):
        path = f'/v1/clusters/{self.ident}'
        self.assertEqual(200, self.call(
            'system', 'PATCH', path, {'description': 'x'}).status)
        self.assertEqual(202, self.call('system', 'DELETE', path).status)

    def test_names_are_for_projects(self):
        self.assertEqual(404, self.call(
            'system', path='/v1/clusters/demo').status)

    def test_what_needs_a_project(self):
        for method, path, body in (
                ('POST', '/v1/clusters', {'name': 'x', 'blueprint': 'small'}),
                ('GET', '/v1/backends', None),
                ('GET', '/v1/blueprints', None)):
            self.assertIn('needs a token for a project', self.detail(
                self.call('system', method, path, body), 403))
        answer = self.call('system', path='/v1/capacity')
        self.assertEqual((400, {'$.project_id'}),
                         (answer.status, set(answer.findings)))
        self.assertEqual(200, self.call(
            'system', path='/v1/capacity?project_id=ours').status)
        self.assertEqual(200, self.call(
            'system', path='/v1/projects/ours').status)

    def test_scope_is_not_only_oslo_policy_s_to_enforce(self):
        self.useFixture(fixtures.MonkeyPatch(
            'oslo_policy.policy.Enforcer.authorize', lambda *given: True))
        self.assertEqual(403, self.call('system', 'POST', body={
            'name': 'x', 'blueprint': 'small'}).status)

    def test_refusals_say_why(self):
        for name, said in (('domain', 'for a domain'),
                           ('unscoped', 'for no project'),
                           ('system-reader', 'the role admin')):
            self.assertIn(said, self.detail(self.call(name), 403))


class ServiceTokenTests(Case):
    """X-Service-Token"""

    def test_must_have_the_role(self):
        self.assertEqual(200, self.call(
            'member', X_SERVICE_TOKEN='service').status)
        for name in ('member', 'admin', 'system', 'nonsense', 'unscoped'):
            answer = self.call('member', X_SERVICE_TOKEN=name)
            self.assertEqual((401, 'unauthorized'),
                             (answer.status, answer.code), name)

    def test_is_not_enough(self):
        self.assertEqual(401, self.call(
            None, X_SERVICE_TOKEN='service').status)

    def test_rescues_an_expired_token(self):
        self.assertEqual(401, self.call('expired').status)
        self.assertEqual(401, self.call(
            'expired', X_SERVICE_TOKEN='admin').status)
        self.assertEqual(200, self.call(
            'expired', X_SERVICE_TOKEN='service').status)

    def test_lends_nothing_to_the_caller(self):
        self.assertEqual(403, self.call(
            'member', path='/v1/clusters?all_projects=true',
            X_SERVICE_TOKEN='system-service').status)
        for name in ('unscoped', 'domain', 'system-reader'):
            self.assertEqual(403, self.call(
                name, X_SERVICE_TOKEN='system-service').status)

    def test_no_site_can_do_without_the_role(self):
        self.api.conf.set_override('service_token_roles_required', False,
                                   'keystone_authtoken')
        from hpcdirect.api import app
        self.api.app = app.make_app(self.api.services)
        self.assertEqual(401, self.call(
            'member', X_SERVICE_TOKEN='member').status)

    def test_is_recorded(self):
        ident = self.call('member', 'POST', body={
            'name': 'demo', 'blueprint': 'small'},
            X_SERVICE_TOKEN='service').json['deployment']['id']
        from hpcdirect.db import models
        with self.api.database.read() as session:
            self.assertEqual('uid', session.get_one(
                models.Deployment, ident).service)


class TokenTests(Case):
    """What becomes of good tokens and bad ones"""

    def test_unknown_and_expired(self):
        for name in ('nonsense', 'expired', 'a' * 5000, '\xff', ' '):
            answer = self.call(name)
            self.assertEqual((401, 'unauthorized'),
                             (answer.status, answer.code))
            self.assertIn('www-authenticate', answer.headers)

    def test_keystone_is_down(self):
        answer = self.call('down')
        self.assertEqual((503, 'unavailable', '5'), (
            answer.status, answer.code, answer.headers['retry-after']))
        for error in (ksa_exceptions.ConnectFailure,
                      ksa_exceptions.EndpointNotFound,
                      ksa_exceptions.MissingAuthPlugin):
            with mock.patch.object(
                    auth_token._identity.IdentityServer, 'verify_token',
                    autospec=True, side_effect=error):
                self.assertEqual(503, self.call('member').status, error)
        self.assertEqual(401, self.call(None).status)
        for path in ('/', '/v1', '/v1/openapi.json', '/healthcheck'):
            self.assertEqual(200, self.call('down', path=path).status)

    def test_rules_of_an_application_credential(self):
        self.assertEqual(200, self.call('credential').status)
        self.assertEqual(404, self.call(
            'credential', path='/v1/clusters/nosuch').status)
        for method, path in (('GET', '/v1/events'),
                             ('POST', '/v1/clusters'),
                             ('DELETE', '/v1/clusters/nosuch')):
            answer = self.call('credential', method, path)
            self.assertEqual((401, 'unauthorized'),
                             (answer.status, answer.code))

    def test_a_token_is_not_carried_on(self):
        seen = []

        def identify(environ, **more):
            seen.append(original(environ, **more))
            return seen[0]

        original = tokens.identify
        with mock.patch.object(tokens, 'identify', identify):
            self.assertEqual(200, self.call(
                'member', X_SERVICE_TOKEN='service').status)
        self.assertEqual((None, None), (seen[0].auth_token,
                                        seen[0].service_token))
        self.assertNotIn("'member'}", str(vars(seen[0])))
        self.assertEqual(['service'], seen[0].service_roles)

    def test_log_lines_know_the_request(self):
        ident = self.call('member', 'POST', body={
            'name': 'demo', 'blueprint': 'small'}).json['id']
        seen = []

        class Handler(logging.Handler):
            def emit(self, record):
                seen.append(context.get_current())

        logger = logging.getLogger('hpcdirect.api.errors')
        handler = Handler()
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        with mock.patch('hpcdirect.db.layers.listing', autospec=True,
                        side_effect=RuntimeError):
            answer = self.call('member',
                               path=f'/v1/clusters/{ident}/layers')
        self.assertEqual(500, answer.status)
        self.assertEqual(
            [(answer.headers['x-openstack-request-id'], 'ours', 'uid',
              ident)],
            [(one.request_id, one.project_id, one.user_id,
              one.resource_uuid) for one in seen])
        answer = self.call('member', path='/healthcheck')
        now = context.get_current()
        self.assertEqual(
            (answer.headers['x-openstack-request-id'], None, None),
            (now.request_id, now.project_id, now.resource_uuid))

    def test_tokens_of_the_list_are_all_tried(self):
        allowed = {name for name in KNOWN if self.call(name).status == 200}
        self.assertEqual({'reader', 'member', 'admin', 'system', 'service',
                          'system-service', 'credential'}, allowed)
        every = itertools.chain(KNOWN, ('nonsense', 'down'))
        self.assertEqual(
            {200, 401, 403, 503}, {self.call(name).status for name in every})
