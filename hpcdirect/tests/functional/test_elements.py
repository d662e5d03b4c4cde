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

"""The elements of the slurm blueprint, on real nodes, by plain Ansible.

No service takes part: what is tested is what the elements do to a machine.
"""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

from oslo_config import cfg

from hpcdirect.backends import base
from hpcdirect.backends import request
from hpcdirect.backends.local import LocalBackend
from hpcdirect.conf import local as options

ROOT = pathlib.Path(__file__).parents[3]
BLUEPRINT = ROOT / 'blueprints' / 'slurm'
SLOTS = ('head-0', 'compute-0', 'compute-1')

# What is on a node, but for what any run leaves behind (logs, backups).
LIST = r"""
dpkg-query -W -f '${db:Status-Abbrev}${Package}\n'
cut -d: -f1,3 /etc/passwd | sed 's/^/user /'
cut -d: -f1,3 /etc/group | sed 's/^/group /'
systemctl list-unit-files --state=enabled --no-legend --no-pager |
    awk '{print "enabled " $1}'
systemctl list-units --type=service --state=running --no-legend --no-pager |
    awk '{print "running " $1}'
find /etc /usr/local /var/lib /var/spool /root -xdev \
    \( -path /var/lib/apt -o -path /var/lib/dpkg -o -path /var/lib/systemd \
       -o -path /root/.ansible -o -name '*-' -o -name '*.bin' \) -prune \
    -o -type f -printf '%p %m %u ' -exec md5sum {} \; \
    -o -printf '%p %m %u %l\n'
"""


def plain_ansible():
    """benchmarks/plain_ansible.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location(
        'plain_ansible', ROOT / 'benchmarks' / 'plain_ansible.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def keygen(file):
    """Make a key pair; its public line."""
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C',
                    'test', '-f', str(file)], check=True)
    return file.with_suffix('.pub').read_text().strip()


@unittest.skipUnless(os.geteuid() == 0, 'needs root to make nodes')
class SlurmElementsTest(unittest.TestCase):
    """One cluster, from bare nodes to jobs and back to bare nodes."""

    maxDiff = None

    def setUp(self):
        # Short, since ssh's control sockets lie below it; not on an overlay.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='he-',
                                                    dir='/var/tmp'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf([])
        conf.set_override('state_path', str(self.folder / 'state'), 'local')
        self.backend = LocalBackend(conf)
        self.addCleanup(self.backend.close)
        self.addCleanup(self.backend.sweep)

    def test_apply_verify_work_and_revert(self):
        cluster = self.make()
        bare = {name: self.listing(name) for name in SLOTS}

        first = self.play(cluster, 'apply')
        self.assertGreater(len(first.changed), 20)
        self.assertEqual((), self.play(cluster, 'apply').changed)
        self.play(cluster, 'verify')
        self.check_ssh()
        self.check_job()
        self.check_leaving(cluster)
        self.play(cluster, 'revert')

        for name in SLOTS:
            now = self.listing(name)
            self.assertEqual([], sorted(set(now) ^ set(bare[name])), name)
        self.assertEqual('alice\n', self.ssh('head-0', 'ls /home').stdout,
                         'the homes are data and stay')

    def make(self):
        """Boot the nodes; the cluster as plain Ansible plays it."""
        plain = plain_ansible()
        public = keygen(self.folder / 'root')
        given = {'users': [{'name': 'alice', 'sudo': True, 'keys': [
            keygen(self.folder / 'alice')]}]}
        cluster = plain.Plain(
            BLUEPRINT, self.folder / 'work', (), self.folder / 'root', given,
            program=str(pathlib.Path(sys.executable).with_name(
                'ansible-playbook')))
        ident = str(uuid.uuid4())
        self.backend.ensure(request.build(
            cluster.blueprint, {'parameters': cluster.parameters}, 'local',
            [base.Slot(name, name.partition('-')[0]) for name in SLOTS],
            cluster_id=ident, cluster_name='elements', project_id='none',
            public_key=public))
        self.machines = self.wait_for(ident)
        (self.folder / 'known_hosts').write_text(''.join(
            f'{machine.ssh.host} {machine.ssh.host_key}\n'
            for machine in self.machines.values()))
        cluster.nodes = [
            plain.Node(machine.slot, machine.slot.partition('-')[0],
                       machine.address, machine.ssh.host_key,
                       machine.ssh.host, machine.ssh.port)
            for machine in self.machines.values()]
        return cluster

    def wait_for(self, ident):
        """Slot -> machine, when all are up."""
        end = time.monotonic() + 600  # the first time it makes images
        while time.monotonic() < end:
            infra = self.backend.observe(ident)
            faults = [machine.fault for machine in infra.machines
                      if machine.fault]
            self.assertEqual([], faults)
            if infra.status == base.InfraStatus.READY:
                return {machine.slot: machine for machine in infra.machines}
            time.sleep(0.1)
        self.fail('the nodes did not come up')

    def play(self, cluster, verb, *elements, **more):
        outcome = cluster.play(verb, elements, **more)
        self.assertEqual(0, outcome.code, outcome.output)
        return outcome

    def ssh(self, node, command, user='root', text=''):
        """Run a shell command on a node."""
        host = self.machines[node].ssh
        done = subprocess.run(
            ['ssh', '-i', str(self.folder / (
                'root' if user == 'root' else 'alice')), '-p', str(host.port),
             '-o', f'UserKnownHostsFile={self.folder}/known_hosts',
             '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes',
             f'{user}@{host.host}', command],
            input=text, text=True, capture_output=True, timeout=120)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done

    def listing(self, node):
        return sorted(self.ssh(node, LIST).stdout.splitlines())

    def check_ssh(self):
        """From node to node without a question, by short and full name."""
        self.assertEqual('compute-1\n', self.ssh(
            'head-0', 'ssh compute-0 ssh compute-1.plain.internal hostname',
            'alice').stdout)
        self.assertEqual('0\n', self.ssh(
            'head-0', 'sudo id -u', 'alice').stdout)

    def check_job(self):
        """The example job, as a user would hand it in."""
        for name in ('ring.c', 'job.sh'):
            self.ssh('head-0', f'cat > {name}', 'alice',
                     (BLUEPRINT / 'examples' / name).read_text())
        job = self.ssh('head-0', 'sbatch --parsable job.sh',
                       'alice').stdout.strip()
        out = self.ssh('head-0', (
            f'while [ -n "$(squeue -h -j {job})" ]; do sleep 0.2; done; '
            f'cat ring-{job}.out; '
            f'scontrol show job {job} | grep -o "JobState=[A-Z]*"'),
            'alice').stdout
        self.assertIn('right: ring 6, sum 6, wanted 6', out)
        self.assertIn('JobState=COMPLETED', out)
        self.assertIn('on compute-0', out)
        self.assertIn('on compute-1', out)

    def check_leaving(self, cluster):
        """A node leaves and comes back; no other one notices."""
        daemon = 'systemctl show -p MainPID slurmd'
        before = self.ssh('compute-0', daemon).stdout
        self.ssh('head-0', 'sbatch -w compute-1 --wrap "sleep 600"', 'alice')
        self.ssh('head-0', 'until squeue -h -t R | grep -q .; do '
                           'sleep 0.1; done')
        cluster.parameters['drain_timeout'] = 1
        self.play(cluster, 'drain', 'slurm', leaving=['compute-1'],
                  on=['head-0', 'compute-1'])
        self.assertEqual('compute-0\n', self.ssh(
            'head-0', 'sinfo -h -N -o %n').stdout)
        self.assertEqual('PENDING\n', self.ssh(
            'head-0', 'squeue -h -o %T').stdout, 'the job waits again')
        back = self.play(cluster, 'apply', 'slurm')
        self.assertEqual(['compute-1'], sorted({
            line.partition(':')[0] for line in back.changed} - {'head-0'}))
        self.assertEqual('compute-1\n', self.ssh(
            'head-0', 'until sinfo -h -n compute-1 -o %T | grep -q idle; do '
            'sleep 0.1; done; srun -w compute-1 hostname', 'alice').stdout)
        self.assertEqual(before, self.ssh('compute-0', daemon).stdout)


if __name__ == '__main__':
    unittest.main()
