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


"""What a stack and its servers say of a cluster's machines."""

from types import SimpleNamespace

import testtools

from hpcdirect.backends.base import InfraStatus
from hpcdirect.backends.base import MachineStatus
from hpcdirect.backends.base import Slot
from hpcdirect.backends.base import Ssh
from hpcdirect.backends.heat import look
from hpcdirect.backends.heat.metal import Ailment
from hpcdirect.backends.heat.template import Memo
from hpcdirect.tests.unit.backends import world

NETWORK = 'hpcdirect-6f1c'
MEMO = Memo(world.slots('head-0', 'compute-0'), NETWORK,
            {'head': 'head_address'})
UP, BUILDING, FAILED, ABSENT, LEAVING = (
    MachineStatus.UP, MachineStatus.BUILDING, MachineStatus.FAILED,
    MachineStatus.ABSENT, MachineStatus.LEAVING)


def stack(status, reason=''):
    return SimpleNamespace(action=status.partition('_')[0],
                           stack_status=status, stack_status_reason=reason)


def server(slot, status='ACTIVE', incarnation=1, fault=None, addresses=None,
           tags=('hpcdirect', NETWORK)):
    number = int(slot.rpartition('-')[2])
    return SimpleNamespace(
        id=f'id-{slot}-{incarnation}', name=slot, status=status, fault=fault,
        tags=list(tags),
        addresses={NETWORK: [{'addr': f'192.168.50.{10 + number}'}]}
        if addresses is None else addresses,
        metadata={'hpcdirect_slot': slot,
                  'hpcdirect_incarnation': str(incarnation),
                  'hpcdirect_host_key': f'ssh-ed25519 {slot}'})


HEAD, COMPUTE = server('head-0'), server('compute-0')
EVERY = (HEAD, COMPUTE)


class LookCase(testtools.TestCase):

    def infra(self, status, servers=EVERY, memo=MEMO, reason='', **more):
        self.asked = []

        def entry(group, idents):
            self.asked.append((group, idents))
            return more.get('entry', ('10.30.0.7',))

        return look.Look(
            look.Told(stack(status, reason), memo, more.get('failures', {}),
                      more.get('stalled', False)), servers,
            look.Hardware(more.get('ailments', {}),
                          more.get('last_error', lambda server: None),
                          more.get('soon', {})), entry).infra()

    def machines(self, *args, **more):
        """Slot -> status and fault; of the whole as well."""
        infra = self.infra(*args, **more)
        self.assertEqual(len(infra.machines), len(
            {machine.slot for machine in infra.machines}))
        return {machine.slot: (machine.status, machine.fault)
                for machine in infra.machines} | {'': infra.status}


class StatusTest(LookCase):
    """Stack by server, each combination."""

    def test_all_combinations(self):
        # A stack in this status, stalled or not; a server in that one.
        going, ended = ('CREATE_IN_PROGRESS', 'UPDATE_IN_PROGRESS'), (
            'CREATE_COMPLETE', 'UPDATE_COMPLETE')
        broken = ('CREATE_FAILED', 'UPDATE_FAILED')
        table = [
            (going, False, None, BUILDING),
            (going, False, 'BUILD', BUILDING),
            (going, False, 'ACTIVE', UP),
            (going, False, 'ERROR', BUILDING),  # Heat tries again
            (going, False, 'DELETED', BUILDING),
            (going, True, None, ABSENT),
            (going, True, 'BUILD', ABSENT),
            (going, True, 'ERROR', ABSENT),
            (going, True, 'ACTIVE', UP),
            (ended, False, None, ABSENT),
            (ended, False, 'ACTIVE', UP),
            (ended, False, 'REBOOT', BUILDING),
            (ended, False, 'HARD_REBOOT', BUILDING),
            (ended, False, 'SHUTOFF', FAILED),
            (ended, False, 'ERROR', FAILED),
            (broken, False, None, FAILED),
            (broken, False, 'BUILD', FAILED),
            (broken, False, 'ERROR', FAILED),
            (broken, False, 'ACTIVE', UP),
        ]
        for statuses, stalled, of_server, wanted in table:
            for status in statuses:
                servers = [HEAD] if of_server is None else [
                    HEAD, server('compute-0', of_server)]
                found = self.machines(status, servers, stalled=stalled)
                self.assertEqual(
                    wanted, found['compute-0'][0],
                    f'{status} {"stalled " * stalled}{of_server}')
                self.assertEqual(
                    wanted == FAILED or (stalled and wanted == ABSENT),
                    bool(found['compute-0'][1]))
                self.assertEqual((UP, ''), found['head-0'])
                whole = (InfraStatus.FAILED if statuses is broken else
                         InfraStatus.READY if wanted == UP
                         and statuses is ended else InfraStatus.CHANGING)
                self.assertEqual(whole, found[''], f'{status} {of_server}')

    def test_a_server_that_heat_does_not_know(self):
        # Heat tags what it has written down; an engine died before.
        for status, stalled, wanted in (
                ('CREATE_IN_PROGRESS', False, BUILDING),
                ('CREATE_IN_PROGRESS', True, ABSENT),
                ('CREATE_FAILED', False, FAILED),
                ('CREATE_COMPLETE', False, UP)):
            for tags in ((), ('of-somebody',)):
                orphan = server('compute-0', tags=tags)
                found = self.machines(status, [HEAD, orphan],
                                      stalled=stalled)
                self.assertEqual(wanted, found['compute-0'][0], status)
                self.assertEqual((UP, ''), found['head-0'])
        self.assertTrue(look.is_orphan(orphan))
        self.assertTrue(look.is_orphan(SimpleNamespace(tags=None)))
        self.assertFalse(look.is_orphan(HEAD))

    def test_reasons(self):
        self.assertEqual('', self.infra('CREATE_COMPLETE').reason)
        self.assertEqual('', self.infra('CREATE_IN_PROGRESS', reason='Stack '
                                        'CREATE started').reason)
        self.assertIn('no sign of life', self.infra(
            'CREATE_IN_PROGRESS', stalled=True).reason)
        self.assertEqual('Heat: Timed out', self.infra(
            'CREATE_FAILED', reason='Timed out').reason)
        self.assertEqual('Heat: compute-0: No valid host; net: quota',
                         self.infra('CREATE_FAILED', reason='Resource failed',
                                    failures={'compute-0': 'No valid host',
                                              'net': 'quota'}).reason)

    def test_hundreds_that_failed_do_not_make_a_novel(self):
        reason = self.infra('CREATE_FAILED', failures={
            f'compute-{number}': 'No valid host. ' * 100
            for number in range(400)}).reason
        self.assertLess(len(reason), 4000)
        self.assertIn('; and 395 more', reason)

    def test_nobody_is_wanted(self):
        found = self.machines('UPDATE_COMPLETE', [], Memo())
        self.assertEqual({'': InfraStatus.READY}, found)


class WordsTest(LookCase):
    """Why a machine failed: the word of who is nearest to the metal."""

    def fault(self, servers, **more):
        return self.machines('CREATE_FAILED', servers, reason='The stack '
                             'failed', **more)['compute-0'][1]

    def test_ironic_then_nova_then_heat(self):
        nova = server('compute-0', 'ERROR', fault={'message': 'No host'})
        failures = {'compute-0': 'went to status ERROR'}
        self.assertEqual(
            'Ironic, node lm-03: no disk', self.fault(
                [HEAD, nova], failures=failures,
                last_error=lambda server: Ailment('lm-03', 'no disk')
                if server == 'id-compute-0-1' else None))
        self.assertEqual('Nova: No host',
                         self.fault([HEAD, nova], failures=failures))
        mute = server('compute-0', 'ERROR')
        self.assertEqual('Heat: went to status ERROR',
                         self.fault([HEAD, mute], failures=failures))
        self.assertEqual('Heat: no port left', self.fault(
            [HEAD], failures={'compute-1.port': 'another one',
                              'compute-0.port': 'no port left'}))
        self.assertEqual('Nova says that the server is ERROR.',
                         self.fault([HEAD, mute]))
        self.assertEqual('Heat: The stack failed', self.fault([HEAD]))

    def test_a_machine_that_is_up_may_be_ailing(self):
        found = self.machines('CREATE_COMPLETE', ailments={
            'id-compute-0-1': Ailment('lm-03', 'in maintenance: fan')})
        self.assertEqual((UP, 'node lm-03 is in maintenance: fan'),
                         found['compute-0'])
        self.assertEqual((UP, ''), found['head-0'])
        self.assertEqual(InfraStatus.READY, found[''])


class LeavingTest(LookCase):

    def test_a_slot_that_is_not_wanted(self):
        found = self.machines('UPDATE_IN_PROGRESS',
                              [*EVERY, server('compute-7')])
        self.assertEqual((LEAVING, ''), found['compute-7'])
        self.assertEqual(UP, found['compute-0'][0])
        found = self.machines('UPDATE_COMPLETE',
                              [*EVERY, server('compute-7')])
        self.assertEqual(InfraStatus.CHANGING, found[''])

    def test_a_machine_that_is_replaced(self):
        memo = Memo((MEMO.slots[0], Slot('compute-0', 'compute', 2)),
                    NETWORK, MEMO.entries)
        old = self.infra('UPDATE_IN_PROGRESS', EVERY, memo).machines[1]
        self.assertEqual((LEAVING, 1, 'id-compute-0-1'),
                         (old.status, old.incarnation, old.ref))
        none = self.infra('UPDATE_COMPLETE', [HEAD], memo).machines[1]
        self.assertEqual((ABSENT, 2, ''),
                         (none.status, none.incarnation, none.ref))
        new = server('compute-0', incarnation=2)
        both = self.infra('UPDATE_IN_PROGRESS', [*EVERY, new], memo)
        self.assertEqual(
            [('id-head-0-1', UP), ('id-compute-0-2', UP)],
            [(machine.ref, machine.status) for machine in both.machines])

    def test_a_stack_that_is_being_deleted(self):
        found = self.machines('DELETE_IN_PROGRESS')
        self.assertEqual({'head-0': (LEAVING, ''), 'compute-0': (LEAVING, ''),
                          '': InfraStatus.DELETING}, found)
        self.assertEqual({'': InfraStatus.DELETING},
                         self.machines('DELETE_IN_PROGRESS', []))
        # It is asked for again, by whoever waits for its end.
        self.assertEqual(InfraStatus.DELETING,
                         self.machines('DELETE_FAILED')[''])

    def test_without_a_stack(self):
        self.assertEqual(InfraStatus.GONE, look.without_stack([]).status)
        left = look.without_stack([COMPUTE])
        self.assertEqual(InfraStatus.DELETING, left.status)
        self.assertEqual([('compute-0', LEAVING, 'id-compute-0-1')], [
            (one.slot, one.status, one.ref) for one in left.machines])


class AddressTest(LookCase):

    def ssh(self, *args, **more):
        return {machine.slot: machine.ssh for machine
                in self.infra(*args, **more).machines}

    def test_in_by_the_head(self):
        self.assertEqual({
            'head-0': Ssh('10.30.0.7', host_key='ssh-ed25519 head-0'),
            'compute-0': Ssh('192.168.50.10', via='root@10.30.0.7',
                             host_key='ssh-ed25519 compute-0')},
            self.ssh('CREATE_COMPLETE'))
        self.assertEqual([('head', ('id-head-0-1',))], self.asked)

    def test_no_address_to_come_in_by_yet(self):
        infra = self.infra('CREATE_COMPLETE', entry=())
        self.assertEqual([(BUILDING, None), (BUILDING, None)], [
            (machine.status, machine.ssh) for machine in infra.machines])
        self.assertEqual(InfraStatus.CHANGING, infra.status)

    def test_asked_for_when_all_of_the_group_are_there(self):
        memo = Memo(world.slots('head-0', 'head-1', 'compute-0'), NETWORK,
                    MEMO.entries)
        self.infra('CREATE_IN_PROGRESS', EVERY, memo)
        self.assertEqual([], self.asked)
        found = self.ssh('CREATE_COMPLETE', [*EVERY, server('head-1')], memo,
                         entry=('10.30.0.7', '10.30.0.8'))
        self.assertEqual([('head', ('id-head-0-1', 'id-head-1-1'))],
                         self.asked)
        self.assertEqual(['10.30.0.7', '10.30.0.8'],
                         [found['head-0'].host, found['head-1'].host])
        self.assertEqual('root@10.30.0.7', found['compute-0'].via)

    def test_without_entries_everybody_is_reached(self):
        memo = Memo(MEMO.slots, NETWORK, {})
        self.assertEqual(
            Ssh('192.168.50.10', host_key='ssh-ed25519 compute-0'),
            self.ssh('CREATE_COMPLETE', EVERY, memo)['compute-0'])

    def test_address_is_on_the_nodes_network(self):
        two = server('compute-0', addresses={
            'outside': [{'addr': '10.30.0.9'}],
            NETWORK: [{'addr': '10.30.0.10',
                       'OS-EXT-IPS:type': 'floating'},
                      {'addr': '192.168.50.10',
                       'OS-EXT-IPS:type': 'fixed'}]})
        machine = self.infra('CREATE_COMPLETE', [HEAD, two]).machines[1]
        self.assertEqual('192.168.50.10', machine.address)
        other = server('compute-0', addresses={
            'else': [{'addr': '10.0.0.9'}]})
        machine = self.infra('CREATE_COMPLETE', [HEAD, other]).machines[1]
        self.assertEqual('10.0.0.9', machine.address)

    def test_no_address_yet(self):
        for addresses in ({}, {NETWORK: []}):
            bare = server('compute-0', addresses=addresses)
            machine = self.infra('CREATE_COMPLETE', [HEAD, bare]).machines[1]
            self.assertEqual((BUILDING, '', None), (
                machine.status, machine.address, machine.ssh))
