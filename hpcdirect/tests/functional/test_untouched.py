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

"""Layers that a run was to change and did not get to: they are as before."""

import yaml

from hpcdirect.runners.base import Verb
from hpcdirect.runners.fake import FakeRunner
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import test_turns

BLUEPRINT = {
    **test_turns.BLUEPRINT, 'name': 'pair', 'parameters': {
        'type': 'object', 'additionalProperties': False, 'properties': {
            **test_turns.BLUEPRINT['parameters']['properties'],
            'word': {'type': 'string', 'default': 'one'},
            'rest': {'type': 'boolean', 'default': True}}},
    'elements': [
        *test_turns.BLUEPRINT['elements'],
        {'name': 'rest', 'when': {'parameter': 'rest'},
         'variables': {'word': {'parameter': 'word'}}}]}
ELEMENT = {
    'name': 'rest', 'version': '1.0.0', 'label': 'Rest', 'runner': 'fake',
    'description': 'Stands on work.', 'requires': ['work'],
    'parameters': {'type': 'object', 'additionalProperties': False,
                   'properties': {'word': {'type': 'string'}}}}


class Recorder(FakeRunner):
    """Keeps what it was asked for."""

    def __init__(self, conf):
        super().__init__(conf)
        self.asked = []

    def carry_out(self, batch, listener, stopped):
        self.asked += [(task.verb, task.element.name, task.element.version,
                        dict(task.variables)) for task in batch.tasks]
        super().carry_out(batch, listener, stopped)


class UntouchedTest(test_turns.Case):

    def write(self):
        place = self.api.folder / 'blueprints' / 'pair'
        place.mkdir(parents=True, exist_ok=True)
        (place / 'blueprint.yaml').write_text(yaml.safe_dump(BLUEPRINT))
        place = self.api.folder / 'elements' / 'rest'
        place.mkdir(parents=True, exist_ok=True)
        (place / 'element.yaml').write_text(yaml.safe_dump(ELEMENT))
        for verb in ('apply', 'revert', 'verify'):
            (place / f'{verb}.yaml').write_text(yaml.safe_dump(
                [{'name': verb, 'hosts': 'rest_node', 'tasks': []}]))

    def change(self, ident, **parameters):
        answer = self.api.call('PATCH', f'/v1/clusters/{ident}',
                               {'parameters': parameters})
        self.assertEqual(202, answer.status, answer.body)

    def layer(self, ident):
        """What stands of ``rest`` on the only node."""
        found = self.api.call(
            'GET', f'/v1/clusters/{ident}/layers?element=rest').json['layers']
        return [(one['state'], one['version'], one['verified'])
                for one in found]

    def test_it_is_taken_off_as_it_was_put_on(self):
        self.write()
        runner = Recorder(self.api.conf)
        self.conductor(runner)
        ident = self.api.create('demo', blueprint='pair')['id']
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        # "work" takes its time; "rest" is the next of the same batch.
        self.change(ident, seconds=600, word='two')
        local_bed.wait_for(lambda: any(
            run['status'] == 'RUNNING' for run in self.runs(ident)))
        self.assertEqual([('applying', '1.0.0', False)], self.layer(ident))
        self.assertEqual(202, self.api.call(
            'POST', f'/v1/clusters/{ident}/deployments',
            {'operation': 'cancel'}).status)
        self.assertEqual('ERROR', self.settled(ident)['status'])
        self.assertEqual([('applied', '1.0.0', True)], self.layer(ident))
        self.change(ident, seconds=0, rest=False)
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        self.assertEqual(
            [(Verb.REVERT, 'rest', '1.0.0', {'word': 'one'})],
            [asked for asked in runner.asked if asked[0] == Verb.REVERT])
