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

"""Commands that change clusters, and what is shown on the way."""

import datetime
import json

from hpcdirect.tests.unit.client import base
from hpcdirect.tests.unit.client import clock
from hpcdirect.tests.unit.client import stub
from hpcdirect.tests.unit.client import test_commands

FAILURE = {'code': 'element_failed', 'step': 's1', 'element': 'slurm',
           'node': 'head-0', 'task': 'Start slurmctld',
           'message': 'no \x1b[31mport', 'hint': 'Free the port.',
           'run_id': 'run-7', 'class': 'port_in_use',
           'next': [{'operation': 'retry', 'needs': ['cause']}],
           'log': ['TASK [Start]', 'fatal: \x1b[31mno port'],
           'fine': [f'compute-{number}' for number in range(10)]}


class ChangeTest(base.ClientTest):

    def setUp(self):
        super().setUp()
        for method, path in (('POST', '/clusters'),
                             ('PATCH', '/clusters/demo'),
                             ('DELETE', '/clusters/demo')):
            self.stub.answer(method, path, (202, stub.cluster()))
        self.stub.answer('POST', '/clusters/demo/deployments',
                         (202, stub.deployment('QUEUED')))
        self.stub.answer('GET', '/clusters/demo', stub.cluster())
        self.stub.answer('GET', '/clusters/id-demo', stub.cluster())
        self.stub.answer('GET', '/blueprints/slurm',
                         test_commands.BLUEPRINT)
        self.stub.answer('GET', '/blueprints/slurm@1.0.0',
                         test_commands.BLUEPRINT)
        self.stub.answer(
            'GET', '/deployments/dep', stub.deployment('QUEUED'),
            stub.deployment('RUNNING'), stub.deployment())

    def hpc(self, *argv, code=0, **kwargs):
        found, out, err = self.openstack('hpc', *argv, **kwargs)
        self.assertEqual(code, found, err)
        return out, err

    def body(self, *argv):
        """The one body that a command sends."""
        self.stub.seen.clear()
        self.hpc('cluster', *argv)
        body, = [body for *_, body in self.stub.seen if body]
        return body


class BodyTest(ChangeTest):

    def test_create(self):
        file = self.home / 'p.yaml'
        file.write_text('compute_count: 9\npartition: all\n')
        body = self.body(
            'create', 'demo', '--blueprint', 'slurm@1.0.0', '--parameter',
            'compute_count=2', '--parameter-file', str(file),
            '--parameter', "users=[{name: ann, keys: ['ssh-ed25519 A']}]",
            '--parameter', 'monitoring=false', '--parameter', 'note=a: b',
            '--parameter', 'day=2026-01-01', '--parameter', 'at=10:30',
            '--parameter', 'empty=', '--backend', 'local')
        self.assertEqual(
            {'name': 'demo', 'blueprint': 'slurm@1.0.0', 'backend': 'local',
             'parameters': {
                 'compute_count': 2, 'partition': 'all',
                 'users': [{'name': 'ann', 'keys': ['ssh-ed25519 A']}],
                 'monitoring': False, 'note': 'a: b', 'day': '2026-01-01',
                 'at': '10:30', 'empty': ''}}, body)
        self.assertEqual(['POST /clusters'], self.stub.requests())
        self.assertIn('Idempotency-Key', self.stub.headers[-1])

    def test_create_users(self):
        key = self.home / 'id.pub'
        key.write_text('ssh-ed25519 AAAA ann@x\n')
        body = self.body('create', 'demo', '--blueprint', 'slurm', '--user',
                         f'ann,key={key},sudo', '--user', 'bob')
        self.assertEqual(
            [{'name': 'ann', 'sudo': True,
              'keys': ['ssh-ed25519 AAAA ann@x']}, {'name': 'bob'}],
            body['parameters']['users'])

    def test_private_key_is_refused(self):
        key = self.home / 'id'
        key.write_text('-----BEGIN OPENSSH PRIVATE KEY-----\nx\n')
        _, err = self.hpc('cluster', 'create', 'demo', '--blueprint',
                          'slurm', '--user', f'ann,key={key}', code=1)
        self.assertIn('is a private key', err)
        self.assertEqual([], self.stub.bodies('POST'))

    def test_update(self):
        self.assertEqual(
            {'parameters': {'monitoring': False}},
            self.body('update', 'demo', '--parameter', 'monitoring=false'))
        self.assertEqual(['PATCH /clusters/demo'], self.stub.requests())

    def test_update_users(self):
        self.assertEqual(
            {'parameters': {'users': [{'name': 'eve', 'sudo': True},
                                      {'name': 'ann'}]}},
            self.body('update', 'demo', '--user', 'eve,sudo', '--user',
                      'ann'))

    def test_labels(self):
        self.assertEqual(
            {'name': 'new', 'protected': True, 'description': ''},
            self.body('set', 'demo', '--name', 'new', '--protect',
                      '--description', ''))
        self.assertEqual({'protected': False},
                         self.body('set', 'demo', '--unprotect'))
        self.stub.answer('GET', '/clusters/demo',
                         stub.cluster(tags=['a', 'b']))
        for argv, tags in ((['--tag', 'c', '--tag', 'a'], ['a', 'b', 'c']),
                           (['--no-tag', '--tag', 'c'], ['c']),
                           (['--no-tag'], [])):
            self.assertEqual({'tags': tags}, self.body('set', 'demo', *argv))
        self.hpc('cluster', 'set', 'demo', code=1)
        body = self.body('create', 'demo', '--blueprint', 'slurm', '--tag',
                         'x', '--protect')
        self.assertEqual((['x'], True), (body['tags'], body['protected']))

    def test_expires(self):
        self.useFixture(clock.InZone('Asia/Kolkata'))
        for text, found in (
                ('never', None),
                ('2026-12-01T00:00Z', '2026-12-01T00:00:00Z'),
                ('2026-12-01T00:00', '2026-11-30T18:30:00Z'),
                ('2026-12-01', '2026-11-30T18:30:00Z'),
                ('2026-12-01T01:00+02:00', '2026-11-30T23:00:00Z')):
            self.assertEqual({'expires_at': found}, self.body(
                'set', 'demo', '--expires', text))
        now = datetime.datetime.now(datetime.UTC)
        for text, seconds in (('90m', 5400), ('12h', 43200), ('3d', 259200),
                              ('2w', 1209600)):
            body = self.body('create', 'demo', '--blueprint', 'slurm',
                             '--expires', text)
            left = datetime.datetime.fromisoformat(
                body['expires_at']) - now - datetime.timedelta(
                    seconds=seconds)
            self.assertTrue(-1 <= left.total_seconds() < 60, text)
        for text in ('soon', '3', '3y', '-3d', ''):
            self.hpc('cluster', 'set', 'demo', f'--expires={text}', code=1)

    def test_back_and_other_versions(self):
        self.assertEqual({'generation': 3},
                         self.body('rollback', 'demo', '3'))
        self.assertEqual({'version': '1.1.0', 'force': True}, self.body(
            'upgrade', 'demo', '--to', '1.1.0', '--force'))
        self.stub.answer('GET', '/blueprints/slurm', {
            **test_commands.BLUEPRINT, 'version': '1.2.0'})
        self.assertEqual(
            {'version': '1.2.0', 'parameters': {'note': None}}, self.body(
                'upgrade', 'demo', '--parameter', 'note=null'))

    def test_clone(self):
        self.assertEqual(
            {'name': 'twin', 'clone': {'cluster': 'demo'}},
            self.body('clone', 'demo', 'twin'))
        self.assertEqual(
            {'name': 'twin', 'tags': ['t'],
             'clone': {'cluster': 'demo', 'generation': 2},
             'parameters': {'compute_count': 1}},
            self.body('clone', 'demo', 'twin', '--generation', '2', '--tag',
                      't', '--parameter', 'compute_count=1'))

    def test_diff(self):
        self.stub.answer('GET', '/clusters/demo', stub.cluster(generation=4))
        for argv, pair in ((['2', '3'], (2, 3)), (['1'], (1, 4)),
                           ([], (3, 4))):
            self.stub.answer(
                'GET', f'/clusters/demo/generations/{pair[1]}',
                {'differences': [
                    {'kind': 'element', 'subject': 'slurm', 'after': {
                        'version': '2', 'roles': {}}, 'before': {
                            'version': '1', 'roles': {}}},
                    {'kind': 'node', 'subject': 'compute-2', 'before': None,
                     'after': {'group': 'compute', 'incarnation': 1}}]})
            out, _ = self.hpc('cluster', 'diff', 'demo', *argv)
            self.assertEqual({'against': str(pair[0])},
                             self.stub.seen[-1][2])
            self.assertIn(f'Generation {pair[0]}', out)
            self.assertIn('version: "2"', out)
            # No more than what is otherwise; in JSON it is all there.
            self.assertNotIn('roles', out)
            self.assertNotIn('{', out)
            out, _ = self.hpc('cluster', 'diff', 'demo', *argv, '-f', 'json')
            self.assertEqual({'version': '2', 'roles': {}}, json.loads(out)[
                0][f'Generation {pair[1]}'])
        self.stub.answer('GET', '/clusters/demo', stub.cluster())
        self.hpc('cluster', 'diff', 'demo', code=1)

    def test_groups(self):
        self.stub.answer('GET', '/clusters/demo', stub.cluster(
            node_groups=[*stub.cluster()['node_groups'], {
                'name': 'special', 'count': 0, 'ready': 0, 'slots': []}]))
        self.stub.answer('GET', '/blueprints/slurm@1.0.0', {
            **test_commands.BLUEPRINT, 'node_groups': [
                {'name': 'special', 'label': 'Special nodes', 'min_count': 0,
                 'max_count': 64}]})
        self.assertEqual(
            {'node_groups': {'special': {'count': 2}},
             'parameters': {'special_memory': 4096}},
            self.body('group', 'add', 'demo', 'special', '--count', '2',
                      '--parameter', 'special_memory=4096'))
        self.assertEqual({'node_groups': {'special': {'count': 0}}},
                         self.body('group', 'remove', 'demo', 'special'))
        _, err = self.hpc('cluster', 'group', 'add', 'demo', 'compute',
                          code=1)
        self.assertIn('cluster scale demo --group compute=+1', err)
        self.hpc('cluster', 'group', 'add', 'demo', 'special', '--count',
                 '0', code=1)
        out, _ = self.hpc('cluster', 'group', 'list', 'demo', '-f', 'json')
        self.assertEqual(
            [('head', None), ('compute', None), ('special', 64)],
            [(row['Name'], row['Most']) for row in json.loads(out)])

    def test_set_prints_nothing(self):
        """As those of other services."""
        self.stub.answer('GET', '/clusters/demo/users/ann', {'name': 'ann'})
        for words in ('cluster set demo --name new',
                      'cluster element set demo slurm --parameter x=1',
                      'user set demo ann --sudo'):
            self.assertEqual(('', ''), self.hpc(*words.split()), words)
            self.assertEqual(1, len(self.stub.bodies('PATCH')))
            self.stub.seen.clear()

    def test_a_table_stays_a_table(self):
        """Also in a pipe, and when all has failed at length."""
        long = {**FAILURE, 'message': 'no port ' * 60,
                'log': ['x' * 300] * 5}
        found = stub.cluster(
            status='ERROR', status_reason='It failed. ' * 60,
            failures=[{**long, 'node': f'compute-{number}'}
                      for number in range(200)],
            parameters={'users': [{'name': 'ann', 'keys': ['k' * 700]}]})
        self.stub.answer('GET', '/clusters/demo', found)
        self.stub.answer('GET', '/clusters', {'clusters': [found],
                                              'links': []})
        self.stub.answer(
            'GET', '/deployments/dep', stub.deployment(
                'FAILED', failures=found['failures'], reason='no port'))
        self.stub.answer('GET', '/clusters/id-demo', found)
        for argv in (['cluster', 'show', 'demo'],
                     ['cluster', 'list', '--long', '-c', 'Reason']):
            out, _ = self.hpc(*argv)
            self.assertLess(max(map(len, out.splitlines())), 130, argv)
        out, err = self.hpc('cluster', 'update', 'demo', '--parameter',
                            'x=1', '--wait', code=2)
        self.assertLess(max(map(len, out.splitlines())), 130)
        self.assertIn('and 197 more', out)
        self.assertNotIn('x' * 80, out)
        for word in ('Hint: Free the port.', 'run log run-7', '| xxx',
                     'Fine: compute-0', 'And 197 more: openstack hpc '
                     'deployment show dep'):
            self.assertIn(word, err)
        self.assertLess(len(err.splitlines()), 60)
        # Programs have it whole.
        out, _ = self.hpc('cluster', 'show', 'demo', '-f', 'json')
        self.assertEqual(found['failures'], json.loads(out)['failures'])
        self.assertEqual(found['status_reason'],
                         json.loads(out)['status_reason'])

    def test_scale(self):
        self.assertEqual({'node_groups': {'compute': {'count': 3}}},
                         self.body('scale', 'demo', '--group', 'compute=3'))
        self.assertEqual(['PATCH /clusters/demo'], self.stub.requests())
        for text, count in (('+1', 3), ('-1', 1)):
            self.assertEqual(
                {'node_groups': {'compute': {'count': count}}},
                self.body('scale', 'demo', '--group', f'compute={text}'))

    def test_remove_node(self):
        self.assertEqual(
            {'node_groups': {'compute': {'slots': []}}},
            self.body('scale', 'demo', '--remove-node', 'compute-1',
                      '--remove-node', 'compute-0'))
        for argv in (['--remove-node', 'compute-7'], ['--group', 'x=+1'],
                     ['--remove-node', 'compute-1', '--group',
                      'compute=3']):
            self.hpc('cluster', 'scale', 'demo', *argv, code=1)


class WaitTest(ChangeTest):

    def test_create_wait(self):
        self.stub.events = [stub.event(1, 'step')]
        out, err = self.hpc(
            'cluster', 'create', 'demo', '--blueprint', 'slurm', '--wait',
            '-f', 'json', '--poll-interval', '0.1')
        self.assertEqual('demo', json.loads(out)['name'])
        self.assertIn('[1/2] provision on head-0, compute-0 ok 1.5s', err)
        self.assertIn('[2/2] apply slurm on head-0 ...', err)
        self.assertIn('create: done', err)
        self.assertNotIn('\x1b', err)
        self.assertNotIn('\r', err)

    def test_follow_shows_tasks(self):
        self.stub.events = [stub.event(n) for n in range(1, 4)]
        _, err = self.hpc('cluster', 'update', 'demo', '--parameter', 'x=1',
                          '--follow', '--poll-interval', '0.1')
        for number in range(1, 4):
            self.assertEqual(1, err.count(f'Task {number} '))

    def test_follow_tells_in_the_order_it_happened(self):
        def step(number, ident, status, seconds=None):
            return stub.event(number, 'step', step_id=ident, node='', task='',
                              result=None, message=status, seconds=seconds)

        self.stub.events = [
            step(1, 's0', 'RUNNING'), step(2, 's0', 'SUCCEEDED', 2.5),
            step(3, 's1', 'RUNNING'), stub.event(4),
            step(5, 's1', 'FAILED', 3.5),
            stub.event(6, 'cluster', message='ERROR', node='', task='',
                       element='', verb='', result=None, seconds=None)]
        said = stub.deployment('FAILED', reason='slurm failed')
        said['steps'][1] |= {'status': 'FAILED', 'reason': 'not there yet'}
        for terminal in (False, True):
            self.stub.answer('GET', '/deployments/dep',
                             stub.deployment('RUNNING'), said)
            _, err = self.hpc('cluster', 'update', 'demo', '--parameter',
                              'x=1', '--follow', '--poll-interval', '0.1',
                              code=2, terminal=terminal)
            told = [line.rpartition('\x1b[K')[2][6:]
                    for line in err.splitlines()]
            self.assertEqual([line for line in (
                '[1/2] provision on head-0, compute-0 ...',
                '[1/2] provision on head-0, compute-0 ok 2.5s',
                '[2/2] apply slurm on head-0 ...',
                '  apply slurm  head-0  Task 4  changed  1.5s',
                '[2/2] apply slurm on head-0 FAILED 3.5s',
                '  ERROR',
                'create: failed: slurm failed',
            ) if not (terminal and line.endswith('...'))], [
                line for line in told if line[:1] in ('[', ' ', 'c')], err)

    def test_terminal(self):
        self.stub.events = [stub.event(1)]
        _, err = self.hpc('cluster', 'retry', 'demo', '--wait',
                          '--poll-interval', '0.1', terminal=True)
        self.assertIn('\r\x1b[K', err)
        self.assertIn('head-0: Task 1', err)
        self.assertIn('[1/2] provision', err)

    def test_survives_a_restart(self):
        answer = [self.stub._events]
        broken = [stub.error(503, 'unavailable', 'x'), (0, None), (0, None)]

        def events(query):
            return broken.pop() if broken else answer[0](query)

        self.stub.answer('GET', '/events', events)
        self.stub.events = [stub.event(1), stub.event(2)]
        _, err = self.hpc('cluster', 'create', 'demo', '--blueprint',
                          'slurm', '--follow', '--poll-interval', '0.1')
        self.assertEqual([], broken)
        self.assertIn('the service does not answer; trying again', err)
        self.assertIn('the service answers again', err)
        self.assertEqual(1, err.count('Task 1 '))
        markers = [query.get('marker') for _, path, query, _
                   in self.stub.seen if path == '/events']
        self.assertEqual('2', markers[-1])

    def test_create_is_sent_again_with_its_key(self):
        self.stub.answer('POST', '/clusters', (0, None),
                         (202, stub.cluster()))
        self.hpc('cluster', 'create', 'demo', '--blueprint', 'slurm')
        keys = {headers['Idempotency-Key'] for headers in self.stub.headers}
        self.assertEqual(1, len(keys))
        self.assertEqual(2, len(self.stub.bodies('POST')))

    def test_failed(self):
        self.stub.answer('GET', '/deployments/dep', stub.deployment(
            'FAILED', reason='slurm failed on head-0', failures=[FAILURE]))
        out, err = self.hpc(
            'cluster', 'scale', 'demo', '--group', 'compute=3', '--wait',
            code=2)
        self.assertIn('demo', out)
        self.assertIn(
            'create: failed: slurm failed on head-0\n'
            'Failed: element slurm, node head-0, task Start slurmctld\n'
            '  no port\n  Class: port_in_use\n  Hint: Free the port.\n'
            '  Log:  openstack hpc run log run-7\n'
            '  Next: openstack hpc cluster retry id-demo '
            '# once that is mended\n'
            '    | TASK [Start]\n    | fatal: no port\n'
            '  Fine: compute-0, compute-1, compute-2, compute-3, compute-4, '
            'compute-5, compute-6, compute-7 and 2 more\n', err)

    def test_superseded(self):
        self.stub.answer('GET', '/deployments/dep',
                         stub.deployment('SUPERSEDED'))
        _, err = self.hpc('cluster', 'retry', 'demo', '--wait', code=2)
        self.assertIn('another change took its place', err)

    def test_timed_out(self):
        self.stub.answer('GET', '/deployments/dep',
                         stub.deployment('RUNNING'))
        _, err = self.hpc(
            'cluster', 'create', 'demo', '--blueprint', 'slurm', '--wait',
            '--timeout', '0.5', '--poll-interval', '0.1', code=3)
        self.assertIn('Not done after 0.5 seconds; the work goes on', err)

    def test_few_requests_while_nothing_happens(self):
        self.stub.answer('GET', '/deployments/dep',
                         stub.deployment('RUNNING'))
        self.hpc('cluster', 'create', 'demo', '--blueprint', 'slurm',
                 '--wait', '--timeout', '3', '--poll-interval', '1', code=3)
        self.assertTrue(len(self.stub.seen) < 12, self.stub.seen)


class DeleteTest(ChangeTest):

    def test_wait(self):
        _, err = self.hpc('cluster', 'delete', 'demo', '--wait',
                          '--poll-interval', '0.1')
        self.assertIn('Deleting cluster demo', err)
        self.assertIn('Cluster demo is deleted', err)

    def test_several(self):
        self.stub.answer('DELETE', '/clusters/other',
                         (202, stub.cluster('other')))
        _, err = self.hpc('cluster', 'delete', 'nix', 'demo', 'other',
                          code=1)
        self.assertIn('nix: Trouble (HTTP 404)', err)
        self.assertEqual(3, len(self.stub.requests('DELETE')))

    def test_protected(self):
        self.stub.answer('DELETE', '/clusters/demo', stub.error(
            409, 'cluster_protected', 'Cluster demo is protected.'))
        _, err = self.hpc('cluster', 'delete', 'demo', code=1)
        self.assertIn('demo: Trouble (HTTP 409): Cluster demo is protected.\n'
                      '  openstack hpc cluster set --unprotect demo\n', err)

    def test_asks_on_a_terminal(self):
        _, err = self.hpc('cluster', 'delete', 'demo', terminal=True,
                          stdin='n\n', code=1)
        self.assertIn('Delete demo and all that is on them? [y/N]', err)
        self.assertEqual([], self.stub.requests('DELETE'))
        self.hpc('cluster', 'delete', 'demo', terminal=True, stdin='y\n')
        self.hpc('cluster', 'delete', 'demo', '--yes', terminal=True)
        self.assertEqual(2, len(self.stub.requests('DELETE')))
