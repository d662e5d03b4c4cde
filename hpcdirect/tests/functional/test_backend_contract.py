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

"""One contract, every backend: what a conductor relies on."""

import pathlib
import time
import types
import uuid

import fixtures
import testtools

from hpcdirect.backends import base
from hpcdirect.backends import fake
from hpcdirect.backends.local import checks
from hpcdirect.tests.functional import local_bed as bed


class BackendContract:
    """The tests; ``restarted()`` gives a new object over the same state."""

    def setUp(self):
        super().setUp()
        self.backend = self.restarted()

    def ensure(self, *slots, **values):
        """Ask for machines and see to it that they go in the end."""
        request = bed.request(*slots, **values)
        ref = self.backend.ensure(request)
        self.addCleanup(self.delete, ref)
        return request, ref

    def delete(self, ref):
        backend = self.restarted()
        backend.delete(ref)
        bed.gone(backend, ref)

    def again(self, request, *slots):
        """The same cluster with other slots."""
        return self.backend.ensure(bed.request(
            *slots, cluster_id=request.cluster_id,
            public_key=request.public_key))

    def test_what_was_never_there(self):
        ref = self.backend.reference(str(uuid.uuid4()))
        self.assertEqual(base.Infra(base.InfraStatus.GONE),
                         self.backend.observe(ref))
        self.backend.delete(ref)
        self.assertEqual(base.InfraStatus.GONE,
                         self.backend.observe(ref).status)

    def test_machines_come_and_stay_the_same(self):
        request, ref = self.ensure('head-0', 'compute-0', 'compute-1')
        self.assertEqual(ref, self.backend.reference(request.cluster_id))
        infra = bed.settled(self.backend, ref)
        seen = bed.machines(infra)
        self.assertEqual({'head-0', 'compute-0', 'compute-1'}, set(seen))
        for machine in seen.values():
            self.assertEqual(base.MachineStatus.UP, machine.status)
            self.assertEqual(1, machine.incarnation)
            self.assertTrue(machine.ref)
            self.assertEqual(machine.address, machine.ssh.host)
            self.assertRegex(machine.ssh.host_key, '^ssh-ed25519 AAAA')
        for what in ('address', 'ref'):
            self.assertEqual(3, len({getattr(machine, what)
                                     for machine in seen.values()}))
        self.assertEqual(3, len({m.ssh.host_key for m in seen.values()}))

        self.assertEqual(ref, self.backend.ensure(request))
        self.assertEqual(infra, bed.settled(self.backend, ref))
        self.backend = self.restarted()
        self.assertEqual(infra, bed.settled(self.backend, ref))

    def test_a_machine_is_replaced(self):
        request, ref = self.ensure('compute-0', 'compute-1')
        before = bed.machines(bed.settled(self.backend, ref))
        self.again(request, 'compute-0@2', 'compute-1')
        after = bed.machines(bed.settled(self.backend, ref))
        self.assertEqual(before['compute-1'], after['compute-1'])
        self.assertEqual(2, after['compute-0'].incarnation)
        self.assertNotEqual(before['compute-0'].ssh.host_key,
                            after['compute-0'].ssh.host_key)

    def test_machines_come_and_go(self):
        request, ref = self.ensure('compute-0', 'compute-1')
        before = bed.machines(bed.settled(self.backend, ref))
        self.again(request, 'compute-1', 'compute-2')
        after = bed.machines(bed.wait_for(lambda: bed.settled(
            self.backend, ref)))
        self.assertEqual({'compute-1', 'compute-2'}, set(after))
        self.assertEqual(before['compute-1'], after['compute-1'])

    def test_nobody_waits(self):
        begun = time.monotonic()
        _, ref = self.ensure('compute-0')
        infra = self.backend.observe(ref)
        self.assertLess(time.monotonic() - begun, 2)
        self.assertEqual(['compute-0'], [m.slot for m in infra.machines])
        # Somebody is making it: nothing to ask for again.
        self.assertNotIn(base.MachineStatus.ABSENT,
                         [machine.status for machine in infra.machines])
        bed.settled(self.backend, ref)

    def test_deleted_while_it_is_made(self):
        _, ref = self.ensure('compute-0', 'compute-1')
        self.backend.delete(ref)
        bed.gone(self.backend, ref, bed.FIRST)
        self.backend.delete(ref)
        self.assertEqual(base.InfraStatus.GONE,
                         self.backend.observe(ref).status)
        self.assertNotIn(ref, [left.cluster_id
                               for left in self.backend.leftovers()])

    def test_two_clusters(self):
        _, one = self.ensure('compute-0')
        _, other = self.ensure('compute-0')
        first, = bed.settled(self.backend, one).machines
        second, = bed.settled(self.backend, other).machines
        self.assertNotEqual(first.address, second.address)
        self.assertNotEqual(first.ref, second.ref)
        self.assertNotEqual(first.ssh.host_key, second.ssh.host_key)
        self.delete(one)
        self.assertEqual(second, bed.settled(
            self.backend, other).machines[0])

    def test_made_again_after_it_went(self):
        request, ref = self.ensure('compute-0')
        before, = bed.settled(self.backend, ref).machines
        self.delete(ref)
        self.assertEqual(ref, self.backend.ensure(request))
        after, = bed.settled(self.backend, ref).machines
        self.assertNotEqual(before.ssh.host_key, after.ssh.host_key)

    def test_leftovers_name_what_is_there(self):
        request, ref = self.ensure('compute-0')
        bed.settled(self.backend, ref)
        mine = [left for left in self.backend.leftovers()
                if left.cluster_id == request.cluster_id]
        self.assertIn('machine', [left.kind for left in mine])
        self.assertEqual(len(mine), len(set(mine)))

    def test_every_finding_at_once(self):
        request = bed.request('compute-0', 'head-0', colour='red',
                              size='much')
        findings = self.backend.validate(request)
        self.assertGreaterEqual(len(findings), 4)
        for finding in findings:
            self.assertRegex(finding.where, r'^\$\.')
        self.assertEqual([], self.backend.validate(
            bed.request('compute-0')))

    def test_capacity(self):
        for kind, free in self.backend.capacity('project').nodes.items():
            self.assertIsInstance(kind, str)
            self.assertTrue(free is None or free >= 0)


class FakeContractTest(BackendContract, testtools.TestCase):
    """The fake keeps the contract, in a file."""

    def restarted(self):
        if not hasattr(self, 'state'):
            self.state = self.useFixture(fixtures.TempDir()).path
        return fake.FakeBackend(types.SimpleNamespace(state_path=self.state))

    def test_told_to_fail(self):
        ref = self.backend.ensure(bed.request('compute-0', fail=True))
        machine, = self.backend.observe(ref).machines
        self.assertEqual(base.MachineStatus.FAILED, machine.status)
        self.assertTrue(machine.fault)

    def test_told_to_take_its_time(self):
        ref = self.backend.ensure(bed.request('compute-0', delay=0.2))
        infra = self.backend.observe(ref)
        self.assertEqual(base.InfraStatus.CHANGING, infra.status)
        self.assertEqual(base.MachineStatus.BUILDING,
                         infra.machines[0].status)
        bed.settled(self.backend, ref)

    def test_a_file_that_is_not_its_own(self):
        pathlib.Path(self.state, 'fake.json').write_text('{"half')
        self.assertRaises(fake.BackendError, self.restarted)


class LocalContractTest(BackendContract, testtools.TestCase):
    """Hosts on this machine keep the contract."""

    def restarted(self):
        if not hasattr(self, 'bed'):
            self.bed = self.useFixture(bed.Bed())
            lacking = checks.lacking()
            if lacking:
                self.skipTest(' '.join(lacking))
        return self.bed.backend()
