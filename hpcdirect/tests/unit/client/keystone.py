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

"""A stand-in for Keystone: logs people in, knows projects, roles, grants."""

import http.server
import json
import re
import threading
from urllib import parse

import fixtures

DOMAIN = {'id': 'default', 'name': 'Default'}
PROJECTS = {'p-lab': 'lab', 'p-other': 'other'}
ROLES = {'r-member': 'member', 'r-reader': 'reader'}


class Keystone(fixtures.Fixture):
    """Says no to everybody but a few.

    Who logs in as ``admin`` may do all; ``dave`` may with a token for the
    domain. ``grants`` are those that they gave.
    """

    def __init__(self, service_url):
        super().__init__()
        self._service = service_url

    def _setUp(self):
        self.grants = set()
        self.seen = []
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0),
                                                 self._handler())
        self.url = f'http://127.0.0.1:{server.server_address[1]}/v3'
        threading.Thread(target=server.serve_forever, args=(0.02,),
                         daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)

    def cloud(self, user, project='lab'):
        """The entry of clouds.yaml for somebody."""
        return {'auth_type': 'password', 'region_name': 'one', 'auth': {
            'auth_url': self.url, 'username': user, 'password': 'x',
            'project_name': project, 'user_domain_id': 'default',
            'project_domain_id': 'default'}}

    def token(self, body):
        """The answer to a login; the token says user and scope."""
        auth = body['auth']
        user = (auth['identity'].get('password') or {}).get('user', {}).get(
            'name') or auth['identity']['token']['id'].partition(':')[0]
        scope = auth.get('scope', {})
        said = {
            'methods': ['password'], 'roles': [],
            'expires_at': '2099-01-01T00:00:00.000000Z',
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'user': {'id': f'u-{user}', 'name': user, 'domain': DOMAIN},
            'catalog': [
                {'type': kind, 'name': kind, 'id': kind, 'endpoints': [
                    {'id': f'e-{kind}', 'interface': 'public',
                     'region': 'one', 'region_id': 'one', 'url': url}]}
                for kind, url in (('identity', self.url),
                                  ('hpc-cluster', self._service))]}
        if 'domain' in scope:
            said['domain'] = DOMAIN
        else:
            name = scope['project']['name']
            said['project'] = {'id': f'p-{name}', 'name': name,
                               'domain': DOMAIN}
        refused = 'domain' in scope and user not in ('admin', 'dave')
        ident = f'{user}:{"domain" if "domain" in scope else "project"}'
        return (401, {}, '') if refused else (201, {'token': said}, ident)

    def answer(self, method, path, token, query):
        """Status and body."""
        user, _, scope = token.partition(':')
        may = user == 'admin' or (user, scope) == ('dave', 'domain')
        self.seen.append(f'{user}:{scope} {method} {path}')
        if path in ('', '/'):
            return 200, {'version': {
                'id': 'v3.14', 'status': 'stable',
                'links': [{'rel': 'self', 'href': self.url}]}}
        if path == '/auth/projects':
            return 200, {'projects': [self.project('p-lab')]}
        if not may:
            return 403, {'error': {'message': 'You are not authorized'}}
        if path == '/roles':
            return 200, {'roles': [
                {'id': ident, 'name': name} for ident, name in ROLES.items()
                if query.get('name') in (None, name)]}
        if path == '/projects':
            return 200, {'projects': [
                self.project(ident) for ident, name in PROJECTS.items()
                if query.get('name') in (None, name)]}
        one = re.fullmatch('/projects/([^/]*)', path)
        if one and one[1] in PROJECTS:
            return 200, {'project': self.project(one[1])}
        grant = re.fullmatch('/projects/(.*)/users/(.*)/roles/(.*)', path)
        if not grant or grant[1] not in PROJECTS:
            return 404, {'error': {'message': 'Could not find'}}
        if method == 'PUT':
            self.grants.add(grant.groups())
        elif grant.groups() in self.grants:
            self.grants.remove(grant.groups())
        else:
            return 404, {'error': {'message': 'Could not find assignment'}}
        return 204, None

    def project(self, ident):
        return {'id': ident, 'name': PROJECTS[ident],
                'domain_id': 'default', 'enabled': True}

    def _handler(keystone):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def _do(self):
                text = self.rfile.read(int(
                    self.headers.get('Content-Length') or 0))
                url = parse.urlsplit(self.path)
                path = url.path.removeprefix('/v3')
                if path == '/auth/tokens':
                    status, body, token = keystone.token(json.loads(text))
                else:
                    token = ''
                    status, body = keystone.answer(
                        self.command, path, self.headers.get(
                            'X-Auth-Token', ''),
                        dict(parse.parse_qsl(url.query)))
                content = b'' if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(content)))
                if token:
                    self.send_header('X-Subject-Token', token)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _do

        return Handler
