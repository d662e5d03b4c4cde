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

"""Plugins that raise, block or return junk: only their own clusters fail."""

import pathlib
import time

import fixtures
import testtools

from hpcdirect.tests.functional import service

_BLUEPRINT = """\
name: {name}
version: 1.0.0
label: A machine
description: One machine, and one thing on it.
parameters: {{type: object, additionalProperties: false}}
node_groups: {{node: {{count: 1}}}}
login: node
infrastructure:
  fake: {{groups: {{node: {{}}}}}}
  unruly: {{groups: {{node: {{}}}}}}
elements: [{{name: {name}}}]
"""
_ELEMENT = """\
name: {name}
version: 1.0.0
label: A thing
description: A thing.
runner: {runner}
"""
#: Both are what somebody else may install. How they behave is told by the
#: name of the cluster's blueprint or of the element.
_PLUGIN = '''
import threading, time
from hpcdirect.backends import base as backends
from hpcdirect.backends.fake import FakeBackend
from hpcdirect.runners import base
from hpcdirect.runners.fake import FakeRunner


class Backend(FakeBackend):
    name = 'unruly'

    def ensure(self, request):
        raise KeyError('no idea')


class Runner(FakeRunner):
    name = 'unruly'

    def carry_out(self, batch, listener, stopped):
        kind = batch.tasks[0].element.name
        threading.Thread(target=time.sleep, args=(3600,),
                         daemon=True).start()
        if kind == 'raises':
            raise ZeroDivisionError('never thought of that')
        if kind == 'blocks':
            while not stopped():
                time.sleep(0.1)
            return
        if kind == 'leaves':
            return  # without a word about any of its tasks
        listener.ended('junk')
'''


class UnrulyTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name, runner in (('raises', 'unruly'), ('blocks', 'unruly'),
                             ('leaves', 'unruly'), ('junk', 'unruly'),
                             ('well', 'fake')):
            self.write(f'blueprints/{name}/blueprint.yaml',
                       _BLUEPRINT.format(name=name))
            self.write(f'elements/{name}/element.yaml',
                       _ELEMENT.format(name=name, runner=runner))
            for verb in ('apply', 'revert', 'verify'):
                self.write(f'elements/{name}/{verb}.yaml', '[]\n')
        self.write('unruly.py', _PLUGIN)
        self.write('unruly-1.0.dist-info/METADATA',
                   'Metadata-Version: 2.1\nName: unruly\nVersion: 1.0\n')
        self.write('unruly-1.0.dist-info/entry_points.txt',
                   '[hpcdirect.backends]\nunruly = unruly:Backend\n'
                   '[hpcdirect.runners]\nunruly = unruly:Runner\n')
        self.service = self.useFixture(service.Service(
            backend='fake,unruly', runner='fake,unruly',
            directories=(self.folder,), conductor={'workers': 2}))
        self.service.start(PYTHONPATH=f'{self.folder}:{service.ROOT}',
                           XDG_CACHE_HOME=str(self.folder / 'cache'))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def create(self, name, backend='fake'):
        answer = self.service.call('POST', '/v1/clusters', {
            'name': f'{name}-{backend}', 'blueprint': name,
            'backend': backend})
        self.assertEqual(202, answer.status, answer.text)
        return f'{name}-{backend}'

    def test_one_cluster_fails_and_the_conductor_is_well(self):
        blocked = self.create('blocks')
        bad = [self.create('raises'), self.create('leaves'),
               self.create('junk'), self.create('well', 'unruly')]
        for name in bad:
            cluster = self.service.settled(name, 120)
            self.assertEqual('ERROR', cluster['status'], name)
            self.assertTrue(cluster['status_reason'], name)
            self.assertNotIn('Traceback', cluster['status_reason'])
        good = self.create('well')
        self.assertEqual('ACTIVE', self.service.settled(good, 120)['status'])
        # One that goes on for ever ends when somebody wants it to.
        while self.service.get(f'/v1/clusters/{blocked}')[
                'status'] != 'CREATING':
            time.sleep(0.05)
        for name in (blocked, *bad[:3], good):
            self.assertEqual(202, self.service.call(
                'DELETE', f'/v1/clusters/{name}').status)
        for name in (blocked, *bad[:3], good):
            self.assertIsNone(self.service.settled(name, 120), name)
