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

"""Every command, as people write it."""

import importlib.metadata
import json
import pathlib
import shutil
import subprocess
import sys

from hpcdirect.tests.unit.blueprints import folders
from hpcdirect.tests.unit.client import base
from hpcdirect.tests.unit.client import stub

SCHEMA = {'type': 'object', 'properties': {
    'compute_count': {'type': 'integer', 'minimum': 1, 'default': 2,
                      'title': 'Compute nodes'},
    'users': {'type': 'array', 'items': {'properties': {
        'name': {}, 'keys': {'type': 'array'}, 'sudo': {}}}}}}
BLUEPRINT = {
    'name': 'slurm', 'version': '1.0.0', 'label': 'Slurm',
    'description': '', 'versions': ['1.0.0'], 'backends': ['local'],
    'elements': [], 'node_groups': [], 'login': 'head', 'digest': 'd',
    'parameters': SCHEMA, 'readme': 'Read *me*.\n',
    'fields': ['genomics'], 'icon': '<svg></svg>'}
#: A cluster that may be gone: nobody is asked for its name.
GONE = '3f1c0e52-7a86-4d0b-9c35-0f2d1b6a7e48'


class ReadTest(base.ClientTest):

    def table(self, *argv):
        code, out, err = self.openstack(*argv, '-f', 'json')
        self.assertEqual(0, code, err)
        return json.loads(out)

    def test_backends_of_which_some_know_no_limit(self):
        said = {'name': 'local', 'capacity': {'big': 2, 'small': None},
                'reason': 'It is slow.'}
        self.stub.answer('GET', '/backends', {'backends': [said],
                                              'links': []})
        self.stub.answer('GET', '/backends/local', said)
        for words in (('list',), ('show', 'local')):
            _, out, _ = self.openstack('hpc', 'backend', *words)
            for text in ('big: 2', 'small: no limit', 'It is slow.'):
                self.assertIn(text, out)
        self.assertEqual(said, self.table('hpc', 'backend', 'show', 'local'))

    def test_help_keeps_paragraphs_apart(self):
        _, out, _ = self.openstack('help', 'hpc', 'element', 'test')
        self.assertIn('see what it leaves\n\nPuts it on', out)

    def test_which_cluster_is_said_in_one_way_everywhere(self):
        """But for commands that are about a cluster itself."""
        for command in importlib.metadata.entry_points(
                group='openstack.hpc_cluster.v1'):
            if command.name.startswith('hpc_cluster_'):
                continue
            parser = command.load()(None, None).get_parser(command.name)
            if any(action.dest == 'cluster' for action in parser._actions):
                self.assertIn('--cluster', parser._option_string_actions,
                              command.name)

    def test_a_cluster_as_a_word_or_by_option(self):
        self.stub.answer('GET', '/clusters/demo/nodes', {
            'nodes': [], 'links': []})
        self.stub.answer('GET', '/clusters/demo/nodes/head-0', {
            'name': 'head-0'})
        for words in (('list', 'demo'), ('list', '--cluster', 'demo'),
                      ('show', 'demo', 'head-0'),
                      ('show', 'head-0', '--cluster', 'demo'),
                      ('show', '--cluster', 'demo', 'head-0')):
            self.table('hpc', 'node', *words)
        for words in (('list',), ('list', 'demo', '--cluster', 'other'),
                      ('show', 'head-0')):
            code, _, err = self.openstack('hpc', 'node', *words)
            self.assertEqual(1, code)
            self.assertIn('say once which cluster', err)

    def test_every_argument_has_a_word_of_help(self):
        mute = []
        commands = importlib.metadata.entry_points(
            group='openstack.hpc_cluster.v1')
        for command in commands:
            parser = command.load()(None, None).get_parser(command.name)
            mute += [f'{command.name} {action.dest}'
                     for action in parser._actions if not action.help]
        self.assertIn('hpc_cluster_create', commands.names)
        self.assertEqual([], mute)

    def test_cluster_list(self):
        self.stub.answer('GET', '/clusters', {
            'clusters': [stub.cluster()], 'links': []})
        self.assertEqual(
            [{'ID': 'id-demo', 'Name': 'demo', 'Status': 'ACTIVE',
              'Blueprint': 'slurm', 'Nodes': '3/3'}],
            self.table('hpc', 'cluster', 'list', '--status', 'ACTIVE',
                       '--sort', 'name:asc', '--all-projects'))
        self.assertEqual(
            [('GET', '/clusters', {'status': 'ACTIVE', 'sort': 'name:asc',
                                   'all_projects': 'true'}, None)],
            self.stub.seen)
        self.assertEqual('hpc-cluster 1.0',
                         self.stub.headers[-1]['OpenStack-API-Version'])

    def test_pages(self):
        following = {'rel': 'next', 'href':
                     f'{self.stub.url}/v1/clusters?marker=id-a&limit=1'}
        self.stub.answer(
            'GET', '/clusters',
            {'clusters': [stub.cluster('a')], 'links': [following]},
            {'clusters': [stub.cluster('b')], 'links': []})
        found = self.table('hpc', 'cluster', 'list', '--long')
        self.assertEqual(['a', 'b'], [one['Name'] for one in found])
        self.assertEqual({'marker': 'id-a', 'limit': '1'},
                         self.stub.seen[-1][2])
        self.stub.seen.clear()
        self.stub.answer('GET', '/clusters', {
            'clusters': [stub.cluster('a')], 'links': [following]})
        self.assertEqual(1, len(self.table(
            'hpc', 'cluster', 'list', '--limit', '1')))
        self.assertEqual(['GET /clusters'], self.stub.requests())

    def test_shows_take_one_request(self):
        node = {'id': 'n', 'name': 'head-0', 'group': 'head',
                'incarnation': 1, 'status': 'UP', 'address': '10.0.0.1',
                'ssh': {}, 'fault': '', 'ref': '', 'layers': []}
        run = {'id': 'run', 'verb': 'apply', 'element': 'slurm',
               'nodes': ['head-0'], 'status': 'FAILED'}
        for words, path, body in (
                ('cluster show demo', '/clusters/demo', stub.cluster()),
                ('blueprint show slurm', '/blueprints/slurm', BLUEPRINT),
                ('element show slurm', '/elements/slurm', {
                    'name': 'slurm', 'version': '1.0.0', 'grade': 'C',
                    'trial': {'left': {'compute': ['/etc/x stays']}}}),
                ('node show demo head-0', '/clusters/demo/nodes/head-0',
                 node),
                ('deployment show dep', '/deployments/dep',
                 stub.deployment()),
                ('run show run', '/runs/run', run)):
            with self.subTest(words):
                self.stub.seen.clear()
                self.stub.answer('GET', path, body)
                found = self.table('hpc', *words.split())
                self.assertEqual([f'GET {path}'], self.stub.requests())
                for name in set(found) & set(body):
                    self.assertEqual(body[name], found[name], name)

    def test_progress_of_a_deployment(self):
        step = {'id': 's', 'kind': 'apply', 'element': 'slurm',
                'status': 'SUCCEEDED', 'nodes': 3, 'done': 3, 'running': [],
                'failed': [], 'expected': 2.04, 'started_at': stub.AT,
                'finished_at': stub.AT.replace('00.0', '01.5')}
        self.stub.answer('GET', '/deployments/dep/progress', {
            'operation': 'create', 'status': 'RUNNING', 'progress': {
                'fraction': 0.254, 'seconds_left': 12.3},
            'steps': [step, {
                **step, 'status': 'RUNNING', 'done': 1, 'expected': None,
                'running': ['compute-1'], 'failed': ['compute-0'],
                'finished_at': None}]})
        found = self.table('hpc', 'deployment', 'progress', 'dep')
        self.assertEqual(['GET /deployments/dep/progress'],
                         self.stub.requests())
        self.assertEqual([('3/3', 1.5, 2.0, []),
                          ('1/3', None, None, ['compute-1'])], [
            (one['Nodes'], one['Seconds'], one['Expected'],
             one['Running on']) for one in found])

    def test_summary(self):
        broken = stub.cluster('broken', status='ERROR', failures=[
            {'message': 'disk full'}])
        busy = stub.cluster('made', status='CREATING')
        busy['deployment']['progress'].update(
            running='apply slurm', fraction=0.5, seconds_left=12.4)
        self.stub.answer('GET', '/summary', {
            'clusters': {'ERROR': 1, 'CREATING': 1},
            'nodes': {'total': 6, 'up': 4}, 'failing': [broken],
            'busy': [busy], 'expiring': [
                stub.cluster('soon', expires_at=stub.AT)],
            'lately': [{'created_at': stub.AT, 'cluster': 'made',
                        'operation': 'create', 'status': 'RUNNING',
                        'user_id': 'u', 'user_name': 'Ann',
                        'reason': ''}], 'allowed': {'create': ''}})
        found = self.table('hpc', 'summary', 'show')
        self.assertEqual(['GET /summary'], self.stub.requests())
        self.assertEqual(
            ({'broken': 'disk full'}, {'soon': stub.AT},
             {'made': 'CREATING, apply slurm, 50% done, about 12 s left'},
             ['2026-11-22T20:00:00 made create RUNNING by Ann']),
            (found['failing'], found['expiring'], found['busy'],
             found['lately']))

    def test_candidates(self):
        one = {'name': 'r-base', 'version': '1', 'label': 'R',
               'description': 'R.', 'grade': 'A', 'requires': [],
               'conflicts': [], 'fits': True, 'reasons': [], 'roles': {},
               'asks': [], 'typical': {'seconds': 12.34, 'p90': 20.0,
                                       'count': 3, 'succeeded': 3}}
        other = {**one, 'name': 'x', 'fits': False, 'typical': None,
                 'reasons': [{'kind': 'missing', 'element': 'y',
                              'message': 'x needs y.'}]}
        self.stub.answer('GET', '/clusters/demo/candidates', {
            'candidates': [one, other]})
        self.assertEqual(
            [('r-base', True, 'A', 12.3, ''),
             ('x', False, 'A', None, 'x needs y.')],
            [tuple(row[name] for name in ('Name', 'Fits', 'Grade', 'Seconds',
                                          'Why Not'))
             for row in self.table('hpc', 'cluster', 'candidate', 'list',
                                   'demo')])
        self.table('hpc', 'cluster', 'candidate', 'list', 'demo', '--fits',
                   '--long')
        self.assertEqual([{}, {'fits': 'true'}],
                         [query for _, _, query, _ in self.stub.seen])

    def test_people_go_by_their_names(self):
        generation = {'id': 'g', 'generation': 2, 'operation': 'update',
                      'user_id': 'u', 'user_name': 'Ann'}
        for words, path, key, one in (
                ('cluster list', '/clusters', 'clusters', stub.cluster()),
                ('deployment list', '/deployments', 'deployments',
                 stub.deployment()),
                ('cluster generation list demo',
                 '/clusters/demo/generations', 'generations', generation)):
            # A service of before does not tell the name.
            before = {name: value for name, value in one.items()
                      if name not in ('user_name', 'project_name')}
            self.stub.answer('GET', path, {
                key: [one, {**one, 'user_name': '', 'project_name': ''},
                      before], 'links': []})
            found = self.table('hpc', *words.split(), '--long')
            self.assertEqual([('Ann', 'u'), ('u', 'u'), ('u', 'u')], [
                (row['User'], row['User ID']) for row in found], words)
            self.assertEqual(
                [('lab', 'p'), ('p', 'p'), ('p', 'p')]
                if words == 'cluster list' else [(None, None)] * 3,
                [(row.get('Project'), row.get('Project ID'))
                 for row in found])

    def test_lists_take_one_request(self):
        for words, path, body in (
                ('blueprint list', '/blueprints', BLUEPRINT),
                ('blueprint list --field genomics --long', '/blueprints',
                 BLUEPRINT),
                ('element list', '/elements', {
                    'name': 'x', 'version': '1', 'grade': 'A'}),
                ('element list --long', '/elements', {
                    'name': 'x', 'version': '1'}),
                ('service list --state down --long', '/services', {
                    'id': 's', 'binary': 'hpcdirect-api', 'state': 'down'}),
                ('backend list', '/backends', {
                    'name': 'local', 'capacity': {'machine': 3}}),
                ('node list demo --group head', '/clusters/demo/nodes', {
                    'id': 'n', 'name': 'head-0'}),
                ('layer list demo --state dirty', '/clusters/demo/layers', {
                    'id': 'l', 'node': 'head-0', 'state': 'applied'}),
                (f'deployment list --cluster {GONE}', '/deployments',
                 stub.deployment()),
                ('run list --deployment dep', '/runs', {
                    'id': 'run', 'nodes': ['a'], 'status': 'FAILED'}),
                (f'event list {GONE} --level error', '/events',
                 stub.event(1))):
            with self.subTest(words):
                self.stub.seen.clear()
                self.stub.answer('GET', path, {
                    path.rpartition('/')[2]: [body], 'links': []})
                self.assertEqual(1, len(self.table('hpc', *words.split())))
                self.assertEqual([f'GET {path}'], self.stub.requests())

    def test_lists_ask_for_what_the_api_takes(self):
        """Every option of every list is one that its path knows."""
        paths = json.loads((base.ROOT / 'api-ref/openapi.json'
                            ).read_text())['paths']
        words = {'--sort': 'created_at', '--limit': '5', '--marker': '7'}
        tried = 0
        for command in importlib.metadata.entry_points(
                group='openstack.hpc_cluster.v1'):
            name = command.name.split('_')
            parser = command.load()(None, None).get_parser(command.name)
            if name[-1] != 'list':
                continue
            taken = [word for option, value in words.items()
                     if option in parser._option_string_actions
                     for word in (option, value)]
            owner = [GONE] if any(action.dest == 'cluster'
                                  and not action.option_strings
                                  for action in parser._actions) else []
            self.stub.seen.clear()
            self.openstack(*name, *owner, *taken)
            for _, path, query, _ in self.stub.seen:
                if path.endswith(f'/{name[1]}s') and taken:
                    tried += 1
                    known = paths['/v1' + path.replace(GONE, '{cluster}')]
                    self.assertEqual(
                        {option.strip('-') for option in taken[::2]},
                        set(query) & {'sort', 'limit', 'marker'}, path)
                    self.assertLessEqual(set(query), {
                        one['name'] for one in known['get']['parameters']
                        if one['in'] == 'query'}, path)
        self.assertGreater(tried, 8)

    def test_lists_of_a_cluster_by_name(self):
        self.stub.answer('GET', '/clusters/demo', stub.cluster())
        for words in ('deployment list --cluster demo',
                      'run list --cluster demo', 'event list demo'):
            path = f'/{words.split()[0]}s'
            self.stub.answer('GET', path, {path[1:]: [], 'links': []})
            code, _, err = self.openstack('hpc', *words.split())
            self.assertEqual(0, code, err)
            self.assertEqual('id-demo', self.stub.seen[-1][2]['cluster'])

    def test_stalls(self):
        stall = {'cluster': 'demo', 'kind': 'silent', 'seconds': 600.5,
                 'operation': None, 'step': 'apply slurm', 'reason': '',
                 'expected': None, 'waited': None, 'since': 's',
                 'conductor': 'h:1', 'status': 'UPDATING',
                 'cluster_id': 'c', 'deployment_id': None,
                 'project_name': 'p', 'project_id': 'p-1'}
        self.stub.answer('GET', '/stalls', {'stalls': [stall]})
        row, = self.table('hpc', 'stall', 'list', '--seconds', '60')
        self.assertEqual(('demo', 'silent', 600.5, 'apply slurm'), tuple(
            row[name] for name in ('Cluster', 'Kind', 'Seconds', 'Step')))
        self.assertEqual('60.0', self.stub.seen[-1][2]['seconds'])
        row, = self.table('hpc', 'stall', 'list', '--long')
        self.assertEqual('h:1', row['Conductor'])
        self.assertNotIn('seconds', self.stub.seen[-1][2])

    def test_leftovers(self):
        left = {'cluster_id': 'c', 'kind': 'stack', 'ref': 's',
                'project_id': 'p', 'known': True}
        self.stub.answer('GET', '/leftovers', {'backends': [
            {'name': 'heat', 'leftovers': [left], 'reason': ''},
            {'name': 'local', 'leftovers': [], 'reason': 'no \x1b[31mroot'},
        ]})
        code, out, err = self.openstack(
            'hpc', 'leftover', 'list', '--backend', 'heat', '--long', '-f',
            'json')
        self.assertEqual([{
            'Backend': 'heat', 'Cluster ID': 'c', 'Kind': 'stack',
            'Reference': 's', 'Known': True, 'Project ID': 'p'}],
            json.loads(out))
        self.assertEqual('heat', self.stub.seen[-1][2]['backend'])
        # What one cannot tell may be there.
        self.assertEqual(1, code)
        self.assertIn('root', err)
        self.assertNotIn('\x1b', err)

    def test_of_all_projects(self):
        for words in ('deployment list', 'run list', 'event list'):
            path = f'/{words.split()[0]}s'
            self.stub.answer('GET', path, {path[1:]: [{
                'id': 'x', 'project_id': 'theirs'}], 'links': []})
            row, = self.table('hpc', *words.split(), '--all-projects',
                              '--long')
            self.assertEqual('theirs', row['Project ID'])
            self.assertEqual('true', self.stub.seen[-1][2]['all_projects'])
            self.openstack('hpc', *words.split())
            self.assertNotIn('all_projects', self.stub.seen[-1][2])

    def test_blueprint_parts(self):
        self.stub.answer('GET', '/blueprints/slurm', BLUEPRINT)
        code, out, _ = self.openstack('hpc', 'blueprint', 'show', 'slurm',
                                      '--readme')
        self.assertEqual((0, 'Read *me*.\n'), (code, out))
        self.assertEqual('<svg></svg>\n', self.openstack(
            'hpc', 'blueprint', 'show', 'slurm', '--icon')[1])
        self.assertNotIn('icon', self.table(
            'hpc', 'blueprint', 'show', 'slurm'))
        found = self.table('hpc', 'blueprint', 'show', 'slurm',
                           '--parameters')
        self.assertEqual('integer, 1.., default 2 (Compute nodes)',
                         found['compute_count'])

    def test_run_log(self):
        self.stub.answer(
            'GET', '/runs/run/log',
            {'text': 'one\n', 'offset': 0, 'next_offset': 4,
             'complete': False},
            {'text': '', 'offset': 4, 'next_offset': 4, 'complete': False},
            {'text': 'two\n', 'offset': 4, 'next_offset': 8,
             'complete': False},
            error_once := stub.error(503, 'unavailable', 'restarting'),
            {'text': '', 'offset': 8, 'next_offset': 8, 'complete': True})
        code, out, _ = self.openstack('hpc', 'run', 'log', 'run', '--follow',
                                      '--poll-interval', '0.01')
        self.assertEqual((0, 'one\ntwo\n'), (code, out))
        self.assertEqual(503, error_once[0])
        self.assertEqual('8', self.stub.seen[-1][2]['offset'])

    def test_event_follow_ends_with_the_deployment(self):
        for name in ('demo', 'id-demo'):
            self.stub.answer('GET', f'/clusters/{name}', stub.cluster())
        self.stub.answer('GET', '/deployments/dep',
                         stub.deployment('RUNNING'), stub.deployment())
        self.stub.events = [stub.event(3), stub.event(5, message='\x1b[2J')]
        code, out, _ = self.openstack(
            'hpc', 'event', 'list', 'demo', '--follow', '-f', 'json',
            '--poll-interval', '1')
        self.assertEqual(0, code)
        self.assertEqual([3, 5], [json.loads(line)['id']
                                  for line in out.splitlines()])
        self.assertEqual({'id-demo'}, {
            query['cluster'] for _, path, query, _ in self.stub.seen
            if path == '/events'})
        code, out, _ = self.openstack(
            'hpc', 'event', 'list', 'demo', '--follow')
        self.assertNotIn('\x1b', out)
        self.assertIn('apply slurm  head-0  Task 3  changed  1.5s', out)


class ErrorTest(base.ClientTest):

    def test_findings(self):
        self.stub.answer('POST', '/clusters', stub.error(
            400, 'invalid', 'The parameters are wrong.',
            ('$.parameters.compute_count', 'is 200; the most is 64'),
            ('$.parameters.x', 'is not known here')))
        code, out, err = self.openstack(
            'hpc', 'cluster', 'create', 'demo', '--blueprint', 'slurm')
        self.assertEqual((1, ''), (code, out))
        self.assertIn(
            'Trouble (HTTP 400): The parameters are wrong.\n'
            '  $.parameters.compute_count: is 200; the most is 64\n'
            '  $.parameters.x: is not known here\n', err)
        self.assertNotIn('Traceback', err)

    def test_usage(self):
        for words in ('cluster create demo', 'cluster scale demo',
                      'cluster scale demo --group compute=x',
                      'cluster update demo', 'cluster show',
                      'cluster create demo --blueprint b --parameter x',
                      'cluster create d --blueprint b --parameter x=[1',
                      'cluster create d --blueprint b --parameter-file no'):
            with self.subTest(words):
                code, _, err = self.openstack('hpc', *words.split())
                self.assertEqual(1, code)
                self.assertNotIn('Traceback', err)
        self.assertEqual([], self.stub.seen)

    def test_wrong_password(self):
        self.clouds(auth_type='http_basic', auth={
            'endpoint': self.stub.url, 'username': 'x', 'password': 'y'})
        code, _, err = self.openstack('hpc', 'cluster', 'list')
        self.assertEqual(1, code)
        self.assertIn('(HTTP 401): Give a name.', err)

    def test_nobody_there(self):
        self.clouds(auth_type='http_basic', auth={
            'endpoint': 'http://127.0.0.1:1', 'username': 'x',
            'password': 'y'})
        code, _, err = self.openstack('hpc', 'cluster', 'list')
        self.assertEqual(1, code)
        self.assertIn('http://127.0.0.1:1', err)
        self.assertNotIn('Traceback', err)


class OfflineTest(base.ClientTest):
    """Commands that read blueprints themselves, and ask nobody."""

    def setUp(self):
        super().setUp()
        self.folder = folders.write_tree(self.home)

    def test_without_any_cloud(self):
        (self.home / 'clouds.yaml').unlink()
        done = subprocess.run(
            [sys.executable, '-c',
             'import sys; from hpcdirect.tests.unit.client import base;'
             'from openstackclient import shell;'
             'sys.exit(shell.main(sys.argv[1:]))',
             'hpc', 'blueprint', 'validate', str(self.folder)],
            capture_output=True, text=True,
            cwd=pathlib.Path(__file__).parents[4])
        self.assertEqual(0, done.returncode, done.stderr)

    def test_validate(self):
        code, out, err = self.validate(self.folder)
        self.assertEqual(0, code, err)
        self.assertIn('is valid', err)
        folders.write_blueprint(self.home, folders.changed(
            folders.BLUEPRINT, 'login', to='hed'))
        code, out, _ = self.validate(self.folder, '-f', 'json')
        self.assertEqual(1, code)
        found = json.loads(out)[0]
        self.assertIn('did you mean "head"?', found['Finding'])
        self.assertRegex(found['Where'], r'small/blueprint.yaml:\d+$')

    def test_validate_one_that_is_made_from_another(self):
        child = folders.write_blueprint(self.home, folders.CHILD)
        code, _, err = self.validate(child)
        self.assertEqual(0, code, err)
        folders.write_blueprint(self.home, {
            **folders.CHILD, 'elements': []})
        code, out, _ = self.validate(child, '-f', 'json')
        self.assertEqual(1, code)
        found, = json.loads(out)
        self.assertRegex(found['Where'], r'child/blueprint.yaml:3$')
        self.assertRegex(found['Finding'], (
            r'There is no parameter "scheduler".* It comes from '
            r'.*/small/blueprint.yaml:\d+\.$'))

    def test_a_parent_elsewhere(self):
        (self.home / 'away/blueprints').mkdir(parents=True)
        shutil.move(self.folder, self.home / 'away/blueprints')
        child = folders.write_blueprint(self.home, folders.CHILD)
        self.assertEqual(1, self.validate(child)[0])
        code, _, err = self.validate(
            child, '--blueprints', str(self.home / 'away/blueprints'))
        self.assertEqual(0, code, err)

    def test_export(self):
        child = folders.write_blueprint(self.home, folders.CHILD)
        out = self.home / 'out'
        code, _, err = self.offline('export', child, out)
        self.assertEqual((0, f'child@2.0.0 is in {out}\n'), (code, err))
        shutil.rmtree(self.home / 'blueprints')
        shutil.rmtree(self.home / 'elements')
        self.assertEqual(0, self.validate(out / 'blueprints/child')[0])
        code, _, err = self.offline('export', out / 'blueprints/child', out)
        self.assertEqual(1, code)
        self.assertIn(f'{out}: Directory not empty', err)
        code, _, err = self.offline('export', 'slrm', self.home / 'two')
        self.assertEqual(1, code)
        self.assertIn('There is no blueprint "slrm", and no folder of one; '
                      'did you mean "slurm"?', err)
        folders.write_blueprint(out, {**folders.CHILD, 'from': 'nosuch@1'})
        code, _, err = self.offline('export', out / 'blueprints/child',
                                    self.home / 'two')
        self.assertEqual(1, code)
        self.assertRegex(err, r'blueprint.yaml:3: There is no blueprint "no')
        self.assertFalse((self.home / 'two').exists())

    def validate(self, *argv):
        return self.offline('validate', *argv)

    def offline(self, *argv):
        return self.openstack('hpc', 'blueprint', *map(str, argv))
