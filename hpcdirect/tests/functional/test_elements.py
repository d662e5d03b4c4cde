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

"""The elements of our blueprints, on real nodes, by plain Ansible.

No service takes part: what is tested is what the elements do to a machine.
"""

import hashlib
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

from oslo_config import cfg
import yaml

from hpcdirect import conf as options
from hpcdirect.backends import base
from hpcdirect.backends.local import LocalBackend
from hpcdirect.backends.local import network
from hpcdirect.planning import accounts
from hpcdirect.planning.state import State
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import soak
from hpcdirect.trials import difference
from hpcdirect.trials import snapshot

ROOT = pathlib.Path(__file__).parents[3]
BLUEPRINTS = ROOT / 'blueprints'
EXAMPLES = BLUEPRINTS / 'slurm' / 'examples'
#: Says to a proxy what is wanted, and prints the first line of its answer.
ASK = """
import socket
with socket.create_connection(({0!r}, 3142), timeout=60) as line:
    line.sendall(b'{1} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    print(line.makefile().readline())
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
class Case(unittest.TestCase):
    """A cluster of real nodes, without any service."""

    maxDiff = None
    slots = ('head-0', 'compute-0')

    def setUp(self):
        # Short, since ssh's control sockets lie below it; not on an overlay.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='he-',
                                                    dir='/var/tmp'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        conf = cfg.ConfigOpts()
        options.register_group(conf, 'local')
        conf([])
        conf.set_override('state_path', str(self.folder / 'state'), 'local')
        self.backend = LocalBackend(conf)
        self.addCleanup(self.backend.close)
        self.addCleanup(self.backend.clear)

    def make(self, name, **more):
        """Boot a blueprint's nodes; the cluster as plain Ansible plays it."""
        plain = plain_ansible()
        public = keygen(self.folder / 'root')
        given = {'users': [{'name': 'alice', 'sudo': True, 'keys': [
            keygen(self.folder / 'alice')]}], **more}
        cluster = plain.Plain(
            BLUEPRINTS / name, self.folder / 'work', (),  # or a path
            self.folder / 'root', given,
            program=str(pathlib.Path(sys.executable).with_name(
                'ansible-playbook')))
        ident = str(uuid.uuid4())
        self.backend.ensure(base.request_for(
            cluster.blueprint, State(parameters=cluster.parameters), 'local',
            [base.Slot(slot, slot.partition('-')[0]) for slot in self.slots],
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
            input=text, text=True, capture_output=True, timeout=600)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done

    def snapshot(self, node):
        """All that is on a node, and where the secrets are on it."""
        secrets = {file.name: file.read_text() for file in (
            self.folder / 'work' / 'secrets').glob('*.*')
            if file.suffix in ('.munge_key', '.database_password')}
        return snapshot.read(self.ssh(
            node, snapshot.COMMAND, text=snapshot.program(secrets)).stdout)

    def check_names(self, cluster):
        """No account that is neither the image's, an element's or a user's.

        Who may have what name is judged by these lists alone.
        """
        known = set(accounts.reserved(cluster.blueprint))
        for user in cluster.parameters['users']:
            known |= {user['name'], *user.get('groups', ())}
        for name in self.slots:
            found = self.ssh(name, 'cut -d: -f1 /etc/passwd /etc/group')
            self.assertEqual([], [
                one for one in sorted(set(found.stdout.split()) - known)
                if not accounts.name_problem(one, {})], name)

    def check_bare(self, bare):
        """Nothing is left but what is data."""
        for name in self.slots:
            found = difference.between(bare[name], self.snapshot(name),
                                       data=['/home', '/var/lib/mysql'])
            self.assertEqual([], [*map(str, found.left)], name)


@soak.in_turn('slurm')
class SlurmElementsTest(Case):
    """One cluster, from bare nodes to jobs and back to bare nodes."""

    slots = ('head-0', 'compute-0', 'compute-1')

    def test_apply_verify_work_and_revert(self):
        cluster = self.make('slurm', accounting=soak.SOAK)
        bare = {name: self.snapshot(name) for name in self.slots}

        first = self.play(cluster, 'apply')
        self.assertGreater(len(first.changed), 20)
        self.assertEqual((), self.play(cluster, 'apply').changed)
        self.play(cluster, 'verify')
        self.check_names(cluster)
        self.check_ssh()
        self.check_job()
        self.check_leaving(cluster)
        if soak.SOAK:
            self.check_accounting(cluster)
        self.play(cluster, 'revert')

        self.check_bare(bare)
        self.assertEqual('alice\n', self.ssh('head-0', 'ls /home').stdout,
                         'the homes are data and stay')

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
                     (EXAMPLES / name).read_text())
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

    def check_accounting(self, cluster):
        """It goes and comes back; a job that runs does not notice."""
        self.ssh('head-0', 'scancel -u alice; until [ -z "$(squeue -h)" ]; do '
                           'sleep 0.1; done')
        job = self.ssh('head-0', 'sbatch --parsable --wrap "sleep 600"',
                       'alice').stdout.strip()
        self.ssh('head-0', 'until squeue -h -t R | grep -q .; do '
                           'sleep 0.1; done')
        daemons = [self.ssh(name, 'systemctl show -p MainPID slurmd').stdout
                   for name in self.slots[1:]]
        self.play(cluster, 'revert', 'slurm-accounting')
        self.assertIn('accounting_storage/none', self.ssh(
            'head-0', 'scontrol show config').stdout)
        self.play(cluster, 'verify', 'slurm')
        self.play(cluster, 'apply', 'slurm-accounting')
        self.play(cluster, 'verify', 'slurm-accounting')
        self.assertEqual(f'{job} RUNNING\n', self.ssh(
            'head-0', 'squeue -h -o "%i %T"').stdout)
        self.assertEqual(daemons, [
            self.ssh(name, 'systemctl show -p MainPID slurmd').stdout
            for name in self.slots[1:]])
        self.assertIn('ring|alice|COMPLETED\n', self.ssh(
            'compute-1', 'sacct -X -n -P -a -o jobname,user,state').stdout)
        self.assertEqual('alice\n', self.ssh(
            'head-0', 'sacctmgr -nP list assoc account=users format=user '
            '| grep .').stdout)
        cluster.parameters['users'] = []
        self.play(cluster, 'apply', 'slurm-accounting')
        self.assertEqual('', self.ssh(
            'head-0', 'sacctmgr -nP list assoc user=alice; squeue -h -t R'
        ).stdout)


class RelayTest(Case):
    """Nodes that have no way out get their packages all the same."""

    slots = ('head-0', 'compute-0', 'compute-1')

    @soak.in_turn('slurm')
    def test_packages_come_once_through_the_head(self):
        cluster = self.make('mpi', modules=True, users=[])
        for name in self.slots[1:]:
            self.ssh(name, f'ip route replace unreachable {network.MIRROR}')
            self.assertEqual('cut off\n', self.ssh(
                name, 'apt-get -qq -o Acquire::Retries=0 --error-on=any '
                'update > /dev/null 2>&1 || echo cut off').stdout)
        self.play(cluster, 'apply')
        self.play(cluster, 'verify')

        for name in self.slots[1:]:
            self.ssh(name, 'dpkg -s environment-modules')
        # time|I or O: in or out|size|for whom|what
        log = [line.split('|') for line in self.ssh(
            'head-0', 'systemctl stop apt-cacher-ng; '
            'cat /var/log/apt-cacher-ng/apt-cacher.log').stdout.splitlines()]
        ways = [line[1] for line in log
                if '/environment-modules_' in line[-1]]
        self.assertEqual(['I', 'O', 'O'], sorted(ways))

    def test_it_lets_nothing_else_through(self):
        cluster = self.make('mpi', users=[])
        self.play(cluster, 'apply', 'package-relay')
        relay = f'{self.machines["head-0"].address}:3142'
        for wanted in ('CONNECT example.org:443', 'CONNECT deb.debian.org:22',
                       'CONNECT evil-deb.debian.org:443',
                       f'GET http://{network.MIRROR}/etc/passwd',
                       'GET /acng-report.html'):
            def asked(wanted=wanted):
                # Tests beside this one end the packages' server that all use.
                said = self.ssh('compute-0', 'python3 -', text=ASK.format(
                    relay.partition(':')[0], wanted)).stdout
                return '' if said.startswith('HTTP/1.1 503') else said

            self.assertRegex(local_bed.wait_for(asked, interval=1),
                             '^HTTP/1.[01] (403|404|406)', wanted)
        self.assertEqual('', self.ssh('head-0', (
            'ss -Hltn sport = :3142 | grep -vF ' + relay +
            ' || true')).stdout, 'it listens nowhere else')


class InterruptedTest(Case):
    """An installation is cut off by kill -9, and by nothing less."""

    slots = ('node-0',)
    #: Plays one layer by itself.
    PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - hpc_layer: {{layer: cut, packages: [apache2], units: [apache2],
                  litter: [/var/lib/apache2], state: {0}}}
"""
    #: {0}: a program that dpkg or a package runs at what is to be cut off,
    #: {1}: a word that it is given then. It stays there, and the module, apt
    #: and dpkg are killed, in this order; says how it is then.
    KILL = """
umask 022
cat > /usr/local/bin/{0} <<'EOF'
#!/bin/sh
case "$*" in *{1}*) touch /run/held; exec sleep 3600;; esac
exec $(PATH=/usr/sbin:/usr/bin command -v {0}) "$@"
EOF
chmod +x /usr/local/bin/{0}
echo 'DPkg::Path "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";' \
    > /etc/apt/apt.conf.d/99held
touch /run/ready
until test -e /run/held; do sleep 0.1; done
apt=$(pgrep -o -x apt-get)
kill -KILL $(ps -o ppid= -p $apt) && kill -KILL $apt && pkill -KILL -x dpkg
rm /usr/local/bin/{0} /etc/apt/apt.conf.d/99held /run/held /run/ready
pkill -KILL -x -f 'sleep 3600'
while pgrep 'dpkg|apt|a2enmod' > /dev/null; do sleep 0.1; done
test -e /usr/sbin/policy-rc.d &&
dpkg-query -W -f '${{db:Status-Abbrev}}\n' | grep -v '^ii'
"""
    #: The same for dpkg's letters for a package that is configured, and for
    #: one that is unpacked.
    CONFIGURED, UNPACKED = ('F', 'a2enmod', ''), (
        'HR', 'dpkg-deb', '--fsys-tarfile')
    #: The moment after a package was unpacked is too short to be met: says
    #: of one that it was killed just then, once dpkg's journal is in its
    #: status file.
    MARK = """
dpkg --set-selections < /dev/null
sed -i -E '0,/(^Status: install) ok (unpacked|half-configured)/{
  s//\\1 reinstreq unpacked/}' /var/lib/dpkg/status
dpkg-query -W -f '${db:Status-Abbrev}\\n' | grep -c '^.UR'
"""

    def test_the_next_run_mends_it(self):
        cluster = self.make('single', users=[])
        self.play(cluster, 'apply')
        bare = {'node-0': self.snapshot('node-0')}
        for at, just_unpacked, mend in (
                (self.CONFIGURED, False, True), (self.UNPACKED, False, True),
                (self.CONFIGURED, True, True), (self.CONFIGURED, True, False)):
            with self.subTest(at, just_unpacked=just_unpacked, mend=mend):
                self.cut_off(cluster, *at)
                if just_unpacked:
                    self.assertEqual('1\n', self.ssh(
                        'node-0', self.MARK).stdout)
                if mend:
                    self.mended(cluster)
                done = self.over(self.layer(cluster, 'absent'))
                self.assertEqual(0, done.returncode, done.stdout)
                self.check_bare(bare)

    def cut_off(self, cluster, letters, program, word):
        said = []
        killed = threading.Thread(target=lambda: said.append(self.ssh(
            'node-0', self.KILL.format(program, word)).stdout))
        killed.start()
        self.ssh('node-0', 'until test -e /run/ready; do sleep 0.1; done')
        self.assertNotEqual(0, self.over(
            self.layer(cluster, 'present')).returncode)
        killed.join()
        self.assertRegex(said[0], f'(?m)^.{letters}')

    def mended(self, cluster):
        said = self.over(self.layer(cluster, 'verified'))
        self.assertIn('an installation was cut off', said.stdout)
        self.assertIn('package apache2 is not installed', said.stdout)
        for state in ('present', 'verified'):
            done = self.over(self.layer(cluster, state))
            self.assertEqual(0, done.returncode, done.stdout)
        self.assertEqual('active\n', self.ssh(
            'node-0', 'dpkg --audit; ls /usr/sbin/policy-rc.d 2> /dev/null; '
            'systemctl is-active apache2').stdout)

    def layer(self, cluster, state):
        """A play that is under way."""
        file = cluster.work / f'{state}.yaml'
        file.write_text(self.PLAY.format(state))
        return subprocess.Popen(
            [*cluster.command[:-1], str(file)], cwd=cluster.work, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env={
                **os.environ, 'LC_ALL': 'C.UTF-8', 'ANSIBLE_NOCOLOR': '1',
                'ANSIBLE_CONFIG': f'{cluster.work}/ansible.cfg'})

    def over(self, process):
        """The play when it is over."""
        output, _ = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode,
                                           output)


class BlueprintsTest(Case):
    """Our other blueprints of a head and compute nodes, all of each."""

    def check(self, name, **more):
        cluster = self.make(name, modules=True, **more)
        bare = {slot: self.snapshot(slot) for slot in self.slots}
        self.play(cluster, 'apply')
        self.assertEqual((), self.play(cluster, 'apply').changed)
        self.play(cluster, 'verify')
        yield
        self.play(cluster, 'revert')
        self.check_bare(bare)

    @soak.in_turn('mpi')
    def test_mpi(self):
        for _ in self.check('mpi', prometheus=True, mpi_slots=2):
            self.ssh('head-0', 'cat > ring.c', 'alice',
                     (EXAMPLES / 'ring.c').read_text())
            said = self.ssh(
                'head-0', 'bash -lc "mpicc -o ring ring.c && '
                'mpirun -x PMIX_MCA_gds ./ring"', 'alice').stdout
            self.assertIn('right: ring 1, sum 1, wanted 1', said)
            self.assertIn('on compute-0', said)

    @soak.in_turn('genomics')
    def test_genomics(self):
        for _ in self.check('genomics', accounting=True, prometheus=True):
            self.assertEqual('1\n', self.ssh(
                'head-0', 'srun --mpi=none bash -c "bwa 2>&1" | '
                'grep -c ^Program', 'alice').stdout)

    @soak.in_turn('molecular-dynamics')
    def test_molecular_dynamics(self):
        for _ in self.check('molecular-dynamics', lammps=True):
            self.ssh('head-0', 'cat > melt.in', 'alice', (
                ROOT / 'elements/lammps/files/melt.in').read_text())
            said = self.ssh('head-0', 'bash -lc "srun -n2 lmp -in melt.in"',
                            'alice').stdout
            self.assertIn('on 2 procs for 100 steps with 4000 atoms', said)

    @soak.in_turn('engineering')
    def test_engineering(self):
        for _ in self.check('engineering'):
            self.assertIn('/usr/bin/icoFoam', self.ssh(
                'head-0', 'srun --mpi=none which icoFoam', 'alice').stdout)


@soak.in_turn('program')
class ProgramTest(Case):
    """Programs of somebody's own: two versions of each kind, then none."""

    slots = ('node-0',)

    def test_versions_come_and_go(self):
        home = self.folder / 'theirs'
        shutil.copytree(ROOT / 'elements', home / 'elements')
        shutil.copytree(BLUEPRINTS / 'single', home / 'blueprints/single')
        self.files = home / 'elements/program/files'
        file = home / 'blueprints/single/blueprint.yaml'
        said = yaml.safe_load(file.read_text())
        said['parameters']['properties']['programs'] = {
            'type': 'array', 'default': []}
        said['elements'].append({'name': 'program', 'variables': {
            'programs': {'parameter': 'programs'}}})
        file.write_text(json.dumps(said))
        both = {one: [self.archive(one), self.package(one)]
                for one in ('1.0', '2.0')}
        cluster = self.make(file.parent)
        self.play(cluster, 'apply')
        bare = {'node-0': self.snapshot('node-0')}
        for one in ('1.0', '2.0', '1.0'):
            cluster.parameters['programs'] = both[one]
            self.assertNotEqual((), self.play(
                cluster, 'apply', 'program').changed)
            self.play(cluster, 'verify', 'program')
            self.assertEqual((), self.play(
                cluster, 'apply', 'program').changed)
        broken = dict(both['2.0'][0], sha256='0' * 64)
        cluster.parameters['programs'] = [broken, both['1.0'][1]]
        outcome = cluster.play('apply', ['program'])
        self.assertNotEqual(0, outcome.code)
        self.assertIn('another sha256', outcome.output)
        self.assertEqual('solver 1.0\n',
                         self.ssh('node-0', '/opt/solver/bin/solver').stdout)
        cluster.parameters['programs'] = []
        self.play(cluster, 'apply', 'program')
        self.check_bare(bare)

    def archive(self, version):
        """An archive, as the element is told of it."""
        name = f'solver-{version}.tar.gz'
        made = self.folder / f'solver-{version}' / 'bin' / 'solver'
        made.parent.mkdir(parents=True)
        made.write_text(f'#!/bin/sh\necho solver {version}\n')
        made.chmod(0o755)
        subprocess.run(['tar', '-czf', self.files / name, '-C', self.folder,
                        f'solver-{version}'], check=True)
        return self.told('solver', version, name,
                         f'solver | grep -qx "solver {version}"')

    def package(self, version):
        """A Debian package that needs another one, likewise."""
        name = f'their-tool_{version}_all.deb'
        root = self.folder / f'tool-{version}'
        for path, text in (
                ('DEBIAN/control',
                 f'Package: their-tool\nVersion: {version}\n'
                 'Architecture: all\nMaintainer: T <t@example.org>\n'
                 'Depends: tree\nDescription: A tool\n'),
                ('usr/share/their-tool/version', version)):
            (root / path).parent.mkdir(parents=True)
            (root / path).write_text(text)
        subprocess.run(['dpkg-deb', '--root-owner-group', '-b', root,
                        self.files / name], check=True)
        return self.told(
            'their-tool', version, name,
            f'grep -qx {version} /usr/share/their-tool/version && tree .')

    def told(self, name, version, file, check):
        return {'name': name, 'version': version, 'file': file,
                'check': check, 'sha256': hashlib.sha256(
                    (self.files / file).read_bytes()).hexdigest()}


if __name__ == '__main__':
    unittest.main()
