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
"""The dashboard and the alert rules, against a real Prometheus."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import urllib.request

import fixtures
import testtools
import yaml

from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import test_metrics
from hpcdirect.tests.functional.local_bed import wait_for

FOLDER = service.ROOT / 'etc/hpcdirect/monitoring'
ALERTS = FOLDER / 'alerts.yaml'
GUIDE = service.ROOT / 'doc/source/admin/monitoring.rst'
#: Thresholds; without them a query tells what it looks at.
LIMIT = re.compile(r'\s(>|==)\s[\d.]+')
FAILED = 'hpcdirect_deployments_total{outcome="failed"}'
CALLS = 'hpcdirect_backend_call_duration_seconds'
REQUESTS = 'hpcdirect_http_request_duration_seconds'


def alerts():
    """The rules by name."""
    return {rule['alert']: rule for group in yaml.safe_load(
        ALERTS.read_text())['groups'] for rule in group['rules']}


def panels():
    """The dashboard's panels that show something."""
    return [panel for panel in json.loads(
        (FOLDER / 'dashboard.json').read_text())['panels']
        if panel['type'] != 'row']


class Prometheus(fixtures.Fixture):
    """A server that asks some ports every half a second.

    :param jobs: more that it scrapes.
    """

    def __init__(self, targets, *jobs):
        super().__init__()
        self._targets = [f'127.0.0.1:{port}' for port in targets]
        self._jobs = jobs

    def _setUp(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        (folder / 'config.yml').write_text(json.dumps({
            'global': {'scrape_interval': '500ms',
                       'scrape_timeout': '500ms',
                       'evaluation_interval': '500ms'},
            'rule_files': [str(ALERTS)],
            'scrape_configs': [{
                'job_name': 'hpcdirect',
                'static_configs': [{'targets': self._targets}]},
                *self._jobs]}))
        self.url = f'http://127.0.0.1:{service.free_port()}'
        log = (folder / 'log').open('w')
        process = subprocess.Popen(
            ['prometheus', f'--config.file={folder}/config.yml',
             f'--storage.tsdb.path={folder}/data',
             f'--web.listen-address={self.url.removeprefix("http://")}'],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        log.close()
        self.addCleanup(service.kill, process)
        wait_for(self.ready, why=lambda: (folder / 'log').read_text())

    def ready(self):
        try:
            urllib.request.urlopen(f'{self.url}/-/ready', timeout=60).close()
        except OSError:
            return False
        return True

    def get(self, path, **query):
        with urllib.request.urlopen(
                f'{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}',
                timeout=60) as answer:
            return json.load(answer)['data']

    def values(self, query):
        """The numbers of the series that a query finds."""
        return [float(one['value'][1]) for one
                in self.get('query', query=query)['result']]

    def rules(self):
        """Rules by name, as the server knows them."""
        return {rule['name']: rule for group
                in self.get('rules')['groups'] for rule in group['rules']}


@testtools.skipUnless(shutil.which('prometheus'),
                      'Prometheus is not installed')
class QueriesTest(test_metrics.Case):
    """Each of them finds what a service at work has."""

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.one = self.service('api')
        self.one.prepare()
        # A request that fails, and a call of the backend.
        self.one.start(
            HPCDIRECT_FAILPOINT='db.orders.once/before error',
            HPCDIRECT_FAILPOINT_ONCE=f'{folder}/api')
        self.conductor = self.one.begin(
            'conductor', HPCDIRECT_FAILPOINT='backend.observe/before error',
            HPCDIRECT_FAILPOINT_ONCE=f'{folder}/conductor')
        self.prometheus = self.useFixture(Prometheus(
            (self.port, self.port + 1)))

    def work(self, name):
        """A cluster that comes, one that does not, and both go."""
        self.one.create(f'{name}-good', 'plant', count=1)
        self.one.create(f'{name}-bad', 'plant', count=1, fail=['worker-0'])
        for which, status in (('good', 'ACTIVE'), ('bad', 'ERROR')):
            self.assertEqual(status, self.one.settled(
                f'{name}-{which}')['status'])
        for which in ('good', 'bad'):
            self.one.call('DELETE', f'/v1/clusters/{name}-{which}')
            self.assertIsNone(self.one.settled(f'{name}-{which}'))

    def seen(self, number):
        """Wait until Prometheus knows of so many deployments."""
        query = 'sum(hpcdirect_deployments_total)'
        wait_for(lambda: self.prometheus.values(query) == [number],
                 why=lambda: self.prometheus.values(query))

    def find(self, query):
        """Wait until a query finds a number; NaN is none."""
        wait_for(lambda: any(value == value for value
                             in self.prometheus.values(query)),
                 why=lambda: f'{query}: {self.prometheus.values(query)}')

    def state(self, name, state):
        """Wait until an alert is in that state."""
        wait_for(lambda: self.prometheus.rules()[name]['state'] == state,
                 why=self.prometheus.rules)

    def test_queries(self):
        answer = self.one.call('POST', '/v1/clusters', {
            'name': 'none', 'blueprint': 'plant'})
        self.assertEqual(503, answer.status, answer.text)
        self.work('first')
        self.seen(4)
        self.work('second')
        self.seen(8)
        queries = [target['expr'] for panel in panels()
                   for target in panel['targets']]
        self.assertGreater(len(queries), 20)
        for query in queries:
            self.find(query)
        for name, rule in alerts().items():
            query = LIMIT.sub('', rule['expr'])
            if name == 'HpcdirectNoConductor':
                query = re.fullmatch(r'absent\((.*)\)', query)[1]
            self.assertNotEqual(query, rule['expr'])
            self.find(query)
        wait_for(self.prometheus.rules)
        self.assertEqual(set(alerts()), set(self.prometheus.rules()))
        wait_for(lambda: {'ok'} == {rule['health'] for rule
                                    in self.prometheus.rules().values()},
                 why=self.prometheus.rules)
        self.state('HpcdirectNoConductor', 'inactive')
        self.conductor.send_signal(signal.SIGTERM)
        for name in ('HpcdirectNoConductor', 'HpcdirectProcessDown'):
            self.state(name, 'pending')


@testtools.skipUnless(shutil.which('promtool'), 'promtool is not installed')
class AlertsTest(testtools.TestCase):
    """Each tells of its trouble, and of no other."""

    #: Series of a service that is well: name -> values by the minute.
    WELL = {  # noqa: RUF012 - nobody changes it
        'up{job="hpcdirect",instance="a"}': '1x120',
        'hpcdirect_build_info{binary="hpcdirect-conductor"}': '1x120',
        'hpcdirect_queue_age_seconds{instance="a"}': '0 1 0x118',
        FAILED: '0 1x119',
        'hpcdirect_deployments_total{outcome="succeeded"}': '0+1x120',
        'hpcdirect_leases_lost_total{instance="a"}': '1x120',
        CALLS + '_count{backend="b",outcome="failed"}': '0+1x120',
        CALLS + '_count{backend="b",outcome="succeeded"}': '0+60x120',
        CALLS + '_bucket{backend="b",le="1"}': '0+61x120',
        CALLS + '_bucket{backend="b",le="60"}': '0+61x120',
        CALLS + '_bucket{backend="b",le="+Inf"}': '0+61x120',
        REQUESTS + '_count{status="503"}': '0+1x120',
        REQUESTS + '_count{status="200"}': '0+60x120',
        **{REQUESTS + f'_bucket{{route="{route}",le="{le}"}}': values
           for route, le, values in (
               ('/v1', '1', '0+61x120'), ('/v1', '60', '0+61x120'),
               ('/v1', '+Inf', '0+61x120'),
               # They wait for events.
               ('/v1/events', '1', '0x120'),
               ('/v1/events', '60', '0+99x120'),
               ('/v1/events', '+Inf', '0+99x120'))},
    }
    #: Alert -> what is otherwise then.
    ILL = {  # noqa: RUF012 - nobody changes it
        'HpcdirectProcessDown': {
            'up{job="hpcdirect",instance="a"}': '0x120'},
        'HpcdirectNoConductor': {
            'hpcdirect_build_info{binary="hpcdirect-conductor"}': '_x120',
            'hpcdirect_build_info{binary="hpcdirect-api"}': '1x120'},
        'HpcdirectOrdersWait': {
            'hpcdirect_queue_age_seconds{instance="a"}': '0+60x120'},
        'HpcdirectDeploymentsFail': {FAILED: '0+1x120'},
        'HpcdirectLeasesLost': {
            'hpcdirect_leases_lost_total{instance="a"}': '1x110 2x9'},
        'HpcdirectBackendFails': {
            CALLS + '_count{backend="b",outcome="failed"}': '0+10x120'},
        'HpcdirectBackendSlow': {
            CALLS + '_bucket{backend="b",le="1"}': '0x120'},
        'HpcdirectApiFails': {
            REQUESTS + '_count{status="503"}': '0+10x120'},
        'HpcdirectApiSlow': {
            REQUESTS + '_bucket{route="/v1",le="1"}': '0x120'},
    }

    def fires(self, series, expected):
        """With these series just these alerts fire after two hours."""
        folder = self.useFixture(fixtures.TempDir()).path
        file = pathlib.Path(folder) / 'test.yaml'
        file.write_text(json.dumps({
            'rule_files': [str(ALERTS)], 'evaluation_interval': '1m',
            'tests': [{
                'interval': '1m',
                'input_series': [{'series': name, 'values': values}
                                 for name, values in series.items()],
                'promql_expr_test': [{
                    'expr': 'count by (alertname) '
                            '(ALERTS{alertstate="firing"})',
                    'eval_time': '119m', 'exp_samples': [
                        {'labels': f'{{alertname="{name}"}}', 'value': 1}
                        for name in expected]}]}]}))
        return self.promtool('test', 'rules', str(file))

    def promtool(self, *words):
        """What it complains of; '' when all is as expected."""
        done = subprocess.run(['promtool', *words], capture_output=True,
                              text=True)
        return done.returncode and done.stdout + done.stderr

    def test_rules(self):
        self.assertEqual(0, self.promtool('check', 'rules', str(ALERTS)))

    def test_when_they_fire(self):
        self.assertEqual(set(alerts()), set(self.ILL))
        self.assertEqual(0, self.fires(self.WELL, []))
        for name, series in self.ILL.items():
            self.assertEqual(0, self.fires({**self.WELL, **series}, [name]),
                             name)


class GuideTest(testtools.TestCase):
    """What people are told of them."""

    def test_each_alert_is_explained(self):
        guide = GUIDE.read_text()
        for name in alerts():
            self.assertIn(f'\n``{name}``\n', guide)

    def test_each_number_is_explained(self):
        guide = GUIDE.read_text()
        said = (FOLDER / 'dashboard.json').read_text() + ALERTS.read_text()
        names = set(re.findall(r'hpcdirect_[a-z_]+', said))
        self.assertGreater(len(names), 10)
        for name in names:
            known = re.sub('_(bucket|count)$', '', name)
            self.assertIn(f'\n``{known.removeprefix("hpcdirect_")}``', guide)
