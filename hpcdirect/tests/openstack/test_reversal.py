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

"""A layer out of the middle and back, and all off, in a real cloud."""

import pathlib
import time

import testtools

from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import test_reversal
from hpcdirect.tests.openstack import cloud

KEY = public_keys.line('ann')
#: All that the blueprint can have.
ALL = {'accounting': True, 'prometheus': True, 'hpcc': True, 'modules': True}


@testtools.skipUnless(cloud.SOAK, cloud.MINUTES)
class ReversalTest(test_reversal.ReversalCase, cloud.CloudCase):
    """Machines are bare again once they have been replaced."""

    cluster = 'r1'

    def test_one_out_of_the_middle_and_all_off(self):
        self.create('r1', compute_count=3, users=[
            {'name': name, 'keys': [f'{KEY} {name}']}
            for name in ('alice', 'bob')], **ALL)
        names = [one['name'] for one in self.get('/clusters/r1/elements')[
            'elements']]
        off = {'elements': dict.fromkeys(names)}
        self.patch(**off)
        self.patch(force=True, node_groups={
            'head': {'replace': ['head-0']},
            'compute': {'replace': list(test_reversal.NODES[1:])}})
        self.one_out_of_the_middle_and_all_off(
            {'elements': {name: {} for name in names}}, off)

    def rest(self):
        end = time.monotonic() + 2 * self.patience
        while time.monotonic() < end:
            found = self.get('/clusters/r1')
            if not found['status'].endswith('ING'):
                self.assertEqual('ACTIVE', found['status'],
                                 found['status_reason'])
                return found
            time.sleep(0.5)
        raise AssertionError('it does not come to rest')

    def ask(self, method, path, body=None):
        answer = self.api.request(path, method, json=body,
                                  raise_exc=False)
        return answer.status_code, answer.json()

    def init(self, name):
        """Found by the name of its machine among all control groups."""
        server = self.nodes('r1')[name].ref
        machine, = (node.driver_info['local_name']
                    for node in self.metal().values()
                    if node.instance_id == server)
        for folder in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                group = (folder / 'cgroup').read_text()
                status = (folder / 'status').read_text()
            except OSError:
                continue
            numbers = next(line.split() for line in status.splitlines()
                           if line.startswith('NSpid'))
            if f'/{machine}/' in group.replace('\n', '/') \
                    and len(numbers) > 2 and numbers[-1] == '1':
                return int(folder.name)
        raise AssertionError(f'{name} has no init')
