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

"""What a cloud offers, as a form or a command takes it."""

import types

import testtools

from hpcdirect.blueprints import validate
from hpcdirect.client import choices


def named(name, ident='', **more):
    return types.SimpleNamespace(name=name, id=ident or f'id-{name}', **more)


def cloud(**answers):
    """A connection whose proxies give these answers."""
    return types.SimpleNamespace(**{
        service: types.SimpleNamespace(**{
            call: lambda found=found, **query: iter(found)
            for call, found in calls.items()})
        for service, calls in answers.items()})


class ChoicesTest(testtools.TestCase):

    def offered(self, source, **answers):
        return [(one.value, one.label) for one in choices.offered(
            cloud(**answers), source)]

    def test_all_that_a_blueprint_may_say(self):
        self.assertEqual(set(validate.SOURCES), set(choices.SOURCES))

    def test_images(self):
        """A name that means several leads to none of them."""
        self.assertEqual(
            [('debian', 'debian'), ('1', 'Rocky (1)'), ('2', 'Rocky (2)')],
            self.offered('images', image={'images': [
                named('Rocky', '2', disk_format='raw'),
                named('debian', disk_format='qcow2'),
                named('Rocky', '1', disk_format='raw'),
                named('kernel', disk_format='aki')]}))

    def test_networks(self):
        self.assertEqual(
            [('n1', ' (n1)'), ('lab', 'lab')],
            self.offered('networks', network={'networks': [
                named('lab', is_router_external=False),
                named('', 'n1', is_router_external=False),
                named('world', is_router_external=True)]}))

    def test_node_types(self):
        self.assertEqual(
            [('big', 'big: 64 CPUs, 512 GiB, 900 GB'),
             ('tiny', 'tiny: 1 CPUs, 0.5 GiB, 1 GB')],
            self.offered('node-types', compute={'flavors': [
                named('tiny', vcpus=1, ram=512, disk=1),
                named('big', vcpus=64, ram=512 * 1024, disk=900)]}))

    def test_keypairs(self):
        self.assertEqual(
            [('ssh-ed25519 A a@b', 'laptop')],
            self.offered('keypairs', compute={'keypairs': [
                named('laptop', public_key='ssh-ed25519 A a@b\n')]}))
