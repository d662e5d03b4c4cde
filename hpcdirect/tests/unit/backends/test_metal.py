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
"""What Ironic's nodes say of what can be had."""

import datetime
from types import SimpleNamespace

import testtools

from hpcdirect.backends.heat import metal


def node(kind, state, since=3600, **values):
    at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(
        seconds=since)
    return SimpleNamespace(**{
        'resource_class': kind, 'provision_state': state,
        'maintenance': False, 'instance_uuid': None, 'traits': [],
        'provision_updated_at': at.isoformat()} | values)


class Metal(metal.Metal):
    """With these nodes."""

    def __init__(self, *nodes):
        self.nodes = nodes

    def _nodes(self, **query):
        wanted = query.get('maintenance')
        return [one for one in self.nodes
                if wanted in (None, one.maintenance)]


class MetalTest(testtools.TestCase):

    def test_types(self):
        found = {kind.name: kind for kind in Metal(
            node('hpc', 'available', traits=['A', 'B']),
            node('hpc', 'available', traits=['B'], maintenance=True),
            node('hpc', 'available', traits=['B'], instance_uuid='s'),
            node('hpc', 'cleaning', traits=['B']),
            node('gpu', 'active'), node(None, 'enroll')).types()}
        self.assertEqual({'hpc', 'gpu'}, set(found))
        self.assertEqual((1, 4, ('B',)), (
            found['hpc'].free, found['hpc'].total, found['hpc'].traits))
        self.assertEqual((0, 1), (found['gpu'].free, found['gpu'].total))

    def test_soon(self):
        self.assertEqual({}, Metal(
            node('hpc', 'available'), node('hpc', 'active'),
            node('gpu', 'cleaning', maintenance=True),
            node('gpu', 'available', 5, instance_uuid='s'),
            node('gpu', 'available', 5, provision_updated_at=None)).soon())
        self.assertEqual({'CUSTOM_FAT_NODE': False}, Metal(
            node('fat-node', 'clean wait')).soon())
        for nodes in ((node('hpc', 'cleaning'), node('hpc', 'available', 5)),
                      (node('hpc', 'available', 5), node('hpc', 'deleting'))):
            self.assertEqual({'CUSTOM_HPC': True}, Metal(*nodes).soon())

    def test_held(self):
        ours = {'project_id': 'lab', 'user_id': 'us'}
        self.assertEqual([metal.Held('n', 's', 'lab', 'us')], Metal(
            node('hpc', 'deploy failed', uuid='u', name='n',
                 instance_uuid='s', instance_info=ours),
            node('hpc', 'deleting', uuid='v', name='', instance_uuid='t',
                 instance_info=ours)).held())

    def test_placement_name(self):
        self.assertEqual('CUSTOM_BAREMETAL_X86_64',
                         metal.placement_name('baremetal.x86-64'))
