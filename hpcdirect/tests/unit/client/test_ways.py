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

"""What the API can do, the client and the commands can do: each is run."""

import contextlib
import importlib.metadata
import inspect
import json
import re

import openstack

from hpcdirect.client import proxy
from hpcdirect.tests.unit.client import base
from hpcdirect.tests.unit.client import stub
from hpcdirect.tests.unit.client import test_commands

#: A cluster.
C = 'demo'
#: Operation of the API -> what of the client asks for it, and the commands
#: that do.
WAYS = {
    'GET /blueprints': (lambda hpc: hpc.blueprints(), [
        'blueprint list']),
    'GET /blueprints/{}': (lambda hpc: hpc.get_blueprint('slurm'), [
        'blueprint show slurm']),
    'GET /blueprints/{}/template': (lambda hpc: hpc.get_template('slurm'), [
        'blueprint show slurm --template']),
    'GET /elements': (lambda hpc: hpc.elements(), ['element list']),
    'GET /elements/{}': (lambda hpc: hpc.get_element('mpi'), [
        'element show mpi']),
    'GET /backends': (lambda hpc: hpc.backends(), ['backend list']),
    'GET /backends/{}': (lambda hpc: hpc.get_backend('local'), [
        'backend show local']),
    'GET /capacity': (lambda hpc: hpc.capacity(), ['capacity show']),
    'GET /projects/{}': (lambda hpc: hpc.get_project('p'), []),
    'GET /summary': (lambda hpc: hpc.summary(), ['summary show']),
    'GET /leftovers': (lambda hpc: hpc.leftovers(), ['leftover list']),
    'GET /stalls': (lambda hpc: hpc.stalls(), ['stall list']),
    'GET /services': (lambda hpc: hpc.services(), ['service list']),
    'GET /clusters': (lambda hpc: hpc.clusters(), ['cluster list']),
    'POST /clusters': (
        lambda hpc: hpc.create_cluster(name='x', blueprint='slurm'), [
            'cluster create --blueprint slurm x',
            'cluster clone demo x']),
    'GET /clusters/{}': (lambda hpc: hpc.get_cluster(C), [
        'cluster show demo', 'cluster group list demo', 'cluster ssh demo',
        'cluster config demo', 'cluster open --print-only demo prometheus']),
    'PATCH /clusters/{}': (
        lambda hpc: hpc.change_cluster(C, description='x'), [
            'cluster set --description x demo',
            'cluster update --parameter compute_count=3 demo',
            'cluster scale --group compute=3 demo',
            'cluster upgrade demo', 'cluster rollback demo 1',
            'cluster element add demo mpi',
            'cluster element set demo mpi --parameter a=1',
            'cluster element remove demo mpi',
            'cluster group add demo big --count 1',
            'cluster group remove demo big',
            'node replace demo compute-0', 'user create demo ada',
            'user set --sudo demo eve', 'user delete demo eve']),
    'DELETE /clusters/{}': (lambda hpc: hpc.delete_cluster(C), [
        'cluster delete demo']),
    'GET /clusters/{}/elements': (lambda hpc: hpc.cluster_elements(C), [
        'cluster element list demo']),
    'GET /clusters/{}/candidates': (lambda hpc: hpc.candidates(C), [
        'cluster candidate list demo']),
    'GET /clusters/{}/topology': (lambda hpc: hpc.topology(C), [
        'cluster topology demo']),
    'GET /clusters/{}/metrics': (lambda hpc: hpc.metrics(C), [
        'metric list demo', 'metric show demo cpu']),
    'GET /clusters/{}/generations': (lambda hpc: hpc.generations(cluster=C), [
        'cluster generation list demo']),
    'GET /clusters/{}/generations/{}': (
        lambda hpc: hpc.get_generation(C, 1), [
            'cluster generation show demo 1', 'cluster diff demo 1 2']),
    'GET /clusters/{}/nodes': (lambda hpc: hpc.nodes(C), ['node list demo']),
    'GET /clusters/{}/nodes/{}': (lambda hpc: hpc.get_node(C, 'head-0'), [
        'node show demo head-0']),
    'GET /clusters/{}/layers': (lambda hpc: hpc.layers(C), [
        'layer list demo']),
    'GET /clusters/{}/users': (lambda hpc: hpc.users(C), ['user list demo']),
    'POST /clusters/{}/users': (lambda hpc: hpc.create_user(C, 'ada'), []),
    'GET /clusters/{}/users/{}': (lambda hpc: hpc.get_user(C, 'eve'), [
        'user show demo eve']),
    'PATCH /clusters/{}/users/{}': (
        lambda hpc: hpc.change_user(C, 'eve', sudo=True), []),
    'DELETE /clusters/{}/users/{}': (
        lambda hpc: hpc.delete_user(C, 'eve'), []),
    'POST /clusters/{}/deployments': (lambda hpc: hpc.retry_cluster(C), [
        'cluster retry demo', 'cluster check demo', 'cluster repair demo',
        'cluster cancel demo']),
    'GET /deployments': (lambda hpc: hpc.deployments(), [
        'deployment list']),
    'GET /deployments/{}': (lambda hpc: hpc.get_deployment('dep'), [
        'deployment show dep']),
    'GET /deployments/{}/progress': (lambda hpc: hpc.get_progress('dep'), [
        'deployment progress dep']),
    'GET /runs': (lambda hpc: hpc.runs(), ['run list']),
    'GET /runs/{}': (lambda hpc: hpc.get_run('run'), ['run show run']),
    'GET /runs/{}/log': (lambda hpc: hpc.run_log('run'), ['run log run']),
    'GET /events': (lambda hpc: hpc.events(), ['event list']),
    'POST /plans': (lambda hpc: hpc.plan(cluster=C, delete=True), [
        'cluster delete --dry-run demo']),
    'GET /plans/{}': (lambda hpc: hpc.get_plan('plan'), ['plan show plan']),
}
#: Operations that only the API has, and why.
ALONE = {
    'GET /': 'which versions there are: the SDK knows the one it speaks',
    'GET /v1': 'the same',
    'GET /v1/openapi.json': 'for programs that are made from it',
    'GET /healthcheck': 'for who runs the service',
    'GET /v1/clusters/{}/deployments': 'GET /deployments of one cluster',
    'GET /v1/clusters/{}/events': 'GET /events of one cluster',
    'GET /v1/clusters/{}/runs': 'GET /runs of one cluster',
}
#: Commands that ask something else, and what.
OTHERS = {
    'project show': 'Keystone, who may act for whom, besides the API',
    'project enable': 'Keystone, to let the service in',
    'project disable': 'Keystone, to shut it out',
    'blueprint export': 'nobody: folders on this machine',
    'blueprint validate': 'nobody: a folder on this machine',
    'element test': 'nobody: nodes on this machine',
}


def operations():
    """Every operation of the API, names of things left open."""
    document = json.loads((base.ROOT / 'api-ref/openapi.json').read_text())
    for path, methods in document['paths'].items():
        for method in methods.keys() & {'get', 'post', 'patch', 'put',
                                        'delete'}:
            yield f'{method.upper()} {re.sub("{[^}]*}", "{}", path)}'


def commands():
    """Every command, without ``hpc``."""
    return {point.name.removeprefix('hpc_').replace('_', ' ')
            for point in importlib.metadata.entry_points(
                group='openstack.hpc_cluster.v1')}


class WaysTest(base.ClientTest):

    def setUp(self):
        super().setUp()
        answer = self.stub.answer
        for path in ('demo', 'id-demo'):
            for method in ('GET', 'PATCH', 'DELETE'):
                answer(method, f'/clusters/{path}', stub.cluster(
                    titled_outputs=stub.PAGES))
        answer('POST', '/clusters', stub.cluster('x'))
        answer('GET', '/clusters', {'clusters': [stub.cluster()],
                                    'links': []})
        for path in ('demo', 'id-demo'):
            answer('GET', f'/clusters/{path}/users', {
                'users': [stub.user('eve')]})
            answer('GET', f'/clusters/{path}/users/eve', stub.user('eve'))
        answer('GET', '/blueprints/slurm', test_commands.BLUEPRINT)
        answer('GET', '/blueprints/slurm@1.0.0', test_commands.BLUEPRINT)

    def asked(self):
        """The operations that were asked for since it was called last."""
        seen, self.stub.seen = self.stub.seen, []
        return {f'{method} {template}' for method, path, _, _ in seen
                for template in self.templates
                if re.fullmatch(template.replace('{}', '[^/]+'), path)}

    @property
    def templates(self):
        return {way.partition(' ')[2] for way in WAYS}

    def test_every_operation_is_told(self):
        told = {f'{method} /v1{path}' for method, path in (
            way.split(' ') for way in WAYS)}
        self.assertEqual(set(operations()), told | set(ALONE))
        self.assertFalse(told & set(ALONE))
        self.assertLessEqual(len(ALONE), 10)

    def test_the_client_can_do_all(self):
        hpc = proxy.attach(openstack.connect(cloud='test'))
        called = set()
        for way, (ask, _) in WAYS.items():
            self.asked()
            with contextlib.suppress(openstack.exceptions.SDKException):
                found = ask(hpc)
                if inspect.isgenerator(found):
                    list(found)
            self.assertIn(way, self.asked())
            called |= set(ask.__code__.co_names)
        # The last four ask for what others ask for.
        own = {name for name, value in vars(proxy.Proxy).items()
               if callable(value) and not name.startswith('_')}
        self.assertEqual(own - {
            'request', 'read', 'read_news', 'wait', 'remedy',
            'element_choices'}, called & own)

    def test_commands_can_do_all(self):
        run = set()
        for way, (_, lines) in WAYS.items():
            for line in lines:
                self.asked()
                _, out, err = self.openstack('hpc', *line.split())
                self.assertIn(way, self.asked(), line + out + err)
                run.add(line)
        names = {name for name in commands() for line in run
                 if (line + ' ').startswith(name + ' ')}
        self.assertEqual(commands(), names | set(OTHERS))
        self.assertFalse(names & set(OTHERS))
        # The first by a command of OTHERS; of users, any number are one
        # change of their cluster.
        self.assertEqual(['GET /projects/{}', *(
            way for way in WAYS if '/users' in way and 'GET' not in way)], [
            way for way, (_, lines) in WAYS.items() if not lines])
