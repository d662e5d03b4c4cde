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


"""Endurance: many clusters of plain machines, one after the other."""

from concurrent import futures
import pathlib
import re
import time

from hpcdirect.tests.openstack import cloud

CLUSTERS = 50
TOGETHER = 3
#: Service -> what stands in each line of its log that is a request.
REQUESTS = {'heat-api': 'Processing request', 'nova-api': 'requestlog',
            'ironic': 'ironic.api'}


@cloud.LONG
class SoakTest(cloud.CloudCase):
    """BED_FAKE_NODES=10: fake hardware of Ironic's own."""

    def test_none_is_lost(self):
        kinds = {kind['name']: kind['free'] for one in self.api.read(
            '/capacity')['backends'] if one['name'] == 'heat'
            for kind in one['node_types']}
        self.assertGreaterEqual(kinds.get('fake', 0), 2 * TOGETHER)
        memory, requests = self.memory(), self.requests()
        began = time.monotonic()
        with futures.ThreadPoolExecutor(TOGETHER) as pool:
            seconds = list(pool.map(self.life, range(CLUSTERS)))
        self.assertEqual(CLUSTERS, len(seconds))
        self.assertEqual('', cloud.manage('leftovers'))
        after = self.requests()
        each = {name: (after[name] - count) // CLUSTERS
                for name, count in requests.items()}
        print(f'\n{CLUSTERS} clusters in {time.monotonic() - began:.0f} s, '
              f'each {min(seconds):.0f} to {max(seconds):.0f} s; conductors '
              f'{memory} to {self.memory()} MiB; requests for each: {each}')

    def life(self, number):
        """A cluster comes and goes; seconds."""
        began = time.monotonic()
        name = f'soak-{number}'
        made = self.api.create_cluster(name=name, blueprint='bare',
                                       backend='heat')
        cluster = self.eventually(lambda: next((
            one for one in [self.api.get_cluster(made.id)]
            if one.status in ('ACTIVE', 'ERROR')), None), f'{name} is made')
        self.assertEqual('ACTIVE', cluster.status, cluster.status_reason)
        self.api.delete_cluster(made.id)
        self.eventually(lambda: self.found(made.id) is None,
                        f'{name} is gone')
        return time.monotonic() - began

    @staticmethod
    def memory():
        """Resident MiB of each conductor process of the bed."""
        found = []
        for path in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                if (b'hpcdirect-conductor worker' in (
                        path / 'cmdline').read_bytes()
                        and cloud.service_of(path.name)):
                    found.append(int(re.search(
                        r'VmRSS:\s+(\d+)',
                        (path / 'status').read_text())[1]) // 1024)
            except OSError:
                continue
        return found

    def requests(self):
        """Service -> requests of our user, by the services' own logs."""
        user = self.admin.identity.find_user('hpcdirect').id
        return {name: sum(
            user in line and word in line for line in
            (cloud.PATH / 'log' / f'{name}.log').read_text(
                errors='replace').splitlines())
            for name, word in REQUESTS.items()}
