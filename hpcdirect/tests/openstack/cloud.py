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


"""What the tests against a real cloud share.

They run inside the network namespace of a bed (``devstack/bed/bed exec``),
which tells them by its environment where it is; without one they are skipped.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import uuid

import openstack
import testtools

from hpcdirect.client import proxy

ROOT = pathlib.Path(__file__).parents[3]
EXAMPLES = ROOT / 'blueprints' / 'slurm' / 'examples'

#: Hands in a job of two nodes and waits for its end.
SUBMIT = """\
job=$(sbatch --parsable %s) || exit
while [ -n "$(squeue -h -j $job)" ]; do sleep 0.2; done
"""

#: Why a test is skipped that CI has no time for.
MINUTES = 'takes minutes: tox -e soak'
SOAK = os.environ.get('HPCDIRECT_SOAK')
LONG = testtools.skipUnless(SOAK, MINUTES)

BED = os.environ.get('BED_NAME')
#: The bed's own folder, and where it keeps the disks of its machines.
PATH = pathlib.Path(os.environ.get('BED_PATH', '/nowhere'))
DISKS = PATH / 'data' / 'machines'


def bed(*words):
    """A command of the bed's own."""
    subprocess.run([ROOT / 'devstack' / 'bed' / 'bed', *words], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def rabbitmqctl(*words):
    """A command to the bed's RabbitMQ."""
    subprocess.run(
        ['setpriv', '--reuid=rabbitmq', '--regid=rabbitmq', '--init-groups',
         'env', f'HOME={PATH}/data/rabbitmq',
         'RABBITMQ_NODENAME=rabbit@localhost',
         '/usr/lib/rabbitmq/bin/rabbitmqctl', '--quiet', *words],
        # It must be able to read the folder it is started in.
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        cwd='/')


def query(database, statement):
    """One value out of a service's own database."""
    done = subprocess.run(
        ['mariadb', f'--socket={PATH}/run/mariadb/socket', '-N', '-B',
         database, '-e', statement], check=True, capture_output=True,
        text=True)
    return done.stdout.strip()


def service_of(pid):
    """The bed's service that a process belongs to, None when it is dead."""
    try:
        session = os.getsid(int(pid))
    except ProcessLookupError:
        return None
    for file in (PATH / 'run').glob('*.pid'):
        if file.read_text().split()[:1] == [str(session)]:
            return file.stem
    return None


def manage(*words):
    """``hpcdirect-manage ...``; its output."""
    return subprocess.run(
        [pathlib.Path(sys.executable).with_name('hpcdirect-manage'),
         '--config-file', PATH / 'etc/hpcdirect/hpcdirect.conf', *words],
        check=True, capture_output=True, text=True).stdout


@testtools.skipUnless(BED, 'devstack/bed/bed exec runs these')
class CloudCase(testtools.TestCase):
    """A test in a cloud; every cluster it leaves is deleted."""

    #: Seconds that anything asked of the cloud may take.
    patience = 420

    def setUp(self):
        super().setUp()
        self.admin = openstack.connect('bed-admin')
        self.alice = openstack.connect('alice')
        self.api = proxy.attach(self.alice)
        self.project = self.alice.current_project_id
        if not self.api.read(f'/projects/{self.project}')['enabled']:
            self.hpc('project', 'enable', self.project, cloud='dave')

    # -- the command line -------------------------------------------------

    def hpc(self, *words, cloud='alice', by=None, code=0):
        """``openstack hpc ...``; its output.

        :param by: a member made here, instead of the cloud's own user.
        """
        login = ('--os-username', by.name, '--os-password', by.password) \
            if by else ()
        done = subprocess.run(
            [pathlib.Path(sys.executable).with_name('openstack'),
             '--os-cloud', cloud, *login, 'hpc', *words],
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=self.patience * 2)
        self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def create(self, name, *words, blueprint='slurm', backend='heat',
               by=None, **parameters):
        """A cluster, waited for."""
        self.addCleanup(self.remove, name)
        given = [word for key, value in parameters.items() for word in (
            '--parameter', f'{key}={json.dumps(value)}')]
        self.hpc('cluster', 'create', name, '--blueprint', blueprint,
                 '--backend', backend, *given, *words, '--wait', by=by)
        return self.api.get_cluster(name)

    def remove(self, name):
        """Delete a cluster if it is there, and wait until it is gone."""
        if self.found(name) is not None:
            self.hpc('cluster', 'delete', name, '--wait')

    def found(self, name):
        """A cluster, or None."""
        try:
            return self.api.get_cluster(name)
        except openstack.exceptions.NotFoundException:
            return None

    def events(self, cluster):
        """Every event of a cluster so far."""
        found, marker = [], 0
        while True:
            page = self.api.read('/events', cluster=cluster.id, limit=1000,
                                 marker=marker)['events']
            if not page:
                return found
            found += page
            marker = page[-1]['id']

    def nodes(self, name):
        return {node.name: node for node in self.api.nodes(name)}

    def ssh(self, name, command, text=''):
        """Run a command on a cluster's login node, as whose key it is."""
        done = subprocess.run(
            ['ssh', '-F', self.ssh_config(name), name, command],
            capture_output=True, text=True, input=text, timeout=180)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def ssh_config(self, name):
        """The file that ``hpc cluster config`` writes; it is kept.

        The key bears the name of whose it is.
        """
        file = self.key.with_name(f'{name}.config')
        if not file.exists():
            self.hpc('cluster', 'config', name, '--user', self.key.name,
                     '--identity', str(self.key), '--output', str(file))
        return file

    # -- the cloud --------------------------------------------------------

    def member(self, name):
        """A new user who may do in the project what members may."""
        identity, password = self.admin.identity, uuid.uuid4().hex
        user = identity.create_user(name=f'{name}-{uuid.uuid4().hex[:8]}',
                                    password=password, domain_id='default')
        # Keystone does not say it again.
        user.password = password
        self.addCleanup(identity.delete_user, user)
        identity.assign_project_role_to_user(
            self.project, user, identity.find_role('member'))
        return user

    def eventually(self, true, what, seconds=None):
        """Ask the cloud until something holds; clouds tell nobody."""
        end = time.monotonic() + (seconds or self.patience)
        while time.monotonic() < end:
            found = true()
            if found:
                return found
            time.sleep(0.5)
        raise AssertionError(f'in vain: {what}')

    def stack(self, cluster):
        """The stack of a cluster, or None."""
        stacks = self.alice.orchestration.stacks(
            name=f'hpcdirect-{cluster.id}')
        return next(iter(stacks), None)

    def metal(self, **filters):
        """Ironic's nodes for machines, by name."""
        return {node.name: node for node in self.admin.baremetal.nodes(
            details=True, resource_class='localmetal', **filters)}

    def assert_nothing_left(self, cluster_id):
        """No server, port, network or stack carries the cluster's tag."""
        self.assertEqual([], [
            server.name for server in self.alice.compute.servers()
            if cluster_id in str(server.metadata) + str(server.tags)])
        self.assertEqual([], list(self.alice.orchestration.stacks(
            name=f'hpcdirect-{cluster_id}')))
        for kind in ('ports', 'networks', 'subnets'):
            self.assertEqual([], [
                one.id for one in getattr(self.alice.network, kind)()
                if cluster_id in str(one.tags) + str(one.name)])
        self.eventually(
            lambda: {(node.provision_state, node.instance_id)
                     for node in self.metal().values()}
            == {('available', None)}, 'nodes are available again')
