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

"""A change goes over the nodes in waves; one that fails is put back."""

import collections
import pathlib

import fixtures
import testtools
import yaml

from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import service

TOOL = {'value': {'type': 'integer', 'default': 1},
        'fake_fail': {'type': 'array', 'default': []},
        'kind': {'type': 'integer', 'default': 1, 'x-update': 'reapply'}}
ELEMENTS = {
    'queue': {'roles': {'server': {'scope': 'cluster'}, 'worker': None},
              'drain_with': ['server']},
    'tool': {'requires': ['queue'], 'rolling': True, 'parameters': TOOL},
    'cap': {'requires': ['tool'], 'rolling': True},
}
BLUEPRINT = {
    'name': 'waves', 'version': '1.0.0', 'label': 'Waves',
    'description': 'Nodes that take turns.',
    'parameters': {
        'type': 'object', 'additionalProperties': False,
        'properties': {**TOOL, 'count': {'type': 'integer', 'default': 5}}},
    'node_groups': {
        'head': {'count': 1, 'min_count': 1, 'max_count': 1},
        'worker': {'count': {'parameter': 'count'}, 'max_count': 8,
                   'max_unavailable': '40%'}},
    'infrastructure': {'fake': {'groups': {'head': {'delay': 0},
                                           'worker': {'delay': 0}}}},
    'elements': [
        {'name': 'queue', 'roles': {'server': ['head'],
                                    'worker': ['worker']}},
        {'name': 'tool', 'groups': ['worker'],
         'variables': {name: {'parameter': name} for name in TOOL}},
        {'name': 'cap', 'groups': ['worker']}],
}
WORKERS = [f'worker-{number}' for number in range(5)]


def write(folder):
    """All of it."""
    for name, said in ELEMENTS.items():
        place = folder / 'elements' / name
        place.mkdir(parents=True)
        said = dict(said)
        properties = said.pop('parameters', {})
        (place / 'element.yaml').write_text(yaml.safe_dump({
            'name': name, 'version': '1.0.0', 'label': name,
            'description': f'A {name}.', 'runner': 'fake',
            'parameters': {'type': 'object', 'properties': properties,
                           'additionalProperties': False}, **said}))
        for verb in ('apply', 'revert', 'verify', *(
                ('drain', 'resume') if name == 'queue' else ())):
            (place / f'{verb}.yaml').write_text('[]\n')
    place = folder / 'blueprints' / 'waves'
    place.mkdir(parents=True)
    (place / 'blueprint.yaml').write_text(yaml.safe_dump(BLUEPRINT))


class WavesTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        write(folder)
        self.service = self.useFixture(service.Service(
            backend='fake', runner='fake', directories=(folder,))).start()
        self.service.create('demo', 'waves')
        self.cluster = self.service.settled('demo')
        self.assertEqual('ACTIVE', self.cluster['status'])
        self.marker = 0

    def patch(self, **parameters):
        self.marker = max(event['id'] for event in self.service.events(
            self.cluster['id']))
        answer = self.service.call('PATCH', '/v1/clusters/demo', {
            'parameters': parameters})
        self.assertEqual(202, answer.status, answer.text)
        return self.service.settled('demo')

    def done(self):
        """What was done on which nodes, in order: (verb element, nodes)."""
        waves = []
        for event in self.service.events(self.cluster['id']):
            if event['kind'] != 'task' or event['id'] <= self.marker:
                continue
            title = f'{event["verb"]} {event["element"]}'
            if not waves or waves[-1][0] != title:
                waves.append((title, []))
            if event['node'].startswith('worker'):
                waves[-1][1].append(event['node'])
        return [(title, sorted(nodes)) for title, nodes in waves]

    def layers(self):
        """Digest of the tool -> nodes."""
        found = collections.defaultdict(list)
        for layer in self.service.get('/v1/clusters/demo/layers')['layers']:
            self.assertEqual('applied', layer['state'])
            if layer['element'] == 'tool':
                found[layer['digest']].append(layer['node'])
        return sorted(map(sorted, found.values()))

    def closed(self):
        return {node['name'] for node in self.service.get(
            '/v1/clusters/demo/nodes')['nodes'] if node['closed']}

    def while_it_is_put_back(self):
        """What the API says, and no conductor is at work."""
        program, self.service.program = (self.service.program,
                                         service.program('api'))
        self.service.start()
        cluster = self.service.get('/v1/clusters/demo')
        self.assertEqual(('UPDATING', None),
                         (cluster['status'], cluster['error']))
        self.assertEqual(('RUNNING', 'putting_back'), tuple(
            cluster['deployment'][name] for name in ('status', 'phase')))
        self.assertEqual(set(WORKERS[:2]), self.closed())
        columns = self.service.get('/v1/clusters/demo/topology')['nodes']
        self.assertEqual(self.closed(), {
            name for name, closed in zip(columns['name'], columns['closed'],
                                         strict=True) if closed})
        self.service.stop()
        self.service.program = program

    def statuses(self):
        return {node['status'] for node in self.service.get(
            '/v1/clusters/demo/nodes')['nodes']}

    def test_in_waves(self):
        plan = self.service.call('POST', '/v1/plans', {
            'cluster': 'demo', 'change': {'parameters': {'value': 2}}}).json
        self.assertEqual(
            [('in place', 'tool', 2)],
            [(one['verdict'], one['subject'], one['out'])
             for one in plan['changes']])
        self.assertEqual('ACTIVE', self.patch(value=2)['status'])
        expected = []
        for wave in (WORKERS[:2], WORKERS[2:4], WORKERS[4:]):
            expected += [('drain queue', wave), ('apply tool', wave),
                         ('verify tool', wave), ('resume queue', wave)]
        self.assertEqual(expected, self.done())
        self.assertEqual({'UP'}, self.statuses())

    def test_a_wave_that_fails_is_put_back(self):
        before, = self.layers()
        cluster = self.patch(value=2, fake_fail=['worker-3'])
        self.assertEqual('ERROR', cluster['status'])
        failure, = cluster['failures']
        self.assertEqual(('apply tool', 'worker-3'),
                         (failure['step'], failure['node']))
        self.assertIn('worker-2 and worker-3 were put back',
                      cluster['status_reason'])
        wave = WORKERS[2:4]
        self.assertEqual([
            ('drain queue', WORKERS[:2]), ('apply tool', WORKERS[:2]),
            ('verify tool', WORKERS[:2]), ('resume queue', WORKERS[:2]),
            ('drain queue', wave), ('apply tool', wave),
            ('verify tool', [wave[0]]), ('apply tool', wave),
            ('verify tool', wave), ('resume queue', wave)], self.done())
        self.assertEqual([WORKERS[:2], WORKERS[2:]], self.layers())
        self.assertEqual({'UP'}, self.statuses())
        # Some are as they were, some are not; what is wanted now is for all.
        self.assertEqual('ACTIVE', self.patch(fake_fail=[])['status'])
        self.assertEqual([before], self.layers())

    def test_what_cannot_change_in_place_is_put_back_as_well(self):
        cluster = self.patch(kind=2, fake_fail=['apply worker-1'])
        self.assertEqual('ERROR', cluster['status'])
        self.assertEqual([WORKERS], self.layers())
        self.assertEqual({'UP'}, self.statuses())
        self.assertEqual(set(WORKERS[:2]), {
            node for _, nodes in self.done() for node in nodes})

    def test_killed_while_it_is_put_back(self):
        self.service.stop()
        self.service.start(HPCDIRECT_FAILPOINT='db.deployment_writer.DeploymentWriter.halt/after')
        self.service.call('PATCH', '/v1/clusters/demo', {
            'parameters': {'value': 2, 'fake_fail': ['worker-1']}})
        self.service.died()
        self.while_it_is_put_back()
        self.service.start()
        cluster = self.service.settled('demo')
        self.assertEqual(('ERROR', 'failed'),
                         (cluster['status'], cluster['error']))
        self.assertIsNone(cluster['deployment']['phase'])
        self.assertEqual(set(), self.closed())
        self.assertEqual([WORKERS], self.layers())
        self.assertEqual({'UP'}, self.statuses())

    def test_nothing_is_left_to_put_back(self):
        self.service.stop()
        self.service.start(HPCDIRECT_FAILPOINT='db.deployment_writer.DeploymentWriter.halt/after')
        self.service.call('PATCH', '/v1/clusters/demo', {
            'parameters': {'value': 2, 'fake_fail': ['worker-4']}})
        self.service.died()
        fakes.change(self.service.folder, lambda clusters: [
            there.pop('worker-4') for there in clusters.values()])
        self.service.start()
        cluster = self.service.settled('demo')
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn('worker-4', cluster['status_reason'])
        self.assertNotIn('put back', cluster['status_reason'])
        self.assertEqual('ACTIVE', self.patch(fake_fail=[])['status'])
