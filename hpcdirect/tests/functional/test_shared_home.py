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

"""What a kernel lacks for a shared home is said by its cause."""

import os
import pathlib

import fixtures
import testtools
import yaml

from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service

#: As "slurm" on a backend that provides no volumes.
BLUEPRINT = {
    'name': 'home', 'version': '1.0.0', 'label': 'Home', 'description': 'x',
    'node_groups': {'head': {'count': 1, 'max_count': 1},
                    'compute': {'count': 1}},
    'login': 'head', 'infrastructure': {'local': {}},
    'elements': [{'name': 'shared-home', 'roles': {
        'server': ['head'], 'client': ['compute']}}]}


@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class SharedHomeTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        kinds = pathlib.Path('/proc/filesystems').read_text().split()
        if {'nfsd', 'nfs4'} & set(kinds):
            self.skipTest('this kernel has NFS')

    def test_a_kernel_without_nfs(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        file = folder / 'blueprints/home/blueprint.yaml'
        file.parent.mkdir(parents=True)
        file.write_text(yaml.safe_dump(BLUEPRINT))
        site = self.useFixture(service.Service(
            'local', directories=(folder, service.ROOT),
            local={'network': '10.227.0.0/16'}))
        self.useFixture(nodes.Leftovers(site))
        site.start()
        uuid = site.create('demo', 'home')['id']
        cluster = site.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        # The other node is told so, too, unless the head was first.
        said = {one['node']: one for one in cluster['failures']}
        self.assertEqual({('kernel', 'shared-home')}, {
            (one['class'], one['element']) for one in said.values()}, said)
        self.assertIn('This kernel has no NFS server',
                      said['head-0']['message'])
        self.assertIn('home_from_site', said['head-0']['message'])
        # Nothing was installed for it.
        self.assertEqual('', nodes.Machine(site, uuid, 'head-0').run(
            'sh', '-c', 'dpkg -l | grep nfs-kernel-server; true'))
