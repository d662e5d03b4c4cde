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


"""A live cluster gets another version, goes back, and is cloned.

What happened is read from layers, from the runner's events and from the
backend's references of machines.
"""

import pathlib

import fixtures
import testtools

from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import stacked


class RevisionTest(testtools.TestCase):
    """On the fake backend, with the fake runner."""

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        stacked.write(folder, 'fake')
        stacked.write_next(folder, 'fake')
        self.service = self.useFixture(service.Service(
            backend='fake', runner='fake', directories=(folder,))).start()
        self.service.create('demo', 'stacked@1.0.0', disk=0)
        self.rest()

    def rest(self, name='demo'):
        cluster = self.service.settled(name)
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        return cluster

    def patch(self, status=202, **body):
        answer = self.service.call('PATCH', '/v1/clusters/demo', body)
        self.assertEqual(status, answer.status, answer.text)
        return answer.json if status == 400 else self.rest()

    def verdicts(self, **change):
        shown = self.service.call('POST', '/v1/plans', {
            'cluster': 'demo', 'change': change}).json
        return {f'{one["verdict"]} {one["subject"]}'.strip():
                ' '.join(sorted(one['nodes'])) for one in shown['changes']}

    def refs(self):
        return {node['name']: node['ref'] for node in self.service.get(
            '/v1/clusters/demo/nodes')['nodes']}

    def layers(self, name='demo'):
        return {(one['node'], one['element'], one['version'], one['digest'])
                for one in self.service.get(
            f'/v1/clusters/{name}/layers?limit=1000')['layers']}

    def test_up_and_back_and_once_more(self):
        before, machines = self.layers(), self.refs()
        # All that is wrong, at once.
        answer = self.patch(400, version='1.1.0', parameters={
            'limit': 51, 'note': 'kept', 'spare': 9})
        self.assertEqual(
            {'$.parameters.limit', '$.parameters.note',
             '$.parameters.spare'},
            {one['where'] for one in answer['errors'][0]['findings']})
        self.assertEqual({'add node': 'spare-0',
                          'in place queue': 'head-0 worker-0 worker-1',
                          'take off ledger': 'head-0'},
                         self.verdicts(version='1.1.0'))
        cluster = self.patch(version='1.1.0')
        self.assertEqual(
            ('1.1.0', 'upgrade', ['head', 'worker', 'spare'], False), (
                cluster['blueprint_version'],
                cluster['deployment']['operation'],
                [one['name'] for one in cluster['node_groups']],
                'note' in cluster['parameters']))
        self.assertEqual({'1.1.0'}, {version for _, element, version, _
                                     in self.layers() if element == 'queue'})
        self.assertIn(('spare-0', 'ground'), {
            (node, element) for node, element, *_ in self.layers()})
        self.assertEqual(machines, {name: ref for name, ref
                                    in self.refs().items()
                                    if name != 'spare-0'})
        self.patch(200, version='1.1.0')
        # And back: the same layers on the same machines, to the digest.
        self.assertEqual({'remove node': 'spare-0', 'put on ledger': 'head-0',
                          'in place queue': 'head-0 worker-0 worker-1'},
                         self.verdicts(generation=1))
        cluster = self.patch(generation=1)
        self.assertEqual(('1.0.0', 'rollback', 3), (
            cluster['blueprint_version'],
            cluster['deployment']['operation'], cluster['generation']))
        self.assertEqual(before, self.layers())
        self.assertEqual(machines, self.refs())
        self.cloned()

    def cloned(self):
        """Another one, as the first was at its second generation."""
        answer = self.service.call('POST', '/v1/clusters', {
            'name': 'twin', 'clone': {'cluster': 'demo', 'generation': 2}})
        self.assertEqual(202, answer.status, answer.text)
        self.assertEqual('1.1.0', self.rest('twin')['blueprint_version'])
        self.assertEqual(
            {('spare-0', 'ground'), ('spare-0', 'gauge'),
             ('worker-1', 'queue')}, {
                (node, element) for node, element, *_ in self.layers('twin')
                if node == 'spare-0'
                or (node, element) == ('worker-1', 'queue')})

    def test_what_the_owner_changed_comes_along(self):
        self.patch(elements={'census': {}, 'queue': {'parameters': {
            'limit': 7}}}, node_groups={'worker': {'count': 3}})
        self.patch(parameters={'note': 'mine'})
        answer = self.patch(400, version='1.1.0')
        self.assertEqual(['$.parameters.note'], [
            one['where'] for one in answer['errors'][0]['findings']])
        cluster = self.patch(version='1.1.0', parameters={
            'note': None, 'spare': 0, 'limit': 9})
        self.assertEqual([1, 3, 0], [one['count'] for one
                                     in cluster['node_groups']])
        elements = {one['name']: one for one in self.service.get(
            '/v1/clusters/demo/elements')['elements']}
        self.assertTrue(elements['census']['added'])
        self.assertEqual('1.1.0', elements['queue']['version'])
        for version in ('2.0.0', '1.1', 'x'):
            answer = self.patch(400, version=version)
            self.assertEqual('$.version', answer['errors'][0]['findings'][0][
                'where'])
