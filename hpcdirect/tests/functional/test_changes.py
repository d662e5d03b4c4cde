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


"""Some thirty changes of a live cluster: what is foretold is what happens.

What happened is not asked of the plan, but read from what the runner told of
every node and from the backend's own references of machines.
"""

import collections
import pathlib
from typing import ClassVar

import fixtures
import testtools

from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import stacked
from hpcdirect.tests.unit.blueprints import folders

REFUSED, NOTHING = 'refused', 'nothing'

#: What is asked, and the verdicts that must be told: with subject and nodes.
EDITS = (
    ('white space, comments, order of keys', stacked.respelt, NOTHING),
    ('nothing at all', {'parameters': {}}, NOTHING),
    ('the same value', {'parameters': {'limit': 1}}, NOTHING),
    ('the same, in another order',
     {'parameters': {'home': '/queue', 'limit': 1}}, NOTHING),
    ('a parameter of a middle layer', {'parameters': {'limit': 5}},
     {'in place queue': 'head-0 worker-0 worker-1'}),
    ('one that cannot be changed in place', {'parameters': {'home': '/q2'}},
     {'revert and apply queue': 'head-0 worker-0 worker-1',
      'revert and apply ledger': 'head-0'}),
    ('one of which the blueprint says so', {'parameters': {'note': 'm'}},
     {'revert and apply ledger': 'head-0'}),
    ('a larger group', {'node_groups': {'worker': {'count': 3}}},
     {'add node': 'worker-2'}),
    ('a named node goes', {'node_groups': {'worker': {
        'slots': ['worker-0', 'worker-2']}}}, {'remove node': 'worker-1'}),
    ('a node is replaced', {'node_groups': {'worker': {
        'replace': ['worker-2']}}}, {'replace node': 'worker-2'}),
    ('the head is replaced', {'node_groups': {'head': {
        'replace': ['head-0']}}},
     lambda case: {'replace node': 'head-0', **case.moved}),
    ('what machines are', {'parameters': {'memory': 300}},
     {'replace node': 'worker-0 worker-2'}),
    ('what they cannot become', {'parameters': {'site': 'there'}}, REFUSED),
    ('a value out of bounds', {'parameters': {'limit': 0}}, REFUSED),
    ('too many nodes', {'node_groups': {'worker': {'count': 99}}}, REFUSED),
    ('an element that there is not', {'elements': {'tol': {}}}, REFUSED),
    ('an element is put on', {'elements': {'tool': {
        'version': '1.0.0', 'parameters': {'threads': 4}}}},
     {'put on tool': 'head-0 worker-0 worker-2'}),
    ('another version of it', {'elements': {'tool': {'version': '2.0.0'}}},
     {'in place tool': 'head-0 worker-0 worker-2'}),
    ('a version that there is not',
     {'elements': {'tool': {'version': '3.0.0'}}}, REFUSED),
    ('a user, and nothing makes accounts', {'users': {'ann': {}}}, REFUSED),
    ('what makes accounts', {'elements': {'people': {}}},
     {'put on people': 'head-0 worker-0 worker-2'}),
    ('a user', {'users': {'ann': {'keys': [public_keys.line('ann')]}}},
     {'in place people': 'head-0 worker-0 worker-2'}),
    ('the same user again', {'users': {'ann': {}}}, NOTHING),
    ('on it another, that lacks a value', {'elements': {'helper': {}}},
     REFUSED),
    ('on it another', {'elements': {'helper': {'parameters': {
        'word': 'x'}, 'roles': {'node': ['head']}}}},
     {'put on helper': 'head-0'}),
    ('one that does not go with it', {'elements': {'toy': {}}}, REFUSED),
    ('one is set otherwise', {'elements': {'tool': {'parameters': {
        'threads': 8}}}}, {'in place tool': 'head-0 worker-0 worker-2'}),
    ('the one in the middle goes', {'elements': {'queue': None}},
     {'take off ledger': 'head-0',
      'take off queue': 'head-0 worker-0 worker-2'}),
    ('and comes back', {'elements': {'queue': {}}},
     {'put on queue': 'head-0 worker-0 worker-2', 'put on ledger': 'head-0'}),
    ('what a parameter switches', {'elements': {'gauge': None}},
     {'take off gauge': 'head-0 worker-0 worker-2'}),
    ('both that were added go', {'elements': {'tool': None, 'helper': None}},
     {'take off helper': 'head-0',
      'take off tool': 'head-0 worker-0 worker-2'}),
    ('one that watches the others, and more nodes',
     {'elements': {'census': {}}, 'node_groups': {'worker': {'count': 3}}},
     {'put on census': 'head-0 worker-0 worker-2', 'add node': 'worker-1'}),
)


class ChangesCase:
    """The edits, one after the other, on one cluster."""

    backend = runner = 'fake'
    #: What becomes of others when the head has another address.
    moved: ClassVar = {'in place queue': 'worker-0 worker-2'}

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        stacked.write(self.folder, self.runner)
        stacked.write_further(self.folder, self.runner)
        self.service = self.useFixture(service.Service(
            backend=self.backend, runner=self.runner,
            directories=(self.folder,)))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()
        self.service.create('demo', 'stacked', disk=0)
        self.cluster = self.rest()

    def rest(self):
        cluster = self.service.settled('demo')
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        return cluster

    def plan(self, change):
        answer = self.service.call('POST', '/v1/plans', {
            'cluster': 'demo', 'change': change})
        self.assertEqual(200, answer.status, answer.text)
        return answer.json

    def patch(self, **body):
        return self.service.call('PATCH', '/v1/clusters/demo', body)

    def refs(self):
        return {node['name']: node['ref'] for node in self.service.get(
            '/v1/clusters/demo/nodes')['nodes']}

    def last(self):
        """The id of the newest event."""
        return max((event['id'] for event in self.service.events(
            self.cluster['id'])), default=0)

    def done_since(self, marker):
        """Verb and element -> nodes, as the runner told it."""
        done = collections.defaultdict(set)
        for event in self.service.events(self.cluster['id']):
            if event['id'] > marker and event['kind'] == 'task':
                done[event['verb'], event['element']].add(event['node'])
        return done

    def test_what_is_foretold_is_what_happens(self):
        self.assertLessEqual(25, len(EDITS))
        for title, change, expected in EDITS:
            if callable(change):
                change(self.folder)
                folders.noticed(self.folder, lambda: [
                    one['name'] for one in self.service.get(
                        '/v1/elements')['elements']])
                change = {'parameters': {}}
            self.carried_out(title, change, expected(self) if callable(
                expected) else expected)
        self.assertEqual(
            {'ground', 'queue', 'ledger', 'people', 'census'},
            {layer['element'] for layer in self.service.get(
                '/v1/clusters/demo/layers?limit=1000')['layers']})

    def carried_out(self, title, change, expected):
        shown = self.plan(change)
        verdicts = {
            f'{one["verdict"]} {one["subject"]}'.strip():
            ' '.join(sorted(one['nodes'])) for one in shown['changes']}
        if expected == REFUSED:
            self.assertEqual({'refused'}, {one['verdict'] for one
                                           in shown['changes']}, title)
            answer = self.patch(plan=shown['id'])
            self.assertEqual(400, answer.status, title)
            self.assertEqual(
                {one['subject'] for one in shown['changes']},
                {one['where'] for one in answer.json['errors'][0][
                    'findings']}, title)
            return
        self.assertEqual({} if expected == NOTHING else expected, verdicts,
                         title)
        before, marker = self.refs(), self.last()
        answer = self.patch(plan=shown['id'])
        self.assertEqual(200 if expected == NOTHING else 202, answer.status,
                         f'{title}: {answer.text}')
        self.rest()
        self.assertEqual(self.foretold(shown), dict(self.done_since(marker)),
                         title)
        self.machines(shown, before, self.refs(), title)

    def foretold(self, shown):
        """Verb and element -> nodes, as the plan has it."""
        steps = collections.defaultdict(set)
        for step in shown['steps']:
            if step['kind'] not in ('provision', 'release'):
                steps[step['kind'], step['element']] |= set(step['nodes'])
        return dict(steps)

    def machines(self, shown, before, after, title):
        """Whose machine is another one, says the backend."""
        named = {verdict: {name for one in shown['changes']
                           if one['verdict'] == verdict
                           for name in one['nodes']} for verdict in (
            'add node', 'remove node', 'replace node')}
        self.assertEqual(named['add node'], set(after) - set(before), title)
        self.assertEqual(named['remove node'], set(before) - set(after),
                         title)
        self.assertEqual(named['replace node'], {
            name for name in set(before) & set(after)
            if before[name] != after[name]}, title)

    def test_plans_that_the_world_has_left_behind(self):
        change = {'parameters': {'limit': 7}}
        for title, stir in (
                ('another change', lambda: self.patch(
                    parameters={'limit': 2})),
                ('another size', lambda: self.patch(
                    node_groups={'worker': {'count': 1}})),
                ('an element', lambda: self.patch(elements={'toy': {}})),
                ('a machine that is another one', lambda: self.patch(
                    node_groups={'worker': {'replace': ['worker-0']}})),
                ('the plan itself, carried out', None)):
            shown = self.plan(change)
            self.assertEqual('', shown['stale'])
            answer = stir() if stir else self.patch(plan=shown['id'])
            self.assertEqual(202, answer.status, f'{title}: {answer.text}')
            self.rest()
            answer = self.patch(plan=shown['id'])
            self.assertEqual((409, 'hpcdirect.plan_stale'), (
                answer.status, answer.json['errors'][0]['code']), title)
            self.assertNotEqual('', self.service.get(
                f'/v1/plans/{shown["id"]}')['stale'], title)


class FakeChangesTest(ChangesCase, testtools.TestCase):
    """In imagination: what is tested is planner, API and conductor."""


@soak.in_turn('changes')
class RealChangesTest(ChangesCase, testtools.TestCase):
    """On machines of this host, by Ansible."""

    backend, runner = 'local', 'ansible'
    # A machine that is made again has its address again.
    moved: ClassVar = {}
