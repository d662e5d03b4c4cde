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


"""Numbers of a real cluster: charts, and a site's own Prometheus.

API, conductor and hpcdirect-metrics are processes of their own; what they
look at are the elements' own exporters and Prometheus on machines.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import fixtures
import testtools
import yaml

from hpcdirect import charts
from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import test_monitoring
from hpcdirect.tests.functional.local_bed import wait_for

BLUEPRINT = {
    'name': 'watched', 'version': '1.0.0', 'label': 'Watched',
    'description': 'x',
    'node_groups': {'head': {'count': 1, 'max_count': 1},
                    'compute': {'count': 1}},
    'login': 'head', 'infrastructure': {'local': {}},
    'elements': [
        {'name': 'monitoring'},
        {'name': 'prometheus', 'roles': {
            'server': ['head'], 'target': ['head', 'compute']},
         'variables': {'interval': 1}}]}
NODES = ['compute-0', 'head-0']
#: What a machine that shares its host's kernel may have none of.
PERHAPS = {'filesystem', 'disk_read', 'disk_written'}


class Site(service.Service):
    """API, conductor and hpcdirect-metrics, each a process."""

    def __init__(self, folder):
        self.metrics_port = service.free_port()
        self.metrics = f'http://127.0.0.1:{self.metrics_port}'
        super().__init__(
            'local', 'ansible', (folder, service.ROOT),
            local={'network': '10.228.0.0/16'}, monitoring={
                'port': self.metrics_port, 'endpoint': self.metrics,
                'token_file': folder / 'tokens'})

    def _setUp(self):
        super()._setUp()
        self.prepare()
        self.program = service.program('api')
        self.start()
        self.begin('conductor')
        self.begin_metrics()

    def begin_metrics(self):
        """Start hpcdirect-metrics."""
        self.asks = self.begin('metrics')

    def ways(self):
        """The folders of ways into clusters; each holds a key."""
        return list((self.folder / 'w').glob('ssh-*'))


@soak.in_turn('metrics')
@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class ClusterTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        file = self.folder / 'blueprints/watched/blueprint.yaml'
        file.parent.mkdir(parents=True)
        file.write_text(yaml.safe_dump(BLUEPRINT))
        (self.folder / 'tokens').write_text('first-token\nsecond-token\n')
        self.site = self.useFixture(Site(self.folder))
        self.useFixture(nodes.Leftovers(self.site))
        self.ident = self.site.create('demo', 'watched')['id']
        cluster = self.site.settled('demo')
        self.assertEqual('ACTIVE', cluster['status'], cluster)

    def ask(self, **query):
        words = '&'.join(f'{name}={value}' for name, value in query.items())
        return self.site.get(f'/v1/clusters/demo/metrics?{words}')

    def metric(self, name, **query):
        found = self.ask(names=name, **query)
        return next(one for one in found['metrics'] if one['name'] == name)

    def there(self, name, **query):
        """Series of a metric, once each of them has a number."""
        seen = []

        def found():
            seen[:] = [self.metric(name, **query)]
            rows = seen[0]['series']
            return rows if rows and all(any(
                value is not None for value in one['y']) for one in rows
            ) else None
        return wait_for(found, interval=0.5, why=lambda: seen)

    def get(self, path, word='second-token'):
        request = urllib.request.Request(self.site.metrics + path, headers={
            'Authorization': f'Bearer {word}'} if word else {})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()

    def status(self, path, word='second-token'):
        try:
            self.get(path, word)
        except urllib.error.HTTPError as exc:
            return exc.code
        return 200

    def test_all(self):
        self.charts()
        self.thinned()
        if shutil.which('prometheus'):
            self.a_site_s_prometheus()
        self.nothing_else()
        self.killed()
        self.off()

    def charts(self):
        needs = {one['name']: one['needs'] for one in self.ask()['metrics']}
        self.assertEqual(list(charts.QUERIES), list(needs))
        self.assertEqual(['slurm-exporter'], needs['slurm_jobs'])
        for name, query in charts.QUERIES.items():
            if query.element == 'slurm-exporter' or name in PERHAPS:
                continue
            rows = self.there(name, seconds=60, points=100)
            self.assertEqual(NODES, [one['node'] for one in rows], name)
        machine = nodes.Machine(self.site, self.ident, 'compute-0')
        values = {line.split()[0]: float(line.split()[1]) for line in
                  machine.run('cat', '/proc/meminfo').splitlines()}
        used = 100 * (1 - values['MemAvailable:'] / values['MemTotal:'])
        (row,) = self.there('memory', seconds=60, points=100,
                            node='compute-0')
        (last, *_) = [one for one in reversed(row['y']) if one is not None]
        self.assertAlmostEqual(used, last, delta=15)

    def thinned(self):
        bands = self.there('load', seconds=7200, points=5, by='group')
        self.assertEqual(
            [(node, name) for node in ('compute', 'head')
             for name in ('average', 'highest', 'lowest')],
            [(one['node'], one['name']) for one in bands])
        found = self.ask(names='load,cpu', seconds=7200, points=5)
        self.assertEqual(1800, found['step'])
        self.assertEqual([1800] * (len(found['x']) - 1), [
            after - before for before, after
            in zip(found['x'], found['x'][1:], strict=False)])
        self.assertLessEqual(len(found['x']), 5)
        self.assertLess(time.time() - found['x'][-1], 60)
        # What was just asked is not asked again.
        same = {'names': 'load', 'points': 5, 'end': time.strftime(
            '%Y-%m-%dT%H:%M:%SZ', time.gmtime())}
        self.assertEqual(self.ask(**same), self.ask(**same))

    def a_site_s_prometheus(self):
        file = self.folder / 'token'
        file.write_text('first-token')
        known = {'type': 'Bearer', 'credentials_file': str(file)}
        mine = self.useFixture(test_monitoring.Prometheus((), {
            'job_name': 'clusters', 'authorization': known,
            'honor_timestamps': False, 'scrape_interval': '1s',
            'http_sd_configs': [{
                'url': f'{self.site.metrics}/sd', 'authorization': known,
                'refresh_interval': '1s'}]}))
        expected = {('head-0', 'monitoring/node'),
                    ('compute-0', 'monitoring/node'),
                    ('head-0', 'prometheus/prometheus')}
        wait_for(lambda: {
            (one['metric']['node'], one['metric']['exporter'])
            for one in mine.get('query', query='up == 1')['result']
        } == expected, why=lambda: mine.get('targets'))
        (load,) = mine.get('query', query='node_load1{node="compute-0"}')[
            'result']
        self.assertEqual({
            '__name__': 'node_load1', 'job': 'clusters', 'cluster': 'demo',
            'cluster_id': self.ident, 'node': 'compute-0',
            'project_id': 'ours', 'exporter': 'monitoring/node',
            'instance': 'compute-0.demo'}, load['metric'])

    def nothing_else(self):
        there = f'/clusters/{self.ident}/exporters/compute-0/monitoring/node'
        self.assertIn('node_load1 ', self.get(there))
        for path in (f'/clusters/{self.ident}/exporters/compute-0/'
                     'prometheus/prometheus',
                     f'/clusters/{self.ident}/exporters/head-0/monitoring/x',
                     f'/clusters/{self.ident}/exporters/../../x/y',
                     there.replace(self.ident, self.ident[::-1]), '/'):
            self.assertEqual(404, self.status(path), path)
        for word in ('', 'other', 'first-token second-token', 'first'):
            for path in (there, '/sd'):
                self.assertEqual(401, self.status(path, word))
        # A token for exporters is none for the API's questions.
        self.assertEqual(401, self.status(
            f'/clusters/{self.ident}/charts?names=up&seconds=60&points=2'))

    def killed(self):
        """What it left is found and taken away, ssh's processes too."""
        (old,) = self.site.ways()
        service.kill(self.site.asks)
        self.site.begin_metrics()
        self.there('load', seconds=60, points=3)
        (new,) = self.site.ways()
        self.assertNotEqual(old, new)
        said = subprocess.run(['ps', 'ax', '-o', 'args'], text=True,
                              capture_output=True, check=True).stdout
        self.assertNotIn(str(old), said)
        self.assertIn(str(new), said)

    def off(self):
        answer = self.site.call('PATCH', '/v1/clusters/demo', {
            'elements': {'prometheus': None}})
        self.assertEqual(202, answer.status, answer.text)
        self.assertEqual('ACTIVE', self.site.settled('demo')['status'])
        found = self.metric('cpu')
        self.assertEqual((['prometheus'], []),
                         (found['needs'], found['series']))
        self.assertIn('openstack hpc cluster element add', found['reason'])
        self.site.call('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.site.settled('demo'))
        self.assertEqual('[]', self.get('/sd'))
        self.site.asks.terminate()
        self.assertEqual(0, self.site.asks.wait(60))
        self.assertEqual([], self.site.ways())


@testtools.skipUnless(shutil.which('promtool'), 'promtool is not installed')
class QueriesTest(testtools.TestCase):
    """Each finds what there is, by Prometheus' own evaluation."""

    #: Series of two nodes and a queue, a value a minute.
    SERIES = {  # noqa: RUF012 - nobody changes it
        'up{job="node",instance="head-0"}': '1x30',
        'up{job="node",instance="compute-0"}': '1x15 0x15',
        'up{job="node",instance="compute-1"}': '1x30',
        'up{job="slurm",instance="192.0.2.1:9341"}': '1x30',
        **{f'node_cpu_seconds_total{{job="node",instance="{node}",cpu="{cpu}"'
           f',mode="{mode}"}}': f'0+{step}x30'
           for node, used in (('head-0', 15), ('compute-0', 60),
                              ('compute-1', 0))
           for cpu in '01' for mode, step in (
               ('idle', 60 - used), ('user', used))},
        'node_load1{job="node",instance="head-0"}': '0.5x30',
        'node_load1{job="node",instance="compute-0"}': '2x30',
        'node_load1{job="node",instance="compute-1"}': '4x30',
        **{f'node_memory_Mem{what}_bytes{{job="node",instance="head-0"}}':
           f'{value}x30' for what, value in (('Available', 25),
                                             ('Total', 100))},
        **{f'node_filesystem_{what}_bytes{{job="node",instance="head-0",'
           f'mountpoint="{mount}",fstype="{kind}",device="x"}}':
           f'{value}x30' for mount, kind, free in (
               ('/', 'ext4', 40), ('/home', 'xfs', 10), ('/run', 'tmpfs', 1))
           for what, value in (('avail', free), ('size', 100))},
        **{f'node_disk_{what}_bytes_total{{job="node",instance="head-0",'
           f'device="{disk}"}}': f'0+{step}x30'
           for what, step in (('read', 60), ('written', 120))
           for disk in ('sda', 'sdb')},
        **{f'node_network_{what}_bytes_total{{job="node",instance="head-0",'
           f'device="{device}"}}': f'0+{step}x30'
           for what, step in (('receive', 60), ('transmit', 180))
           for device in ('eth0', 'eth1', 'lo')},
        **{f'slurm_{what}{{job="slurm",instance="192.0.2.1:9341",'
           f'partition="{part}",state="{state}"}}': f'{value}x30'
           for what, states in (
               ('jobs', {'running': 3, 'pending': 5}),
               ('nodes', {'idle': 2, 'alloc': 1}),
               ('cpus', {'idle': 8, 'allocated': 4}))
           for part in ('long', 'short')
           for state, value in states.items()},
    }
    #: Query -> what it finds at the end, by node or state.
    FOUND = {  # noqa: RUF012 - nobody changes it
        'up': {'head-0': 1, 'compute-0': 0, 'compute-1': 1},
        'cpu': {'head-0': 25, 'compute-0': 100, 'compute-1': 0},
        'load': {'head-0': 0.5, 'compute-0': 2, 'compute-1': 4},
        'memory': {'head-0': 75},
        'filesystem': {'head-0': 90},
        'disk_read': {'head-0': 2}, 'disk_written': {'head-0': 4},
        'network_received': {'head-0': 2}, 'network_sent': {'head-0': 6},
        'slurm_jobs': {'running': 6, 'pending': 10},
        'slurm_nodes': {'idle': 4, 'alloc': 2},
        'slurm_cpus': {'idle': 16, 'allocated': 8},
    }
    FRAME = charts.Frame(0, 240, 7)

    def evaluated(self, expected):
        """Whether queries find just this: PromQL -> labels -> value."""
        file = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 't'
        file.write_text(json.dumps({
            'evaluation_interval': '1m', 'tests': [{
                'interval': '1m', 'input_series': [
                    {'series': name, 'values': values}
                    for name, values in self.SERIES.items()],
                'promql_expr_test': [{
                    'expr': query, 'eval_time': '28m', 'exp_samples': [
                        {'labels': labels, 'value': value}
                        for labels, value in found.items()]}
                    for query, found in expected.items()]}]}))
        done = subprocess.run(['promtool', 'test', 'rules', str(file)],
                              capture_output=True, text=True)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def asked(self, name, **how):
        return charts.promql(charts.QUERIES[name], self.FRAME, 60, **how)

    def test_all(self):
        self.assertEqual(set(charts.QUERIES), set(self.FOUND))
        self.evaluated({self.asked(name): {
            f'{{{charts.QUERIES[name].label or "instance"}="{one}"}}': value
            for one, value in found.items()}
            for name, found in self.FOUND.items()})

    def test_of_a_node(self):
        for node, value in self.FOUND['cpu'].items():
            self.evaluated({self.asked('cpu', node=node): {
                f'{{instance="{node}"}}': value}})

    def test_of_groups(self):
        self.evaluated({self.asked(name, by_group=True): {
            f'{{group="{group}",band="{band}"}}': value
            for group, values in found.items()
            for band, value in zip(('average', 'lowest', 'highest'), values,
                                   strict=True)}
            for name, found in (
                ('load', {'head': (.5, .5, .5), 'compute': (3, 2, 4)}),
                ('cpu', {'head': (25, 25, 25), 'compute': (50, 0, 100)}))})


class StartTest(testtools.TestCase):

    def test_it_says_why_it_does_not_start(self):
        with socket.create_server(('127.0.0.1', 0)) as taken:
            for port, words in ((taken.getsockname()[1], 'nobody can listen'),
                                (0, 'say where to listen')):
                one = self.useFixture(service.Service(
                    monitoring={'port': port}))
                conf = str(one.folder / 'hpcdirect.conf')
                for name, *more in (('db_manage', 'create-key'),
                                    ('metrics',)):
                    done = subprocess.run(
                        [sys.executable, '-c', service.program(name),
                         '--config-file', conf, *more],
                        capture_output=True, text=True)
                self.assertEqual(1, done.returncode)
                self.assertIn(words, done.stderr)
                self.assertNotIn('Traceback', done.stderr)


class AllInOneTest(testtools.TestCase):

    def test_it_opens_the_port_when_there_is_one(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'tokens').write_text('word')
        port = service.free_port()
        one = self.useFixture(service.Service(monitoring={
            'port': port, 'token_file': folder / 'tokens'})).start()
        with urllib.request.urlopen(urllib.request.Request(
                f'http://127.0.0.1:{port}/sd', headers={
                    'Authorization': 'Bearer word'}), timeout=60) as answer:
            self.assertEqual([], json.load(answer))
        one.stop()
        self.assertEqual(0, one.process.returncode)
