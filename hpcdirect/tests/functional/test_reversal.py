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


"""A live cluster: one layer out of the middle and back, and all of it off.

The blueprint is ``slurm``, but for a switch by which it can be had without
any element: so the machines can be looked at before anything was put on.
"""

import os
import pathlib
import shutil
import subprocess

import fixtures
import testtools
import yaml

from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak
from hpcdirect.trials import difference
from hpcdirect.trials import snapshot

NODES = ('head-0', 'compute-0', 'compute-1', 'compute-2')
SLURM = service.ROOT / 'blueprints' / 'slurm'
#: What must not notice that the scheduler goes and comes.
OTHERS = ('prometheus-node-exporter', 'munge', 'ssh')
JOB = """\
cd && job=$(sbatch --parsable -N3 -o out --wrap 'srun hostname') || exit
while [ -n "$(squeue -h -j $job)" ]; do sleep 0.2; done; sort out
"""


def switchable(folder):
    """The blueprint, all of whose elements hang on the parameter ``all``."""
    place = folder / 'blueprints' / 'switchable'
    shutil.copytree(SLURM, place)
    said = yaml.safe_load((place / 'blueprint.yaml').read_text())
    said['name'] = 'switchable'
    said['parameters']['properties']['all'] = {'type': 'boolean',
                                               'default': False}
    said['infrastructure'] = {'local': said['infrastructure']['local']}
    for use in said['elements']:
        use['when'] = {'parameter': 'all'}
    (place / 'blueprint.yaml').write_text(yaml.safe_dump(
        said, sort_keys=False))


class ReversalCase:
    """What is seen, whoever makes the machines.

    Whoever mixes it in brings ``cluster`` (a name), ``ask(method, path,
    body)`` that answers a status and a document, ``rest()`` that waits and
    answers the cluster, and ``init(node)``, the pid of a node's first
    process.
    """

    def one_out_of_the_middle_and_all_off(self, everything, nothing):
        """Bare machines get everything, and are bare again.

        :param everything: the change that puts every element on;
        :param nothing: the one that takes them off.
        """
        bare = {name: self.look(name) for name in NODES}
        self.patch(**everything)
        self.job()
        self.middle()
        off = self.patch(**nothing)
        self.assertEqual({'revert'}, {step['kind'] for step in off['steps']})
        data = {path for element in self.get('/elements')['elements']
                for path in self.get(f'/elements/{element["name"]}')['data']}
        for name in NODES:
            left = difference.between(bare[name], self.look(name), data)
            self.assertEqual([], [str(one) for one in left.left], name)

    def middle(self):
        """The scheduler goes and comes; nothing else notices."""
        before = self.others()
        _, shown = self.ask('POST', '/plans', {
            'cluster': self.cluster, 'change': {'elements': {'slurm': None}}})
        # Prometheus no longer asks the exporter, which goes along.
        self.assertEqual(
            {('take off', 'slurm-accounting', ('head-0',)),
             ('take off', 'slurm-exporter', ('head-0',)),
             ('take off', 'slurm', tuple(sorted(NODES))),
             ('in place', 'prometheus', tuple(sorted(NODES)))},
            {(one['verdict'], one['subject'], tuple(sorted(one['nodes'])))
             for one in shown['changes']})
        off = self.patch(plan=shown['id'])
        self.assertEqual(
            {('revert', 'slurm-accounting'), ('revert', 'slurm-exporter'),
             ('revert', 'slurm'), ('apply', 'prometheus'),
             ('verify', 'prometheus')}, set(self.runs(off)))
        self.assertEqual({'slurm': 'off', 'slurm-accounting': 'waits',
                          'slurm-exporter': 'waits'}, {
            one['name']: one['status'] for one in self.get(
                f'/clusters/{self.cluster}/elements')['elements']
            if one['status'] != 'on'})
        for name in NODES:
            # Packages and account are of the image these machines boot.
            self.assertNotRegex(self.run_on(
                name, 'ps -e -o comm=; ls /etc/slurm'),
                'slurm(ctld|d|dbd|.conf)')
        self.assertEqual(before, self.others())
        on = self.patch(elements={'slurm': {}})
        self.assertEqual(
            {(verb, name) for verb in ('apply', 'verify') for name in (
                'slurm', 'slurm-accounting', 'slurm-exporter',
                'prometheus')}, set(self.runs(on)))
        self.job()
        self.assertEqual(before, self.others())

    def job(self):
        """One across all compute nodes, as a user hands it in."""
        self.assertEqual(
            'compute-0\ncompute-1\ncompute-2\n', self.run_on(
                'head-0', f"runuser -l alice <<'SHELL'\n{JOB}SHELL\n"))

    def others(self):
        """What a user and an operator would miss: daemons, homes, users."""
        return {name: self.run_on(name, '; '.join((
            *(f'systemctl show -p MainPID {unit}' for unit in OTHERS),
            'id alice; id bob; ls -A /home /home/alice',
            'findmnt -n -o SOURCE /home')))
            for name in NODES}

    # -- the service and its machines -------------------------------------

    def get(self, path):
        return self.ask('GET', path)[1]

    def patch(self, **body):
        """Change something and wait; the deployment that did it."""
        status, said = self.ask('PATCH', f'/clusters/{self.cluster}', body)
        self.assertEqual(202, status, said)
        return self.get(f'/deployments/{self.rest()["deployment"]["id"]}')

    def runs(self, deployment):
        return [(run['verb'], run['element']) for run in self.get(
            f'/runs?deployment={deployment["id"]}')['runs']]

    def run_on(self, name, script, text=None):
        """What a script prints on a machine, as root."""
        done = subprocess.run(
            ['nsenter', '-t', str(self.init(name)), '--all', 'sh', '-c',
             script], input=text, capture_output=True, text=True,
            timeout=180)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def look(self, name):
        """All that is on a machine."""
        return snapshot.read(self.run_on(name, snapshot.COMMAND,
                                         snapshot.program({})))


@soak.in_turn('reversal')
@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class ReversalTest(ReversalCase, testtools.TestCase):
    """On machines of this host."""

    cluster = 'demo'

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        switchable(folder)
        self.service = self.useFixture(service.Service(
            backend='local', directories=(folder, service.ROOT),
            local={'network': '10.219.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()

    def test_one_out_of_the_middle_and_all_off(self):
        users = [{'name': name, 'keys': [public_keys.line(name)]}
                 for name in ('alice', 'bob')]
        self.uuid = self.service.create(
            'demo', 'switchable', compute_count=3, users=users)['id']
        self.rest()
        self.one_out_of_the_middle_and_all_off(
            {'parameters': {'all': True}}, {'parameters': {'all': False}})

    def rest(self):
        cluster = self.service.settled('demo', 1800)
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        return cluster

    def ask(self, method, path, body=None):
        answer = self.service.call(method, f'/v1{path}', body)
        return answer.status, answer.json

    def init(self, name):
        return nodes.Machine(self.service, self.uuid, name).init()
