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


"""``openstack hpc metric``: numbers as lines that a person reads."""

import json

from hpcdirect.tests.unit.client import base

LOAD = {'name': 'load', 'title': 'Load', 'unit': 'processes', 'reason': '',
        'needs': [], 'series': [
            {'name': '', 'node': 'compute-0', 'y': [0, None, 4, 2]},
            {'name': '', 'node': 'head-0', 'y': [None] * 4}]}
JOBS = {'name': 'slurm_jobs', 'title': 'Jobs by state', 'unit': 'jobs',
        'reason': 'It needs slurm-exporter\x1b[2J.',
        'needs': ['slurm-exporter'], 'series': []}
ANSWER = {'x': [0, 60, 120, 180], 'step': 60,
          'at': '2026-11-29T16:00:00.000000Z', 'metrics': [LOAD, JOBS]}


class MetricTest(base.ClientTest):

    def setUp(self):
        super().setUp()
        self.stub.answer('GET', '/clusters/demo/metrics', ANSWER)

    def query(self):
        return self.stub.seen[-1][2]

    def test_drawn(self):
        code, out, err = self.openstack('hpc', 'metric', 'show', 'demo',
                                        'load', 'slurm_jobs')
        self.assertEqual(0, code, err)
        self.assertEqual([
            'Load (processes)',
            '  compute-0  ▁ █▅  2  (0 to 4)',
            '  head-0     no numbers in this time',
            'Jobs by state (jobs)'], out.splitlines()[:4])
        self.assertIn('It needs slurm-exporter', out)
        self.assertNotIn('\x1b', out)
        self.assertIn('asked at 2026-11-29T16:00:00Z, a value every 60 s',
                      out)

    def test_as_json_it_is_what_the_api_says(self):
        _, out, _ = self.openstack('hpc', 'metric', 'show', 'demo', 'load',
                                   '-f', 'json')
        self.assertEqual({**ANSWER, 'metrics': [LOAD]}, json.loads(out))

    def test_what_is_asked(self):
        for words, expected in (
                ('', {'seconds': '3600'}),
                ('--range 2d --node head-0 --points 10',
                 {'seconds': '172800', 'node': 'head-0', 'points': '10'}),
                ('--by-group --end 2026-11-29T16:00Z',
                 {'seconds': '3600', 'by': 'group',
                  'end': '2026-11-29T16:00:00Z'})):
            code, _, err = self.openstack(
                'hpc', 'metric', 'show', 'demo', 'load', *words.split())
            self.assertEqual(0, code, err)
            self.assertEqual({'names': 'load', **expected},
                             dict(self.query()))
        code, _, err = self.openstack('hpc', 'metric', 'show', 'demo',
                                      'load', '--range', '1y')
        self.assertEqual(1, code)
        self.assertIn('write 90m, 12h, 7d or 2w', err)
