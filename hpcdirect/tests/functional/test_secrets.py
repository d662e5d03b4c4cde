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

"""Secrets are planted, printed and failed with, and looked for everywhere.

Beside each secret goes a plain word that is not hidden. It has to be found
wherever it was put, or nobody looked there.
"""

import json
import pathlib
import threading

import fixtures
import testtools
import yaml

from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service

PLAIN = 'an-open-word-0451'
FIRST = 'first-Secret+of/people'
SECOND = 'second-Secret+of/people'
SECRET = {'type': 'string', 'minLength': 8, 'x-secret': True}
#: Where an element keeps its secrets on a node; nobody else reads it.
KEPT = '/etc/canary'

PARAMETERS = {
    'type': 'object', 'additionalProperties': False, 'properties': {
        'word': SECRET, 'plain': {'type': 'string'},
        'logins': {'type': 'array', 'default': [], 'items': {
            'type': 'object', 'additionalProperties': False, 'properties': {
                'name': {'type': 'string'}, 'password': SECRET}}},
        'fails': {'type': 'boolean', 'default': False}}}
ELEMENT = {
    'name': 'canary', 'version': '1.0.0', 'label': 'Canary',
    'description': 'It sings.', 'parameters': PARAMETERS,
    'secrets': {'made': {'kind': 'password', 'bytes': 24}},
}
BLUEPRINT = {
    'name': 'cage', 'version': '1.0.0', 'label': 'Cage',
    'description': 'Holds a canary.', 'parameters': PARAMETERS,
    'node_groups': {'head': {'count': 1, 'max_count': 1}},
    'infrastructure': {'local': {'groups': {
        'head': {'memory_mib': 256, 'pids': 256}}}},
    'elements': [{'name': 'canary', 'variables': {
        name: {'parameter': name} for name in PARAMETERS['properties']}}],
}
MADE = "{{ lookup('file', hpc_secrets.made) }}"
WORDS = '{{ plain }} {{ word }} {{ logins | to_json }} ' + MADE
APPLY = [
    {'name': 'keep them', 'ansible.builtin.copy': {
        'dest': KEPT, 'mode': '0600', 'content': MADE}},
    {'name': 'an open file', 'ansible.builtin.copy': {
        'dest': '/etc/canary-open', 'mode': '0644', 'content': '{{ plain }}'}},
    {'name': 'sing {{ word }}', 'ansible.builtin.debug': {'msg': WORDS}},
    {'name': 'sing in code', 'ansible.builtin.debug': {
        'msg': f'{{{{ ("{WORDS}") | b64encode }}}} '
               '{{ word | b64encode }} {{ word | urlencode }}'}},
    {'name': 'each', 'ansible.builtin.debug': {'msg': '{{ item }}'},
     'loop': ['{{ word }}', MADE]},
    {'name': 'from the node', 'ansible.builtin.command': f'cat {KEPT}'},
    {'name': 'be seen at work',
     'ansible.builtin.command': 'sh -c "sleep 1; true" {{ plain }}'},
    {'name': 'fall {{ word }}', 'ansible.builtin.fail': {
        'msg': f'nobody gets in with {WORDS}'}, 'when': 'fails'},
]
OTHERS = [{'name': 'look', 'ansible.builtin.command': 'true'}]
#: Folders of a node where anybody may read.
OPEN = '/etc /home /opt /root /run /srv /tmp /var /dev/shm'


def write(folder, kind='local'):
    """The blueprint and its element.

    :param kind: ``fake`` for machines, and a runner, that are none.
    """
    element, blueprint = ELEMENT, BLUEPRINT
    if kind == 'fake':
        element = {**element, 'runner': 'fake'}
        blueprint = {**blueprint, 'infrastructure': {
            'fake': {'groups': {'head': {}}}}}
    place = folder / 'elements' / 'canary'
    place.mkdir(parents=True)
    (place / 'element.yaml').write_text(json.dumps(element))
    for verb, tasks in (('apply', APPLY), ('revert', OTHERS),
                        ('verify', OTHERS)):
        (place / f'{verb}.yaml').write_text(yaml.safe_dump([{
            'name': verb, 'hosts': 'canary_node', 'gather_facts': False,
            'tasks': tasks}], sort_keys=False))
    place = folder / 'blueprints' / 'cage'
    place.mkdir(parents=True)
    (place / 'blueprint.yaml').write_text(json.dumps(blueprint))


class Processes(fixtures.Fixture):
    """What all command lines of this machine said, the nodes' among them."""

    def _setUp(self):
        self._over = threading.Event()
        self._seen = set()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        self.addCleanup(self.text)

    def text(self):
        self._over.set()
        self._thread.join()
        return b'\n'.join(self._seen)

    def _look(self):
        while not self._over.wait(0.02):
            for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
                try:
                    self._seen.add(path.read_bytes())
                except OSError:
                    continue


class SecretsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        write(folder)
        self.service = service.Service(
            backend='local', directories=(folder,))
        self.useFixture(self.service)
        self.useFixture(nodes.Leftovers(self.service))
        self.answers = []
        self.processes = self.useFixture(Processes())
        self.service.start()
        self.addCleanup(self.delete)

    def delete(self):
        self.service.call('DELETE', '/v1/clusters/demo')
        self.service.settled('demo', statuses=('ERROR',))

    def ask(self, method, path, body=None, status=200):
        """A request whose answer is searched later."""
        answer = self.service.call(method, path, body)
        self.answers.append(answer.text)
        self.assertEqual(status, answer.status, answer.text)
        return answer.json

    def values(self, word, **more):
        return {'word': word, 'plain': PLAIN, 'logins': [
            {'name': 'ann', 'password': f'{word}-of-ann'}], **more}

    def test_canary(self):
        cluster = self.ask('POST', '/v1/clusters', {
            'name': 'demo', 'blueprint': 'cage',
            'parameters': self.values(FIRST)}, 202)
        stars = cluster['parameters']['word']
        self.assertEqual([stars], list({
            cluster['parameters']['logins'][0]['password'], '******'}))
        done = self.service.settled('demo')
        self.assertEqual('ACTIVE', done['status'], done['status_reason'])
        node = nodes.Machine(self.service, cluster['id'], 'head-0')
        made = node.read(KEPT)
        self.assertEqual(24, len(made))
        self.same_again(cluster)
        self.fall()
        places = self.places(cluster['id'], node)
        # A log names the cluster, not what is wanted of it.
        self.assertIn(cluster['id'].encode(), places['log'])
        forms = [FIRST, SECOND, made, 'Rmlyc3QtU2VjcmV0', 'c2Vjb25kLVNlY3J']
        for name, text in places.items():
            if name != 'log':
                self.assertIn(PLAIN.encode(), text,
                              f'{name} was not searched')
            for form in forms:
                self.assertNotIn(form.encode(), text, name)
        self.assertNotIn(made.encode(), places['database'])

    def same_again(self, cluster):
        """What is given again is no change; nor can a box be given."""
        self.ask('PATCH', '/v1/clusters/demo',
                 {'parameters': self.values(FIRST)}, 200)
        self.assertEqual(cluster['generation'], self.ask(
            'GET', '/v1/clusters/demo')['generation'])
        for wrong in ('short', {'x-sealed': 'x' * 20}, 123456789):
            self.ask('PATCH', '/v1/clusters/demo',
                     {'parameters': {'word': wrong}}, 400)

    def fall(self):
        """Another word, by way of a plan; the element fails with it."""
        plan = self.ask('POST', '/v1/plans', {
            'cluster': 'demo', 'change': {
                'parameters': self.values(SECOND, fails=True)}})
        self.assertFalse(plan['refused'], plan)
        self.ask('GET', f'/v1/plans/{plan["id"]}')
        self.ask('PATCH', '/v1/clusters/demo', {'plan': plan['id']}, 202)
        self.assertEqual('ERROR', self.service.settled('demo')['status'])

    def places(self, ident, node):
        """Name -> all that can be read there."""
        one = f'/v1/clusters/{ident}'
        paths = [one, '/v1/clusters', '/v1/blueprints/cage',
                 '/v1/elements/canary', f'/v1/events?cluster={ident}'
                 '&limit=1000', *(f'{one}/{name}' for name in (
                     'elements', 'generations', 'generations/1',
                     'generations/2?against=1', 'layers', 'nodes', 'runs',
                     'deployments'))]
        for path in paths:
            self.ask('GET', path)
        for row in self.service.get(f'{one}/deployments')['deployments']:
            self.ask('GET', f'/v1/deployments/{row["id"]}')
        logs = []
        for row in self.service.get(f'{one}/runs?limit=100')['runs']:
            self.ask('GET', f'/v1/runs/{row["id"]}')
            logs.append(self.service.get(
                f'/v1/runs/{row["id"]}/log?limit=65536')['text'])
        events = json.dumps(self.service.events(ident))
        failure = json.dumps(self.service.get(one)['failures'])
        files = node.run('sh', '-c', f'find {OPEN} -xdev -type f -perm -004 '
                         '-exec cat {} + 2>/dev/null | '
                         "LC_ALL=C tr -c '[:print:]' ' '").encode()
        self.service.stop()
        folder = self.service.folder
        self.addCleanup(self.service.start)
        return {
            'answers': '\n'.join(self.answers).encode(),
            'logs of runs': '\n'.join(logs).encode(),
            'events': events.encode(), 'failures': failure.encode(),
            'database': b''.join(
                path.read_bytes() for path in folder.glob('db.sqlite*')),
            'log': b''.join((folder / name).read_bytes()
                            for name in ('log', 'output')),
            'processes': self.processes.text(),
            'open files of the node': files}
