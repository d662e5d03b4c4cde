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

"""What the heat backend asks a cloud for, and what it never asks for.

The real services are in ``hpcdirect/tests/openstack``; here is what is hard
to bring about in them.
"""

import dataclasses
import datetime
import json
from types import SimpleNamespace

from oslo_config import cfg
import testtools

from hpcdirect.backends.base import InfraStatus
from hpcdirect.backends.base import MachineStatus
from hpcdirect.backends.heat import backend
from hpcdirect.backends.heat import metal
from hpcdirect.backends.heat import template
from hpcdirect.exception import BackendError
from hpcdirect.exception import BackendUnavailable
from hpcdirect.tests.unit.backends import world
from hpcdirect.wishes import NOBODYS
from hpcdirect.wishes import Wish

NAME = f'hpcdirect-{world.CLUSTER}'
TWO = world.slots('head-0', 'compute-0')
NO_HOST = {'message': 'No valid host was found. There are not enough hosts'}


def ago(seconds):
    """A time as Heat writes it."""
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(
        seconds=seconds)).strftime('%Y-%m-%dT%H:%M:%SZ')


def server(slot, status='ACTIVE', known=True, fault=None, incarnation=1):
    return SimpleNamespace(
        id=f'id-{slot}-{"known" if known else "lost"}', name=slot,
        status=status, fault=fault, tags=['hpcdirect', NAME] * (
            known and status == 'ACTIVE'),
        flavor=SimpleNamespace(extra_specs={
            'resources:CUSTOM_HPC': '1', 'resources:VCPU': '0'}),
        addresses={NAME: [{'addr': '192.168.50.9'}]},
        metadata={'hpcdirect_cluster': world.CLUSTER, 'hpcdirect_slot': slot,
                  'hpcdirect_incarnation': str(incarnation),
                  'hpcdirect_host_key': 'ssh-ed25519 K'})


class Cloud:
    """A project with these servers."""

    def __init__(self):
        self.there, self.deleted = [], []
        self.project_id, self.lacking = 'lab', set()
        self.floating = {'10.30.0.7'}

    def servers(self, cluster_id=''):
        return [one for one in self.there if cluster_id in (
            '', one.metadata['hpcdirect_cluster'])]

    def lacks(self, ident):
        return ident in self.lacking

    def has_floating(self, address):
        return address in self.floating

    def delete_loose_ports(self, tag):
        self.deleted.append(f'ports of {tag}')

    def parts(self, tag):
        return []

    def delete_server(self, ident):
        self.deleted.append(ident)


class Stacks:
    """A Heat that has one stack at most, and does nothing."""

    def __init__(self):
        self.stack, self.stored, self.asked = None, {}, []
        self.ids, self.hurt, self.why = set(), set(), {}
        self.event = ago(3600)
        self.taken, self.doubles = False, []

    def has(self, status, request, slots, since=3600):
        """It has one, made of this request."""
        wanted = template.build(request, slots)
        self.stored = wanted.template
        self.stack = SimpleNamespace(
            id='S', stack_name=NAME, stack_status=status,
            action=status.partition('_')[0], stack_status_reason='',
            creation_time=ago(since), updated_time=None,
            parameters=wanted.parameters)

    def get(self, name):
        return self.stack

    def named(self, name):
        return self.doubles or [self.stack] * (self.stack is not None)

    def create(self, name, made, parameters, tags):
        self.asked.append(('create', name, tags))
        return not self.taken

    def template(self, stack):
        return self.stored

    def replaced(self, stack, made, parameters):
        return self.hurt

    def update(self, stack, made=None, parameters=None):
        self.asked.append(('update', sorted(
            template.incarnations(made)) if made else 'as it is'))

    def cancel(self, stack):
        self.asked.append(('cancel',))

    def delete(self, stack):
        self.asked.append(('delete',))

    def forget(self, stack, resource, why):
        self.asked.append(('forget', resource))

    def known(self, stack):
        return self.ids

    def failures(self, stack):
        return self.why

    def output(self, stack, name):
        return '10.30.0.7'

    def tagged(self, tag):
        return []

    def last_event(self, stack):
        return backend.moment(self.event)


class Metal:
    """An Ironic where these classes become free."""

    def __init__(self):
        self.kinds, self.nodes, self.released = {}, [], []

    def held(self, **query):
        return self.nodes

    def release(self, server):
        self.released.append(server)

    def soon(self):
        return self.kinds

    def ailments(self):
        return {}

    def last_error(self, ident):
        return None


class Backend(backend.HeatBackend):
    """With a cloud of this test's."""

    def __init__(self):
        conf = cfg.ConfigOpts()
        super().__init__(conf)
        conf([], default_config_files=[])
        self.cloud, self.stacks, self.metal = Cloud(), Stacks(), Metal()

    def _cloud(self, project_id):
        return self.cloud

    def _stacks(self, project_id):
        return self.stacks

    def _metal(self):
        return self.metal

    def _user_id(self):
        return 'us'


class HeatCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.backend = Backend()
        self.stacks, self.cloud = self.backend.stacks, self.backend.cloud

    def there(self, status, *servers, slots=TWO, since=3600):
        """A stack in that status, and these servers."""
        self.stacks.has(status, world.request(*slots), slots, since)
        self.cloud.there = list(servers)

    def asked(self, *slots):
        """What Heat is asked for by ensure()."""
        self.stacks.asked.clear()
        self.backend.ensure(world.request(*(slots or TWO)))
        return self.stacks.asked

    def machines(self):
        infra = self.backend.observe(f'lab/{world.CLUSTER}')
        return {machine.slot: machine.status for machine
                in infra.machines} | {'': infra.status}


class EntryTest(HeatCase):
    """Where the cluster is reached, which members can change in Heat."""

    def reached(self, said):
        self.stacks.output = lambda stack, name: said
        self.there('CREATE_COMPLETE', server('head-0'), server('compute-0'))
        infra = self.backend.observe(f'lab/{world.CLUSTER}')
        return infra.machines[0].ssh

    def test_an_address_of_its_own(self):
        self.cloud.floating = set()
        self.assertEqual('192.168.50.9', self.reached('192.168.50.9').host)

    def test_a_floating_one_of_the_project(self):
        self.assertEqual('10.30.0.7', self.reached(['10.30.0.7']).host)

    def test_none_yet(self):
        self.assertIsNone(self.reached(None))

    def test_another_one_is_no_way_in(self):
        for said in ('169.254.169.254', ['127.0.0.1'], 'db.internal'):
            self.assertIsNone(self.reached(said))


class SharedTest(HeatCase):
    """Clusters of one project that rest, looked at one after the other."""

    def setUp(self):
        super().setUp()
        self.lists = 0
        servers = self.cloud.servers

        def counted(cluster_id=''):
            self.lists += 1
            return servers(cluster_id)
        self.cloud.servers = counted

    def test_one_list_serves_them_all(self):
        self.there('CREATE_COMPLETE', server('head-0'), server('compute-0'))
        for _ in range(5):
            self.assertEqual({MachineStatus.UP}, set(
                self.machines().values()) - {InfraStatus.READY})
        self.assertEqual(1, self.lists)

    def test_where_something_differs_it_is_asked_anew(self):
        self.there('CREATE_COMPLETE', server('head-0'), server('compute-0'))
        self.machines()
        self.stacks.stack.stack_status = 'UPDATE_IN_PROGRESS'
        self.cloud.there = [server('head-0')]
        self.machines()
        self.assertEqual(2, self.lists)
        self.stacks.stack.stack_status = 'UPDATE_COMPLETE'
        self.assertEqual(MachineStatus.ABSENT, self.machines()['compute-0'])


class EnsureTest(HeatCase):

    def test_a_stack_is_made_once(self):
        self.assertEqual([('create', NAME, f'hpcdirect,{NAME}')],
                         self.asked())

    def test_one_that_somebody_made_meanwhile_is_taken(self):
        self.stacks.taken = True
        found = []

        def get(name):
            found.append(name)
            if len(found) == 2:
                self.there('CREATE_IN_PROGRESS', since=1)
            return self.stacks.stack

        self.stacks.get = get
        self.assertEqual(['create'], [what for what, *_ in self.asked()])

    def test_of_two_made_at_once_one_stays(self):
        found = []

        def get(name):
            found.append(name)
            return self.stacks.stack if len(found) == 2 else None

        self.there('CREATE_IN_PROGRESS', since=1)
        self.stacks.doubles = [self.stacks.stack, self.stacks.stack]
        self.stacks.get = get
        self.assertEqual(['create', 'delete'],
                         [what for what, *_ in self.asked()])

    def test_double_that_a_dead_one_left(self):
        self.there('CREATE_COMPLETE', server('head-0'), server('compute-0'))
        kept, gone = self.stacks.stack, []
        self.stacks.delete = lambda stack: gone.append(stack.id)
        for status, moved, deleted in (
                ('CREATE_COMPLETE', 60, ['T']), ('DELETE_FAILED', 60, ['T']),
                ('DELETE_IN_PROGRESS', 60, []),
                ('DELETE_IN_PROGRESS', 36000, ['T'])):
            double = SimpleNamespace(
                id='T', stack_name=NAME, stack_status=status,
                action=status.partition('_')[0], creation_time=ago(36000),
                updated_time=None, parameters={})
            self.stacks.doubles = [kept, double]
            self.stacks.event = ago(moved)
            # By their name Heat may find either.
            self.stacks.get = {NAME: double, 'S': kept}.__getitem__
            self.assertEqual([], self.asked())
            self.assertEqual(deleted, gone)
            gone.clear()

    def test_nothing_to_do(self):
        self.there('UPDATE_COMPLETE', server('head-0'), server('compute-0'))
        self.assertEqual([], self.asked())

    def test_a_wish_is_kept_by_the_stack(self):
        """As of the last change; a newer one alone changes no stack."""
        self.there('UPDATE_COMPLETE', server('head-0'), server('compute-0'))
        self.assertEqual(NOBODYS, self.wish())
        self.backend.ensure(dataclasses.replace(
            world.request(*TWO), wish=Wish(2, 'a')))
        self.assertEqual([], self.stacks.asked)
        self.stacks.has('UPDATE_COMPLETE', dataclasses.replace(
            world.request(*TWO), wish=Wish(2, 'a')), TWO)
        self.assertEqual(Wish(2, 'a'), self.wish())
        # A stack of the release before.
        memo = json.loads(self.stacks.stack.parameters[template.MEMO])
        del memo['wish']
        self.stacks.stack.parameters[template.MEMO] = json.dumps(memo)
        self.assertEqual(NOBODYS, self.wish())
        self.assertEqual([], self.asked())

    def wish(self):
        return self.backend.observe(f'lab/{world.CLUSTER}').wish

    def test_slots_come_and_go(self):
        self.there('CREATE_COMPLETE', server('head-0'), server('compute-0'))
        self.assertEqual([('update', ['compute-1', 'head-0'])],
                         self.asked(*world.slots('head-0', 'compute-1')))

    def test_a_replaced_one_goes_first(self):
        self.there('CREATE_COMPLETE', server('head-0'), server('compute-0'))
        newer = (TWO[0], *world.slots('compute-0', incarnation=2))
        self.assertEqual([('update', ['head-0'])], self.asked(*newer))

    def test_a_server_that_vanished_is_made_again(self):
        self.there('CREATE_COMPLETE', server('head-0'))
        self.assertEqual([('forget', 'compute-0'),
                          ('update', ['compute-0', 'head-0'])], self.asked())

    def test_a_stack_that_is_on_its_way_out(self):
        # The name is taken for a moment after all else is gone.
        for status in ('DELETE_IN_PROGRESS', 'DELETE_COMPLETE'):
            self.there(status)
            self.assertRaisesRegex(BackendUnavailable, 'on its way out',
                                   self.asked)
            self.assertEqual(InfraStatus.DELETING, self.machines()[''])

    def test_a_stack_that_did_not_go(self):
        self.there('DELETE_FAILED')
        exc = self.assertRaises(BackendError, self.asked)
        self.assertIs(BackendError, type(exc))

    def test_no_machine_that_runs_is_replaced(self):
        self.there('UPDATE_FAILED', server('head-0'), server('compute-0'))
        self.stacks.hurt = {'compute-0'}
        problem = self.assertRaises(BackendError, self.asked)
        self.assertIn('would replace compute-0', str(problem))
        self.assertEqual([], self.stacks.asked)

    def test_one_that_does_not_run_may_be(self):
        self.there('UPDATE_FAILED', server('head-0'),
                   server('compute-0', 'ERROR'))
        self.stacks.hurt = {'compute-0'}
        self.stacks.ids = {'id-compute-0-known'}
        self.assertEqual([('update', ['compute-0', 'head-0'])], self.asked())


class StallTest(HeatCase):
    """Whether anybody is working on a stack in progress."""

    def test_going(self):
        self.there('CREATE_IN_PROGRESS', since=1)
        self.assertEqual([], self.asked())
        self.assertEqual(MachineStatus.BUILDING, self.machines()['head-0'])

    def test_an_event_is_a_sign(self):
        self.there('CREATE_IN_PROGRESS')
        self.stacks.event = ago(5)
        self.assertEqual([], self.asked())

    def test_a_server_that_is_built_is_a_sign(self):
        # An image may be written for an hour, and Heat says nothing.
        self.there('CREATE_IN_PROGRESS', server('head-0'),
                   server('compute-0', 'BUILD', known=False))
        self.assertEqual([], self.asked())
        self.assertEqual([], self.cloud.deleted)
        self.assertEqual(MachineStatus.BUILDING, self.machines()['compute-0'])

    def test_driven_then_cancelled(self):
        self.there('UPDATE_IN_PROGRESS', server('head-0'))
        self.assertEqual(MachineStatus.ABSENT, self.machines()['compute-0'])
        self.assertEqual([('update', 'as it is')], self.asked())
        # Driving on is a sign of life itself.
        self.assertEqual([], self.asked())
        self.backend._driven['S'] -= datetime.timedelta(hours=1)
        self.assertEqual([('cancel',), ('update', 'as it is')], self.asked())

    def test_what_is_lost_goes_before(self):
        lost = server('compute-0', known=False)
        self.there('CREATE_IN_PROGRESS', server('head-0'), lost)
        self.assertEqual([], self.asked())
        self.assertEqual([lost.id], self.cloud.deleted)

    def test_what_is_known_does_not(self):
        # Up, and Heat died before it could say so by a tag.
        late = server('compute-0', known=False)
        self.there('CREATE_IN_PROGRESS', server('head-0'), late)
        self.stacks.ids = {late.id}
        self.assertEqual([('update', 'as it is')], self.asked())
        self.assertEqual([], self.cloud.deleted)

    def test_a_deletion_goes_on(self):
        self.there('DELETE_IN_PROGRESS', server('head-0', 'BUILD'))
        self.backend.delete(f'lab/{world.CLUSTER}')
        self.assertEqual([('delete',)], self.stacks.asked)
        self.stacks.event = ago(5)
        self.backend.delete(f'lab/{world.CLUSTER}')
        self.assertEqual([('delete',)], self.stacks.asked)


class LostTest(HeatCase):
    """Servers of ours that Heat does not know, when it has failed."""

    def test_its_slot_is_made_anew(self):
        lost = server('compute-0', known=False)
        self.there('CREATE_FAILED', server('head-0'), lost)
        # Heat would make one where it has none.
        self.stacks.hurt = {'compute-0'}
        self.assertEqual([('update', ['head-0'])], self.asked())
        self.assertEqual([lost.id], self.cloud.deleted)

    def test_not_with_one_that_is_known(self):
        lost = server('compute-0', known=False)
        for those in ([server('compute-0'), lost],
                      [lost, server('compute-0')]):
            self.cloud.deleted.clear()
            self.there('UPDATE_FAILED', server('head-0'), *those)
            self.assertEqual([('update', ['compute-0', 'head-0'])],
                             self.asked())
            self.assertEqual([lost.id], self.cloud.deleted)


class NoHostTest(HeatCase):
    """The machine that was let go is still being cleaned."""

    def setUp(self):
        super().setUp()
        failed = server('compute-0', 'ERROR', fault=NO_HOST)
        self.there('UPDATE_FAILED', server('head-0'), failed)
        self.stacks.why = {'compute-0': 'went to status ERROR'}
        self.stacks.ids = {failed.id}

    def test_there_is_none(self):
        self.assertEqual({
            'head-0': MachineStatus.UP, 'compute-0': MachineStatus.FAILED,
            '': InfraStatus.FAILED}, self.machines())
        # Who retries is tried for.
        self.assertEqual([('update', ['compute-0', 'head-0'])], self.asked())

    def test_one_is_being_cleaned(self):
        self.backend.metal.kinds = {'CUSTOM_HPC': False}
        self.assertEqual({
            'head-0': MachineStatus.UP, 'compute-0': MachineStatus.ABSENT,
            '': InfraStatus.CHANGING}, self.machines())
        self.assertEqual([], self.asked())
        # What else is wanted does not wait for it.
        self.assertEqual([('update', ['head-0'])], self.asked(TWO[0]))

    def test_one_is_free_since_a_moment(self):
        self.backend.metal.kinds = {'CUSTOM_HPC': True}
        self.assertEqual(MachineStatus.ABSENT, self.machines()['compute-0'])
        self.assertEqual([('update', ['compute-0', 'head-0'])], self.asked())

    def test_of_another_class(self):
        self.backend.metal.kinds = {'CUSTOM_GPU': True}
        self.assertEqual(InfraStatus.FAILED, self.machines()[''])

    def test_something_else_failed_too(self):
        self.backend.metal.kinds = {'CUSTOM_HPC': True}
        self.stacks.why['net'] = 'no quota'
        self.assertEqual(InfraStatus.FAILED, self.machines()[''])


class DeleteTest(HeatCase):

    def test_all_of_the_name(self):
        self.there('CREATE_COMPLETE')
        self.stacks.doubles = [self.stacks.stack, self.stacks.stack]
        self.backend.delete(f'lab/{world.CLUSTER}')
        self.assertEqual([('delete',), ('delete',)], self.stacks.asked)

    def test_ports_that_heat_lost(self):
        self.there('DELETE_IN_PROGRESS', server('head-0'))
        self.backend.delete(f'lab/{world.CLUSTER}')
        self.assertEqual([], self.cloud.deleted)
        self.cloud.there = []
        self.backend.delete(f'lab/{world.CLUSTER}')
        self.assertEqual([f'ports of {NAME}'], self.cloud.deleted)

    def test_one_that_failed_is_asked_for_again(self):
        self.there('DELETE_FAILED', server('head-0', 'ERROR', fault={
            'message': 'Error destroying the instance'}))
        infra = self.backend.observe(f'lab/{world.CLUSTER}')
        self.assertEqual(InfraStatus.DELETING, infra.status)
        self.assertEqual('Nova: Error destroying the instance',
                         infra.machines[0].fault)
        self.backend.delete(f'lab/{world.CLUSTER}')
        self.assertEqual([('delete',)], self.stacks.asked)

    def test_what_is_left_without_a_stack(self):
        self.cloud.there = [server('compute-0')]
        self.backend.delete(f'lab/{world.CLUSTER}')
        self.assertEqual(['id-compute-0-known'], self.cloud.deleted)
        self.assertEqual([], self.stacks.asked)


class ForgottenNodeTest(HeatCase):
    """Ironic has nodes under servers that Nova has no more."""

    def setUp(self):
        super().setUp()
        self.metal = self.backend.metal
        self.metal.nodes = [
            metal.Held('n1', 'gone', 'lab', 'us'),
            metal.Held('n2', 'there', 'lab', 'us'),
            metal.Held('n3', 'gone', 'lab', 'somebody'),
            metal.Held('n4', 'gone', 'another', 'us')]
        self.cloud.lacking = {'gone'}

    def test_released_at_the_end(self):
        self.assertEqual({'': InfraStatus.GONE}, self.machines())
        self.assertEqual(['gone'], self.metal.released)

    def test_released_before_more_are_asked_for(self):
        self.there('CREATE_FAILED', server('head-0'))
        self.asked()
        self.assertEqual(['gone'], self.metal.released)

    def test_not_while_there_are_servers(self):
        self.cloud.there = [server('compute-0')]
        self.machines()
        self.assertEqual([], self.metal.released)

    def test_an_ironic_that_does_not_answer(self):
        def held(**query):
            raise BackendUnavailable(plugin='heat', reason='no answer')

        self.metal.held = held
        self.assertEqual({'': InfraStatus.GONE}, self.machines())
        self.backend._keystone.projects = lambda: ['lab']
        self.assertEqual([], list(self.backend.leftovers()))

    def test_listed_and_swept(self):
        self.backend._keystone.projects = lambda: ['lab']
        left, = self.backend.leftovers()
        self.assertEqual(('', 'node', 'gone', 'lab'), (
            left.cluster_id, left.kind, left.ref, left.project_id))
        self.backend.sweep(left)
        self.assertEqual(['gone'], self.metal.released)
