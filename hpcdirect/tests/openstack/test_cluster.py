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


"""A cluster's life on OpenStack: Heat, Nova, Ironic, Neutron, all real.

What happened is read off the machines and the services' own lists.
"""

import pathlib
import socket
import subprocess

import fixtures
import openstack

from hpcdirect.tests.openstack import canary
from hpcdirect.tests.openstack import cloud


class ClusterTest(cloud.CloudCase):
    """A member's cluster, from nothing to nothing."""

    def setUp(self):
        super().setUp()
        self.key = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'alice'
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '',
                        '-C', 'alice', '-f', self.key], check=True)

    def test_from_order_to_end(self):
        before = self.metal()
        self.assertEqual({'available'}, {
            node.provision_state for node in before.values()})
        zoe, listener = self.member('zoe'), self.useFixture(canary.Canary())
        cluster = self.create('c1', *self.user(), by=zoe, compute_count=3,
                              modules=True)
        self.nothing_spilt(cluster, zoe, listener)
        # The cluster outlives whoever made it.
        self.admin.identity.delete_user(zoe)
        self.stack_and_nodes(cluster, 4)
        self.only_through_the_head()
        self.packages_came_in(3)
        self.ssh_as_one_command('c1')
        self.mpi(3)
        self.touch_disks()
        self.scale_up(cluster)
        self.drop_a_named_slot(cluster)
        self.replace(cluster)
        self.hpc('cluster', 'delete', 'c1', '--wait')
        self.assertIsNone(self.found('c1'))
        self.assert_nothing_left(cluster.id)
        self.wiped()

    def test_the_same_folder_on_this_machine(self):
        """Byte for byte the same blueprint, on the other backend."""
        cluster = self.create('c2', *self.user(), backend='local',
                              compute_count=2)
        self.assertEqual('ACTIVE', cluster.status)
        self.mpi(2, 'c2')

    def user(self):
        return '--user', f'alice,key={self.key}.pub'

    # -- sections ---------------------------------------------------------

    def nothing_spilt(self, cluster, user, listener):
        """No token, password or key anywhere; who looks knows one."""
        token = openstack.connect('alice', auth={
            'username': user.name, 'password': user.password}).auth_token
        self.assertEqual(user.name, listener.holder(token))
        keys = {self.disk(node, 'etc/munge/munge.key').read_text().strip()
                for node in self.metal(provision_state='active').values()}
        self.assertEqual(1, len(keys))
        self.assertEqual([], listener.leaks(
            cluster.id, user.name, {keys.pop(): 'the key of MUNGE'}))

    def stack_and_nodes(self, cluster, count):
        self.assertEqual('ACTIVE', cluster.status)
        stack = self.stack(cluster)
        self.assertIn(stack.status, ('CREATE_COMPLETE', 'UPDATE_COMPLETE'))
        nodes = self.nodes('c1')
        self.assertEqual(count, len(nodes))
        active = {node.instance_id for node in self.metal(
            provision_state='active').values()}
        self.assertEqual({node.ref for node in nodes.values()}, active)
        for port in self.admin.network.ports(project_id=self.project):
            if port.device_id in active:
                self.assertEqual('ACTIVE', port.status)

    def only_through_the_head(self):
        """No compute node answers but through the head."""
        for node in self.nodes('c1').values():
            if node.group == 'head':
                self.assertEqual('', node.ssh['via'])
                continue
            self.assertTrue(node.ssh['via'].startswith('root@'))
            with socket.socket() as direct:
                direct.settimeout(2)
                self.assertNotEqual(0, direct.connect_ex(
                    (node.address, 22)))

    def packages_came_in(self, count):
        """What the image lacks, compute nodes have all the same."""
        said = self.ssh('c1', f'srun --mpi=none --nodes={count} dpkg-query '
                              "-W -f '${Status}\\n' environment-modules")
        self.assertEqual(['install ok installed'] * count, said.splitlines())

    def mpi(self, count, name='c1'):
        """The blueprint's example, on so many nodes."""
        self.ssh(name, 'cat > ring.c', (
            cloud.EXAMPLES / 'ring.c').read_text())
        self.ssh(name, 'cat > job.sh', (
            cloud.EXAMPLES / 'job.sh').read_text())
        out = self.ssh(name, cloud.SUBMIT % f'--nodes={count} job.sh'
                       + 'cat ring-$job.out')
        self.assertIn('right: ring', out)
        self.assertEqual(count, len({
            line.rpartition(' ')[2] for line in out.splitlines()
            if line.startswith('rank ')}), out)

    def ssh_as_one_command(self, name):
        self.assertEqual('alice\n', self.hpc(
            'cluster', 'ssh', name, '--login-user', 'alice', '--identity',
            str(self.key), '--', 'id -un'))

    def sinfo(self):
        return dict(line.split() for line in self.ssh(
            'c1', 'sinfo -h -N -o "%N %T"').splitlines())

    def touch_disks(self):
        """Leave a file on every disk; where it lies on the host is kept."""
        self.files = []
        for node in self.metal(provision_state='active').values():
            file = self.disk(node, 'root/mine')
            file.write_text('a secret of the tenant')
            self.files.append(file)

    @staticmethod
    def disk(node, path):
        """Where a file of an Ironic node lies on the host."""
        return cloud.DISKS / node.driver_info['local_name'] / 'upper' / path

    def wiped(self):
        self.assertEqual([], [file for file in self.files if file.exists()])

    def scale_up(self, cluster):
        refs = {name: node.ref for name, node in self.nodes('c1').items()}
        self.hpc('cluster', 'scale', 'c1', '--group', 'compute=4', '--wait')
        self.assertEqual(dict.fromkeys(
            (f'compute-{number}' for number in range(4)), 'idle'),
            self.sinfo())
        after = {name: node.ref for name, node in self.nodes('c1').items()}
        self.assertEqual(refs, {name: after[name] for name in refs})

    def drop_a_named_slot(self, cluster):
        refs = {name: node.ref for name, node in self.nodes('c1').items()}
        self.hpc('cluster', 'scale', 'c1', '--remove-node', 'compute-1',
                 '--wait')
        self.assertEqual({'compute-0', 'compute-2', 'compute-3'},
                         set(self.sinfo()))
        after = {name: node.ref for name, node in self.nodes('c1').items()}
        refs.pop('compute-1')
        self.assertEqual(refs, after)
        self.assertIsNone(self.alice.compute.find_server('compute-1'))

    def replace(self, cluster):
        refs = {name: node.ref for name, node in self.nodes('c1').items()}
        # Homes would be lost with the head's disk, as far as we know.
        self.hpc('node', 'replace', 'c1', 'head-0', code=1)
        self.hpc('node', 'replace', 'c1', 'compute-2', '--wait')
        after = {name: node.ref for name, node in self.nodes('c1').items()}
        self.assertNotEqual(refs.pop('compute-2'), after.pop('compute-2'))
        self.assertEqual(refs, after)
        self.assertEqual('idle', self.sinfo()['compute-2'])
        self.mpi(3)
