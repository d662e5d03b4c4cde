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

"""The heat backend keeps the contract, in a cloud; no conductor between."""

from concurrent import futures
import dataclasses

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.backends import base
from hpcdirect.backends.heat import HeatBackend
from hpcdirect.backends.heat import template
from hpcdirect.exception import BackendUnavailable
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import test_backend_contract as contract
from hpcdirect.tests.openstack import cloud

TEMPLATE = """\
heat_template_version: 2021-04-16
parameters:
  public_key: {type: string}
  image: {type: string, default: hpc-node}
  head_flavor: {type: string, default: hpc}
  compute_flavor: {type: string, default: hpc}
  network: {type: string, default: phys}
  said: {type: string, default: ''}
resources:
  head:
    type: OS::Nova::Server
    properties:
      image: {get_param: image}
      flavor: {get_param: head_flavor}
      networks: [{network: {get_param: network}}]
      user_data: {list_join: [' ', ['#!/bin/echo', {get_param: said}]]}
  compute:
    type: OS::Heat::ResourceGroup
    properties:
      resource_def:
        type: OS::Nova::Server
        properties:
          image: {get_param: image}
          flavor: {get_param: compute_flavor}
          networks: [{network: {get_param: network}}]
          user_data: {list_join: [' ', ['#!/bin/echo', {get_param: said},
                                        {get_param: public_key}]]}
"""
GROUPS = {'head': {'resource': 'head'}, 'compute': {'resource': 'compute'}}


class HeatCase(contract.BackendCase, cloud.CloudCase):
    """Asks the backend itself."""

    coming, going, answer = 300.0, 120.0, 15.0
    # A look is a request to each of three services.
    interval = 0.5
    wrong, findings = {
        'image': 'no-image', 'head_flavor': 'no-flavor',
        'compute_flavor': 'none-either', 'network': 'no-network'}, 4

    def restarted(self):
        conf = cfg.ConfigOpts()
        options.register_opts(conf)
        conf(['--config-file',
              str(cloud.PATH / 'etc/hpcdirect/hpcdirect.conf')],
             default_config_files=[])
        return HeatBackend(conf)

    def request(self, *slots, cluster_id=None, public_key='ssh-ed25519 KEY',
                **parameters):
        return dataclasses.replace(
            local_bed.request(*slots, cluster_id=cluster_id,
                              public_key=public_key),
            project_id=self.project, template=TEMPLATE, groups=GROUPS,
            settings={'network': 'phys', 'parameters': parameters})

    def refs(self, ref):
        """Slot -> server, when all is there."""
        return {machine.slot: machine.ref
                for machine in self.settled(ref).machines}

    def servers(self, request):
        """Ids of a cluster's servers, whoever knows of them."""
        return [server.id for server in self.alice.compute.servers()
                if server.metadata.get('hpcdirect_cluster')
                == request.cluster_id]


class HeatContractTest(HeatCase, contract.BackendContract):
    """What every backend keeps; the conductor's tests lean on most of it."""

    #: Those that make no machine.
    quick = ('test_capacity', 'test_every_finding_at_once',
             'test_what_it_takes', 'test_what_was_never_there')

    def setUp(self):
        if not (cloud.SOAK or self._testMethodName in self.quick):
            self.skipTest(cloud.MINUTES)
        super().setUp()


class HeatLifeTest(HeatCase):
    """What is particular about a cloud."""

    def test_made_once_whoever_asks(self):
        # One dies before it can record, others ask meanwhile.
        request = self.request('head-0', 'compute-0')
        self.addCleanup(self.delete, self.backend.reference(
            request.cluster_id, request.project_id))
        with futures.ThreadPoolExecutor(3) as pool:
            ref, = set(pool.map(lambda _: self.patiently(request), range(3)))
        # Heat itself lets in two that come at once; one of them goes, as
        # conductors go on asking.
        self.eventually(lambda: self.patiently(request) and len(list(
            self.alice.orchestration.stacks(name=template.name(
                request.cluster_id)))) == 1, 'one is left')
        refs = self.refs(ref)
        self.assertEqual(sorted(refs.values()), sorted(self.servers(request)))

    def patiently(self, request):
        """Ask as a conductor does: again while the cloud is not ready."""
        backend = self.restarted()

        def ref():
            try:
                return backend.ensure(request)
            except BackendUnavailable:
                return None
        return local_bed.wait_for(ref, self.coming, self.interval)

    def test_nobody_is_replaced_for_what_is_new(self):
        request, ref = self.ensure('head-0', 'compute-0')
        before = self.refs(ref)
        self.asked(self.request(
            'head-0', 'compute-0', 'compute-1', said='something else',
            cluster_id=request.cluster_id, public_key='ssh-ed25519 NEW'))
        after = self.refs(ref)
        self.assertEqual(3, len(after))
        self.assertEqual(before, {name: after[name] for name in before})

    @cloud.LONG
    def test_other_hands(self):
        request, ref = self.ensure('head-0', 'compute-0')
        before = self.refs(ref)
        self.maintenance(ref, before['compute-0'])
        self.alice.compute.delete_server(before['compute-0'])
        self.eventually(lambda: self.machine(ref, 'compute-0').status
                        == base.MachineStatus.ABSENT, 'it is seen', 60)
        after = self.refs(ref)
        self.assertEqual(before['head-0'], after['head-0'])
        self.assertNotEqual(before['compute-0'], after['compute-0'])
        stack, = self.alice.orchestration.stacks(
            name=template.name(request.cluster_id))
        self.alice.orchestration.delete_stack(stack.id)
        self.gone(ref)
        self.asked(request)
        self.assertEqual(2, len(self.refs(ref)))

    def machine(self, ref, slot):
        return local_bed.machines(self.backend.observe(ref))[slot]

    def maintenance(self, ref, server):
        node = next(one for one in self.metal().values()
                    if one.instance_id == server)
        self.admin.baremetal.set_node_maintenance(node, 'a fan is broken')
        said = f'node {node.name} is in maintenance: a fan is broken'
        try:
            # What Ironic says is asked for all clusters, now and then.
            self.eventually(lambda: self.machine(ref, 'compute-0').fault
                            == said, 'it is told', 60)
            machine = self.machine(ref, 'compute-0')
        finally:
            self.admin.baremetal.unset_node_maintenance(node)
        self.assertEqual(base.MachineStatus.UP, machine.status)

    @cloud.LONG
    def test_replaced_where_there_is_no_spare_machine(self):
        request, ref = self.ensure('compute-0', 'compute-1')
        before = self.refs(ref)
        spare = [node for node in self.metal().values()
                 if node.instance_id not in before.values()]
        for node in spare:
            self.addCleanup(self.admin.baremetal.unset_node_maintenance, node)
            self.admin.baremetal.set_node_maintenance(node, 'not for us')
        self.again(request, 'compute-0@2', 'compute-1')
        after = self.refs(ref)
        self.assertEqual(before['compute-1'], after['compute-1'])
        self.assertNotEqual(before['compute-0'], after['compute-0'])

    def test_swept(self):
        request, ref = self.ensure('compute-0')
        self.settled(ref)
        for left in list(self.backend.leftovers()):
            if left.cluster_id == request.cluster_id:
                self.assertEqual(self.project, left.project_id)
                self.backend.sweep(left)
        self.gone(ref)
        self.assertEqual([], [
            left for left in self.backend.leftovers()
            if left.cluster_id == request.cluster_id])
