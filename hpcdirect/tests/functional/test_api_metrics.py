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


"""What the API and the commands say of charts, whoever can be asked."""

import dataclasses

import openstack

from hpcdirect import charts
from hpcdirect.api import app
from hpcdirect.api import charting
from hpcdirect.api import server
from hpcdirect.db import models
from hpcdirect.keys import KeyRing
from hpcdirect.monitoring.application import Application
from hpcdirect.monitoring.numbers import Numbers
from hpcdirect.monitoring.ways import Ways
from hpcdirect.tests.functional import served
from hpcdirect.tests.functional import service


class MetricsTest(served.ServedTest):

    def put(self, *elements):
        """Layers of elements, on the head."""
        with self.api.database.write() as session:
            session.add_all(models.Layer(
                cluster_id=self.ident, node='head-0', incarnation=1,
                element=name, role='server', version='1.0.0', position=0,
                digest='d', state='applied') for name in elements)

    def asking(self, whom):
        """Let the API ask somebody."""
        self.listening.shutdown()
        self.api.conf.set_override('port', self.listening.address[1], 'api')
        self.listening = server.serve(app.make_app(dataclasses.replace(
            self.api.services, charts=whom)), self.api.conf)
        self.addCleanup(self.listening.shutdown)

    def numbers(self):
        """Who knows the cluster's machines by the fake backend alone."""
        made = Numbers(self.api.database, self.api.services.catalogue, Ways(
            self.api.conf, self.api.database, self.api.services.keys,
            {'fake': self.api.backend}))
        self.addCleanup(made.close)
        return made

    def metric(self, name, **query):
        return next(one for one in self.hpc.metrics('demo', **query)[
            'metrics'] if one['name'] == name)

    def test_what_it_lacks(self):
        found = self.hpc.metrics('demo')
        self.assertEqual((list(charts.QUERIES), [], None, None), (
            [one['name'] for one in found['metrics']], found['x'],
            found['step'], found['at']))
        for names in ({}, {'names': 'cpu,slurm_jobs'}):
            self.assertEqual(['prometheus', 'monitoring'],
                             self.metric('cpu', **names)['needs'])
            self.assertIn('add them with', self.metric('cpu')['reason'])
        self.put('prometheus', 'monitoring')
        one = self.metric('slurm_jobs')
        self.assertEqual(['slurm-exporter'], one['needs'])
        self.assertIn('add it with', one['reason'])
        self.assertEqual(([], ''), (self.metric('cpu')['needs'],
                                    self.metric('cpu')['reason']))
        rows = self.read('metric', 'list', 'demo')
        self.assertEqual(list(charts.QUERIES), [one['Name'] for one in rows])
        self.assertEqual(['slurm-exporter'], next(
            one['Needs'] for one in rows if one['Name'] == 'slurm_jobs'))

    def test_what_is_there_on_a_node_that_is_down(self):
        self.put('prometheus', 'monitoring')
        with self.api.database.write() as session:
            session.query(models.Node).update({'status': 'FAILED'})
        self.asking(self.numbers())
        one = self.metric('cpu', names='cpu')
        self.assertEqual([], one['needs'])
        self.assertIn('its node is not up', one['reason'])

    def test_nobody_can_be_asked(self):
        self.put('prometheus', 'monitoring')
        for whom, words in (
                (charting.NoCharts(), 'no hpcdirect-metrics here'),
                (charting.Remote(f'http://127.0.0.1:{service.free_port()}',
                                 self.api.services.keys), 'refused')):
            self.asking(whom)
            one = self.metric('cpu', names='cpu')
            self.assertEqual([], one['series'])
            self.assertIn(words, one['reason'])
            out, _ = self.shown('metric', 'show', 'demo', 'cpu')
            self.assertIn(words, out)

    def test_only_the_api_may_ask(self):
        self.put('prometheus', 'monitoring')
        numbers, ours = self.numbers(), self.api.services.keys
        theirs = KeyRing.load_or_create(str(self.api.folder / 'other-keys'))
        listening = server.serve(
            Application(self.api.conf, ours, numbers), self.api.conf,
            server.ListenAddress('metrics', '127.0.0.1', 0, 4))
        self.addCleanup(listening.shutdown)
        url = f'http://127.0.0.1:{listening.address[1]}'
        for keys, words in ((theirs, 'Only the API is told this'),
                            # It asks, and machines are none.
                            (ours, 'Prometheus on this cluster gives no')):
            self.asking(charting.Remote(url, keys))
            self.assertIn(words, self.metric('cpu', names='cpu')['reason'])
        self.asking(numbers)
        self.assertIn('Prometheus on this cluster gives no',
                      self.metric('cpu', names='cpu')['reason'])

    def test_what_was_done_meanwhile(self):
        self.put('prometheus', 'monitoring')
        self.assertEqual([], self.hpc.metrics('demo')['deployments'])
        self.assertEqual(['create'], [
            one['operation'] for one in self.hpc.metrics(
                'demo', names='cpu')['deployments']])
        long_ago = self.hpc.metrics('demo', names='cpu',
                                    end='2020-01-01T00:00:00Z')
        self.assertEqual([], long_ago['deployments'])
        out, _ = self.shown('metric', 'show', 'demo', 'cpu')
        self.assertRegex(out, r'create( by \S+)?, [A-Z]+: 20\S+Z')

    def test_what_makes_no_sense(self):
        for query, where in (
                ({'names': 'nix'}, '$.names'), ({'names': ''}, '$.names'),
                ({'seconds': 1}, '$.seconds'), ({'seconds': 10**9},
                                                '$.seconds'),
                ({'points': 1}, '$.points'), ({'points': 10**9}, '$.points'),
                ({'node': 'a-1"} or up{x="'}, '$.node'),
                ({'by': 'x'}, '$.by')):
            exc = self.assertRaises(openstack.exceptions.BadRequestException,
                                    self.hpc.metrics, 'demo', **query)
            self.assertIn(where, str(exc.details))
        self.put('prometheus', 'monitoring')
        exc = self.assertRaises(openstack.exceptions.BadRequestException,
                                self.hpc.metrics, 'demo', names='cpu',
                                end='soon')
        self.assertIn('$.end', str(exc.details))
