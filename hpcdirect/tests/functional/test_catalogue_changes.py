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

"""What is carried out is what was ordered, whatever became of the catalogue.

A version should never change; an operator, or a release, may change it all
the same.
"""

import contextlib

import yaml

from hpcdirect.db import models
from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import test_trust


class Case(test_trust.Case):

    def change(self, element='mark'):
        """Other files of the same version; the file and what it said."""
        file = self.blueprints / f'elements/{element}/apply.yaml'
        before = file.read_text()
        file.write_text(yaml.safe_dump([{'name': 'Something else',
                                         'hosts': f'{element}_node'}]))
        return file, before

    def restart(self):
        """At once all is seen as it is now, by a new process."""
        self.service.stop()
        self.service.start()

    def order_and_change(self):
        """The files are replaced between the order and its beginning."""
        self.service.start(HPCDIRECT_FAILPOINT='rpc.cast/before')
        with contextlib.suppress(OSError):
            self.service.create('demo', 'tiny', count=1)
        self.service.died()
        changed = self.change()
        self.service.start()
        return changed

    def retry(self):
        self.ask('POST', '/v1/clusters/demo/deployments',
                 {'operation': 'retry'})
        return self.settled()


class WaitingTest(Case):
    """There may be a conductor that has what was ordered."""

    def waits(self, file, before):
        """It says why, and goes on when the files are put back."""
        words = 'blueprint tiny@1.0.0 is not what it was when it was ordered'
        self.told(words)
        cluster = self.service.get('/v1/clusters/demo')
        self.assertEqual('CREATING', cluster['status'])
        self.assertIn(words, cluster['status_reason'])
        self.assertEqual([], self.read(models.Layer))
        file.write_text(before)
        self.restart()
        self.assertEqual(1, self.settled()['generation'])

    def digest(self):
        return self.service.get('/v1/elements/mark')['digest']

    def test_files_are_replaced_before_it_begins(self):
        changed = self.order_and_change()
        self.waits(*changed)

    def test_files_are_replaced_in_the_middle(self):
        self.service.start()
        self.service.create('demo', 'tiny', count=1, delay=3600)
        self.told('BUILDING')
        before = self.digest()
        changed = self.change()
        # Until then only a runner that plays them would see it.
        self.until(lambda: self.digest() != before)
        fakes.come(self.service.folder)
        self.waits(*changed)

    def test_it_goes_all_the_same(self):
        self.order_and_change()
        self.ask('DELETE', '/v1/clusters/demo')
        self.assertIsNone(self.service.settled('demo'))


class FailingTest(Case):
    """There is none."""

    def options(self):
        return {'conductor': {'catalogue_timeout': 0}}

    def assertChanged(self, what):
        cluster = self.settled('ERROR')
        failure, = cluster['failures']
        self.assertEqual('catalogue_changed', failure['code'])
        self.assertIn(f'Nothing was done: {what} is not what it was when it '
                      'was ordered', failure['message'])
        self.assertIn('Put its files back and retry', failure['hint'])

    def test_a_retry_takes_what_is_there(self):
        self.order_and_change()
        self.assertChanged('blueprint tiny@1.0.0')
        self.assertEqual([], self.machines())
        # Something else is wanted by it, so it is another generation.
        self.assertEqual(2, self.retry()['generation'])
        self.assertEqual(2, self.retry()['generation'])

    def test_an_element_that_was_added(self):
        element = self.blueprints / 'elements/mark'
        more = self.blueprints / 'elements/more'
        more.mkdir()
        for file in element.iterdir():
            (more / file.name).write_text(
                file.read_text().replace('mark', 'more'))
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        self.service.stop()
        self.service.start(HPCDIRECT_FAILPOINT='rpc.cast/before')
        with contextlib.suppress(OSError):
            self.service.call('PATCH', '/v1/clusters/demo', {
                'elements': {'more': {}}})
        self.service.died()
        self.change('more')
        self.service.start()
        self.assertChanged('element more@1.0.0')
        self.assertEqual(['mark'], self.elements())
        self.retry()
        self.assertEqual(['mark', 'more'], self.elements())
        # No change of what is wanted that its owner would see.
        self.assertEqual([], self.service.get(
            '/v1/clusters/demo/generations/3?against=2')['differences'])

    def elements(self):
        return sorted(row['element'] for row in self.read(models.Layer))

    def test_a_cluster_that_rests(self):
        """Its next change is made from what is there, as its plan says."""
        self.service.start()
        self.service.create('demo', 'tiny', count=1)
        self.settled()
        before, = self.read(models.Layer)
        self.change()
        self.restart()
        change = {'node_groups': {'node': {'count': 2}}}
        plan = self.ask('POST', '/v1/plans', {
            'cluster': 'demo', 'change': change}, 200)
        self.assertIn(('in place', 'mark', ['node-0']), [
            (one['verdict'], one['subject'], one['nodes'])
            for one in plan['changes']])
        self.ask('PATCH', '/v1/clusters/demo', {'plan': plan['id']})
        self.settled()
        self.assertNotIn(before['digest'], [
            row['digest'] for row in self.read(models.Layer)])
        # What is the same is no change, whatever the catalogue says.
        self.change()
        self.ask('PATCH', '/v1/clusters/demo', change, 200)
