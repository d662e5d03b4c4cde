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

"""Each benchmark runs, small, to its last line. Its figures mean nothing here.

cloud.py and api.py are run by the tests in the bed.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import testtools

from hpcdirect.backends.local import checks
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import test_local_backend as local

BENCHMARKS = service.ROOT / 'benchmarks'
TINY = service.ROOT / 'hpcdirect' / 'tests' / 'functional' / 'tiny'


def run(name, *arguments):
    """What a benchmark prints; it has to come to its end.

    With 1 it says that a limit was missed, which means nothing here.
    """
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False, timeout=1800)
    if done.returncode > 1 or 'Traceback' in done.stdout:
        raise AssertionError(f'{name} ended with {done.returncode}:\n'
                             f'{done.stdout}')
    return done.stdout


class OrderTest(testtools.TestCase):

    @soak.in_turn('order')
    def test_deploy(self):
        if os.geteuid() != 0 or checks.lacking():
            self.skipTest('machines need root')
        said = run('deploy.py', '--runs', '1', '--compute', '1')
        # A run of each and the medians of each, then the ratio.
        for name in ('hpcdirect', 'plain'):
            self.assertEqual(2, len(re.findall(
                rf'^{name} +\d+\.\d( +\d+\.\d){{8}}$', said, re.M)), said)
        self.assertRegex(said.splitlines()[-1],
                         r'^hpcdirect / plain: time \d+\.\d\d, cpu \d')

    def test_replay(self):
        said = run('replay.py', '--rate', '50', '--seconds', '2',
                   '--nodes', '2')
        self.assertIn('events 100 of 100,', said)


class CostTest(testtools.TestCase):

    def test_api_of_large_tables(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        said = run('tables.py', '--clusters', '1000', '--requests', '1')
        self.assertRegex(said, r'(?m)^all clusters, first +100 +\d+\.\d ')
        self.assertRegex(said.splitlines()[-1], r'\d+ over 30 ms$')

    def test_grave_faults(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        said = run('severe.py', '--only', '2', '7', '8')
        self.assertRegex(said, r'(?m)^2 10,000 query fields +\d\.\d\d s of')
        self.assertIn('a second lasts +1 s', said)
        self.assertRegex(said, r'looked at after \d+\.\d s\s*\Z')

    def test_clusters_that_rest(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        said = run('resting.py', '--clusters', '40', '--seconds', '3',
                   '--interval', '1')
        self.assertRegex(said, r'(?m)^\d+ looks/s over 3 s; CPU a look')
        self.assertEqual('0 clusters were changed by being looked at',
                         said.splitlines()[-1])

    def test_clusters_in_flight(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        said = run('in_flight.py', '--clusters', '4', '--seconds', '6')
        self.assertRegex(said, (
            r'claims meanwhile 0; timers at most [0-4], queue at most \d; a '
            r'delete in the middle took \d'))
        self.assertNotIn('the conductor said', said)

    def test_nodes(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        said = run('nodes.py', '--sizes', '3', '6')
        self.assertRegex(said.splitlines()[-1],
                         r'^a node of 6 costs \d.*; one more on 6: \d')

    def test_controller(self):
        said = run('controller.py', '--nodes', '2', '--rounds', '1')
        self.assertRegex(said.splitlines()[-1], r'\d\.\d\d')


class PlainAnsibleTest(local.LocalTest):

    def test_its_command(self):
        _, machines = self.up('node-0')
        nodes = self.bed.folder / 'nodes.json'
        nodes.write_text(json.dumps([
            {'name': name, 'group': 'node', 'address': machine.address,
             'host_key': machine.ssh.host_key}
            for name, machine in machines.items()]))
        for verb, changed in (('apply', r'[1-9]\d*'), ('apply', '0'),
                              ('verify', '0')):
            said = run(
                'plain_ansible.py', str(TINY / 'blueprints' / 'tiny'),
                str(nodes), '--key', str(self.bed.key), '--work',
                str(self.bed.folder / verb), '--parameters', '{"count": 1}',
                '--program', str(pathlib.Path(sys.executable).with_name(
                    'ansible-playbook')), verb)
            self.assertRegex(said.splitlines()[-1],
                             rf'^{verb}: code 0, .* {changed} changed$')
