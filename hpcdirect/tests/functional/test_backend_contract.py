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

from concurrent import futures
import dataclasses
import functools
import ipaddress
import pathlib
import sys
import threading
import time
import types
import uuid

import fixtures
import testtools

from hpcdirect.backends import base
from hpcdirect.backends import fake
from hpcdirect.backends.local import checks
from hpcdirect.tests.functional import local_bed as bed
from hpcdirect.wishes import NOBODYS
from hpcdirect.wishes import Wish


class BackendCase:
    """What they share; ``restarted()`` gives a new object over old state."""

    #: Seconds that machines may take to come, and to go.
    coming, going = bed.FIRST, 60.0
    #: Seconds in which two calls are answered, and between two looks.
    answer, interval = 2.0, 0.02
    #: Whose machines they are.
    project = 'project'
    #: Values that say nothing, and how many findings they make.
    wrong, findings = {'colour': 'red', 'size': 'much'}, 4

    def setUp(self):
        super().setUp()
        self.requests = {}
        self.backend = self.restarted()

    def request(self, *slots, **values):
        """A request that this backend understands."""
        return bed.request(*slots, **values)

    def asked(self, request):
        """Ask for machines; the reference."""
        ref = self.backend.ensure(request)
        self.requests[ref] = request
        return ref

    def ensure(self, *slots, **values):
        """Ask for machines and see to it that they go in the end."""
        request = self.request(*slots, **values)
        self.addCleanup(self.delete, self.backend.reference(
            request.cluster_id, request.project_id))
        return request, self.asked(request)

    def settled(self, ref):
        """The cluster when it is all there."""
        return bed.settled(self.backend, ref, self.coming,
                           self.requests.get(ref), self.interval)

    def gone(self, ref, seconds=None):
        """Wait until nothing of it is left."""
        bed.gone(self.backend, ref, seconds or self.going, self.interval)

    def delete(self, ref):
        self.restarted().delete(ref)
        self.gone(ref)

    def again(self, request, *slots, wish=NOBODYS):
        """The same cluster with other slots."""
        return self.asked(dataclasses.replace(self.request(
            *slots, cluster_id=request.cluster_id,
            public_key=request.public_key), wish=wish))


class BackendContract(BackendCase):
    """The tests."""

    def test_what_was_never_there(self):
        ref = self.backend.reference(str(uuid.uuid4()), self.project)
        self.assertEqual(base.Infra(base.InfraStatus.GONE),
                         self.backend.observe(ref))
        self.backend.delete(ref)
        self.assertEqual(base.InfraStatus.GONE,
                         self.backend.observe(ref).status)

    def test_machines_come_and_stay_the_same(self):
        request, ref = self.ensure('head-0', 'compute-0', 'compute-1')
        self.assertEqual(ref, self.backend.reference(
            request.cluster_id, request.project_id))
        infra = self.settled(ref)
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
        self.assertEqual(infra, self.settled(ref))
        self.backend = self.restarted()
        self.assertEqual(infra, self.settled(ref))

    def test_a_machine_is_replaced(self):
        request, ref = self.ensure('compute-0', 'compute-1')
        before = bed.machines(self.settled(ref))
        self.again(request, 'compute-0@2', 'compute-1')
        after = bed.machines(self.settled(ref))
        self.assertEqual(before['compute-1'], after['compute-1'])
        self.assertEqual(2, after['compute-0'].incarnation)
        self.assertNotEqual(before['compute-0'].ssh.host_key,
                            after['compute-0'].ssh.host_key)
        self.assertNotEqual(before['compute-0'].ref, after['compute-0'].ref)
        if self.backend.keeps_addresses:
            self.assertEqual(before['compute-0'].address,
                             after['compute-0'].address)

    def test_machines_come_and_go(self):
        request, ref = self.ensure('compute-0', 'compute-1')
        infra = self.settled(ref)
        self.assertEqual(NOBODYS, infra.wish)
        before = bed.machines(infra)
        wish = Wish(7, '0123456789abcdef')
        self.again(request, 'compute-1', 'compute-2', wish=wish)
        infra = self.settled(ref)
        after = bed.machines(infra)
        self.assertEqual({'compute-1', 'compute-2'}, set(after))
        # Kept with the machines, whoever asks.
        self.assertEqual(wish, infra.wish)
        self.assertEqual(wish, self.restarted().observe(ref).wish)
        self.assertEqual(before['compute-1'], after['compute-1'])

    def test_nobody_waits(self):
        begun = time.monotonic()
        _, ref = self.ensure('compute-0')
        infra = self.backend.observe(ref)
        self.assertLess(time.monotonic() - begun, self.answer)
        self.assertEqual(['compute-0'], [m.slot for m in infra.machines])
        # Somebody is making it: nothing to ask for again.
        self.assertNotIn(base.MachineStatus.ABSENT,
                         [machine.status for machine in infra.machines])
        self.settled(ref)

    def test_deleted_while_it_is_made(self):
        request, ref = self.ensure('compute-0', 'compute-1')
        self.backend.delete(ref)
        self.gone(ref, self.coming)
        self.backend.delete(ref)
        self.assertEqual(base.InfraStatus.GONE,
                         self.backend.observe(ref).status)
        self.assertNotIn(request.cluster_id, [
            left.cluster_id for left in self.backend.leftovers()])

    def test_networks_are_told_of(self):
        request, ref = self.ensure('head-0', 'compute-0')
        self.settled(ref)
        found = self.backend.networks(request)
        self.assertEqual(set(request.groups), {
            group for one in found for group in one.groups})
        seen = {ipaddress.ip_address(machine.address) for machine
                in bed.machines(self.backend.observe(ref)).values()}
        for cidr in {cidr for one in found if set(one.groups) == set(
                request.groups) for cidr in one.cidrs}:
            self.assertTrue(all(one in ipaddress.ip_network(cidr)
                                for one in seen), (cidr, seen))

    def test_two_clusters(self):
        _, one = self.ensure('compute-0')
        _, other = self.ensure('compute-0')
        first, = self.settled(one).machines
        second, = self.settled(other).machines
        self.assertNotEqual(first.address, second.address)
        self.assertNotEqual(first.ref, second.ref)
        self.assertNotEqual(first.ssh.host_key, second.ssh.host_key)
        self.delete(one)
        self.assertEqual(second, self.settled(other).machines[0])

    def test_made_again_after_it_went(self):
        request, ref = self.ensure('compute-0')
        before, = self.settled(ref).machines
        self.delete(ref)
        self.assertEqual(ref, self.asked(request))
        after, = self.settled(ref).machines
        self.assertNotEqual(before.ssh.host_key, after.ssh.host_key)

    def test_leftovers_name_what_is_there(self):
        request, ref = self.ensure('compute-0')
        self.settled(ref)
        mine = [left for left in self.backend.leftovers()
                if left.cluster_id == request.cluster_id]
        self.assertIn('machine', [left.kind for left in mine])
        self.assertEqual(len(mine), len(set(mine)))

    def test_every_finding_at_once(self):
        request = self.request('compute-0', 'head-0', **self.wrong)
        findings = self.backend.validate(request)
        self.assertGreaterEqual(len(findings), self.findings)
        for finding in findings:
            self.assertRegex(finding.where, r'^\$\.')
        self.assertEqual([], self.backend.validate(
            self.request('compute-0')))

    def test_what_it_takes(self):
        request = self.request('compute-0', 'compute-1')
        found = self.backend.assess(request)
        self.assertEqual(self.backend.validate(request),
                         list(found.findings))
        self.assertEqual(2, sum(need.wanted for need in found.needs))
        for need in found.needs:
            self.assertIsNot(False, need.fits)
        self.assertTrue(found.claims)
        for claim in found.claims:
            self.assertTrue(claim.fits)
            self.assertEqual(claim.wanted, claim.after - claim.quota.used)

    def test_what_is_there_is_not_taken_again(self):
        request, ref = self.ensure('compute-0')
        self.settled(ref)
        self.assertEqual([], [need for need in self.backend.assess(
            request).needs if need.wanted])

    def test_capacity(self):
        for kind in self.backend.capacity(self.project).node_types:
            self.assertTrue(kind.name)
            self.assertTrue(kind.free is None or kind.free >= 0)


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
        _, ref = self.ensure('compute-0')
        path = pathlib.Path(self.state, 'fake', f'{ref}.json')
        path.write_text('{"half')
        self.assertRaises(fake.BackendError, self.restarted().observe, ref)
        path.unlink()

    def test_costs_grow_with_the_machines(self):
        def work(count):
            """Lines of Python that so many machines take."""
            lines = 0

            def trace(frame, event, argument):
                nonlocal lines
                lines += event == 'line'
                return trace if 'hpcdirect' in frame.f_code.co_filename \
                    else None
            request = bed.request(*(f'compute-{number}'
                                    for number in range(count)))
            backend = self.restarted()
            sys.settrace(trace)
            try:
                ref = backend.ensure(request)
                backend.observe(ref)
            finally:
                sys.settrace(None)
            backend.delete(ref)
            return lines
        few = work(50)
        # What others have does not matter.
        self.backend.ensure(bed.request(*(f'compute-{number}'
                                          for number in range(1000))))
        self.assertLess(work(500), 11 * few)

    def test_one_change_after_another(self):
        """What one process made is there for those who come next."""
        others = [self.restarted() for _ in range(4)]
        together = threading.Barrier(len(others))

        def seen(request, backend):
            together.wait(30)
            return backend.observe(backend.ensure(request)).machines

        with futures.ThreadPoolExecutor(len(others)) as pool:
            for _ in range(20):
                request = bed.request('compute-0', 'compute-1')
                self.assertEqual(1, len(set(pool.map(
                    functools.partial(seen, request), others))))

    def test_two_processes_share_no_number(self):
        other = self.restarted()
        _, one = self.ensure('compute-0', 'compute-1')
        ref = other.ensure(bed.request('compute-0', 'compute-1'))
        self.assertEqual(4, len({
            machine.address for backend_ref in (one, ref)
            for machine in self.backend.observe(backend_ref).machines}))


class LocalContractTest(BackendContract, testtools.TestCase):
    """Hosts on this machine keep the contract."""

    def restarted(self):
        if not hasattr(self, 'bed'):
            self.bed = self.useFixture(bed.Bed())
            lacking = checks.lacking()
            if lacking:
                self.skipTest(' '.join(lacking))
        return self.bed.backend()
