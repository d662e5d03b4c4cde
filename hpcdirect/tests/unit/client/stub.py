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

"""A small service that speaks the REST contract over real HTTP."""

import base64
import collections
import contextlib
import http.server
import json
import threading
import time
from urllib import parse

import fixtures

USER, PASSWORD = 'ann', 'secret'
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKey'
AT = '2026-11-22T20:00:00.000000Z'


#: What a cluster names as pages.
PAGES = [{'name': name, 'title': name.title(), 'description': '',
          'kind': kind, 'value': value} for name, kind, value in (
              ('prometheus', 'url', 'http://10.0.0.4:9090/graph?a=b'),
              ('controller', 'text', 'head-0'))]


def cluster(name='demo', **changes):
    """A cluster as the service shows it."""
    return {
        'id': f'id-{name}', 'name': name, 'description': '',
        'protected': False, 'tags': [], 'expires_at': None,
        'project_id': 'p', 'project_name': 'lab', 'user_id': 'u',
        'user_name': 'Ann', 'status': 'ACTIVE',
        'status_reason': '', 'blueprint': 'slurm',
        'blueprint_version': '1.0.0', 'backend': 'local',
        'parameters': {'compute_count': 2, 'users': [{'name': 'eve'}]},
        'generation': 1, 'node_groups': [
            {'name': 'head', 'count': 1, 'ready': 1, 'slots': ['head-0']},
            {'name': 'compute', 'count': 2, 'ready': 2,
             'slots': ['compute-0', 'compute-1']}],
        'outputs': {}, 'login': {
            'node': 'head-0', 'group': 'head', 'address': '192.0.2.1',
            'port': 2222, 'via': '', 'host_key': KEY},
        'deployment': {'id': 'dep', 'operation': 'create',
                       'status': 'RUNNING', 'generation': 1,
                       'progress': {'total': 2, 'done': 0, 'running': ''}},
        'failures': [], 'created_at': AT, 'updated_at': AT,
        'links': [], **changes}


def user(name, **changes):
    """A user of a cluster, as the service lists it."""
    return {'name': name, 'uid': 20001, 'gid': 20001, 'keys': [],
            'groups': [], 'shell': '/bin/bash', 'sudo': False,
            'expires_at': None, 'state': 'on', 'own': True,
            'fingerprints': [{'kind': 'ssh-ed25519', 'comment': 'x',
                              'fingerprint': 'SHA256:abc'}],
            'nodes': {'wanted': 5, 'done': 4, 'changing': 1}, **changes}


def nodes(via='root@192.0.2.1:2222', head='', host='192.0.2.1', port=2222):
    """A login node, two nodes behind it, and one that is not up."""
    ssh = [('head-0', {'host': host, 'port': port, 'user': 'root',
                       'via': head, 'host_key': KEY})]
    ssh += [(f'compute-{number}', {
        'host': f'10.0.0.{5 + number}', 'port': 22, 'user': 'root',
        'via': via, 'host_key': f'ssh-ed25519 Node{number}'})
        for number in range(2)]
    ssh.append(('compute-2', {'host': '', 'port': 22, 'user': 'root',
                              'via': '', 'host_key': ''}))
    return [{'id': f'n{number}', 'name': name,
             'group': name.rpartition('-')[0], 'incarnation': 1,
             'status': 'UP' if one['host'] else 'BUILDING',
             'address': one['host'], 'ssh': one, 'fault': '', 'ref': '',
             'layers': [], 'created_at': AT, 'updated_at': AT}
            for number, (name, one) in enumerate(ssh)]


def deployment(status='SUCCEEDED', **changes):
    """A deployment of two steps."""
    done = {'QUEUED': 0, 'RUNNING': 1}.get(status, 2)
    steps = [
        {'id': f's{number}', 'position': number, 'kind': kind,
         'element': element, 'nodes': nodes, 'reason': '',
         'status': 'SUCCEEDED' if number < done else 'RUNNING'
         if status == 'RUNNING' and number == done else 'WAITING',
         'started_at': AT, 'finished_at': AT.replace('00.0', '01.5')
         if number < done else None}
        for number, (kind, element, nodes) in enumerate((
            ('provision', '', ['head-0', 'compute-0']),
            ('apply', 'slurm', ['head-0'])))]
    return {'id': 'dep', 'cluster_id': 'id-demo', 'operation': 'create',
            'generation': 1, 'status': status, 'reason': '',
            'user_id': 'u', 'user_name': 'Ann', 'failures': [], 'plan': [],
            'steps': steps, 'progress': {'total': 2, 'done': done,
                         'running': 'apply slurm'},
            'created_at': AT, 'started_at': AT, 'finished_at': None,
            **changes}


def event(number, kind='task', **changes):
    """An event."""
    return {'id': number, 'cluster_id': 'id-demo', 'deployment_id': 'dep',
            'run_id': 'run', 'step_id': 's1', 'kind': kind,
            'level': 'info', 'node': 'head-0', 'element': 'slurm',
            'verb': 'apply', 'task': f'Task {number}', 'result': 'changed',
            'seconds': 1.5, 'message': '', 'at': AT, **changes}


def error(status, code, detail, *findings):
    """An error's body."""
    return status, {'errors': [{
        'status': status, 'code': f'hpcdirect.{code}', 'title': 'Trouble',
        'detail': detail, 'request_id': 'req-1', 'findings': [
            {'where': where, 'message': message}
            for where, message in findings]}]}


class Stub(fixtures.Fixture):
    """The service; what it answers can be set by the test.

    :ivar seen: (method, path without /v1, query, body) of each request.
    :ivar answers: (method, path) -> a list of answers given in turn, the
        last one for ever; each is a body, (status, body), or a callable
        that gets the query and gives one of these.
    :ivar tokens: those that count; None for any.
    """

    def _setUp(self):
        self.seen = []
        self.headers = []
        self.answers = collections.defaultdict(list)
        self.events = []
        self.tokens = None
        self._server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f'http://127.0.0.1:{self.port}'
        threading.Thread(target=self._server.serve_forever, args=(0.02,),
                         daemon=True).start()
        self.addCleanup(self._server.server_close)
        self.addCleanup(self._server.shutdown)
        self.answer('GET', '/events', self._events)
        self.answer('GET', '/clusters/id-demo/users',
                    {'users': [user('eve', own=False)]})

    def answer(self, method, path, *answers):
        """Set what is answered."""
        self.answers[method, path] = list(answers)

    def requests(self, *methods):
        """What was asked, as short text."""
        return [f'{method} {path}' for method, path, _, _ in self.seen
                if not methods or method in methods]

    def bodies(self, method):
        """The bodies that came with a method."""
        return [body for seen, _, _, body in self.seen if seen == method]

    def _events(self, query):
        marker = int(query.get('marker', 0))
        until = time.monotonic() + float(query.get('wait', 0))
        while True:
            found = [one for one in self.events if one['id'] > marker]
            if found or time.monotonic() >= until:
                return {'events': found, 'links': []}
            time.sleep(0.02)

    def reply(self, method, path, query, body):
        """The status and body for a request."""
        self.seen.append((method, path, query, body))
        answers = self.answers.get((method, path))
        if not answers:
            return error(404, 'not_found', f'{path} was not found.')
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer = answer(query)
        return answer if isinstance(answer, tuple) else (200, answer)

    def _handler(stub):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *args):
                pass

            def _do(self):
                size = int(self.headers.get('Content-Length') or 0)
                text = self.rfile.read(size)
                url = parse.urlsplit(self.path)
                stub.headers.append(dict(self.headers))
                wanted = base64.b64encode(
                    f'{USER}:{PASSWORD}'.encode()).decode()
                if (self.command, url.path) in stub.answers:
                    # Of another service, whose paths are not below /v1.
                    answer = stub.reply(self.command, url.path, {}, None)
                elif not url.path.startswith('/v1/'):
                    answer = 200, {'versions': [{
                        'id': 'v1.0', 'status': 'CURRENT', 'version': '1.0',
                        'min_version': '1.0', 'links': [
                            {'rel': 'self', 'href': f'{stub.url}/v1'}]}]}
                    stub.seen.append((self.command, url.path, {}, None))
                elif stub.tokens is not None and self.headers.get(
                        'X-Auth-Token') not in stub.tokens:
                    answer = error(401, 'unauthorized', 'It has expired.')
                elif not self.headers.get('X-Auth-Token') and (
                        self.headers.get('Authorization')
                        != f'Basic {wanted}'):
                    answer = error(401, 'unauthorized', 'Give a name.')
                else:
                    answer = stub.reply(
                        self.command, url.path[3:],
                        dict(parse.parse_qsl(url.query)),
                        json.loads(text) if text else None)
                status, body = answer
                if status == 0:  # the connection drops
                    self.close_connection = True
                    self.connection.close()
                    return
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(content)))
                self.send_header('OpenStack-API-Version',
                                 'hpc-cluster 1.0')
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_DELETE = _do

        return Handler
