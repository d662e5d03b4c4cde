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

"""A failure says what helps, and that can be done."""

import itertools
import shlex

from hpcdirect import exception
from hpcdirect.api.schemas import clusters
from hpcdirect.api.schemas import deployments
from hpcdirect.conductor import failures
from hpcdirect.db import models
from hpcdirect.states import FailureCode
from hpcdirect.tests.functional import served

#: What somebody says, by what a remedy needs.
GIVEN = {'parameters': {'parameters': {'memory': 1024}},
         'generation': {'generation': 1}}
TYPED = {'NAME=VALUE': 'memory=1024', 'NUMBER': '1'}
SHOWN = clusters.SHOW['properties']


def kinds():
    """Every code that a failure can have, and every class."""
    return [*((code, name) for code, name in itertools.product(
        (FailureCode.ELEMENT_FAILED,), failures.NAMES)),
        *((code, '') for code in FailureCode), ('new', 'new'),
        (FailureCode.ELEMENT_FAILED, 'new')]


class RemediesTest(served.ServedTest):

    def failed(self, *found, operation=None):
        """The cluster's only deployment fails with these codes, classes."""
        with self.api.database.write() as session:
            row = session.query(models.Deployment).filter_by(
                cluster_id=self.ident).order_by(
                    models.Deployment.created_at.desc()).first()
            row.status = 'FAILED'
            # Part of what is signed.
            row.operation = operation or row.operation
            row.failures = [{
                'code': code, 'class': name, 'message': 'no',
                'element': '', 'node': 'compute-0', 'task': '', 'step': '',
                'hint': 'Do.', 'run_id': None} for code, name in found]
            session.get_one(models.Cluster, self.ident).status = 'ERROR'
            return row.id

    def told(self):
        """What helps against each failure, the same wherever it is shown."""
        cluster = self.hpc.get_cluster('demo')
        deployment = cluster.deployment['id']
        found = [cluster.failures,
                 next(self.hpc.clusters()).failures,
                 self.hpc.summary()['failing'][0]['failures'],
                 self.hpc.get_deployment(deployment).failures,
                 next(self.hpc.deployments()).failures,
                 self.hpc.get_progress(deployment)['failures']]
        for one in found[1:]:
            self.assertEqual(found[0], one)
        return [one['next'] for one in found[0]]

    def test_every_code(self):
        self.failed(*kinds())
        for kind, found in zip(kinds(), self.told(), strict=True):
            self.assertEqual(kind[0] == 'replayed', not found, kind)
            for one in found:
                self.assertIn(one['operation'], SHOWN['allowed']['properties'])
            words = [(one['operation'], *one['needs']) for one in found]
            self.assertEqual(len(set(words)), len(words), kind)

    def test_nothing_is_left_out_or_unheard_of(self):
        self.assertEqual(set(failures.NAMES), set(deployments.BY_CLASS))
        self.assertEqual(set(FailureCode) - {FailureCode.ELEMENT_FAILED},
                         set(deployments.BY_CODE))
        # What ends a deployment as an exception.
        ends = [exception.Refused, exception.NotAsOrdered]
        for kind in ends:
            ends += kind.__subclasses__()
            self.assertIn(kind.code, list(FailureCode))

    def test_what_is_to_go_takes_no_other_wish(self):
        self.failed(*kinds(), operation='delete')
        for kind, found in zip(kinds(), self.told(), strict=True):
            self.assertEqual(kind[0] == 'replayed', not found, kind)
            self.assertNotIn('update', [one['operation'] for one in found])

    def test_it_can_be_done(self):
        """As a client does it, and as the command that is printed."""
        seen = set()
        for kind in kinds():
            self.failed(kind)
            for one in self.told()[0]:
                words = (one['operation'], *one['needs'])
                if words in seen or one['operation'] == 'delete':
                    continue
                seen.add(words)
                self.failed(kind)
                change = {key: value for need in one['needs']
                          for key, value in GIVEN.get(need, {}).items()}
                self.hpc.remedy('demo', one, **change)
                self.assertTrue(self.hpc.get_cluster('demo').status in (
                    'UPDATING', 'CHECKING'), words)
        self.assertTrue({('retry',), ('retry', 'cause'), ('repair',),
                         ('update', 'parameters'), ('update', 'generation'),
                         } <= seen, seen)
        self.hpc.remedy('demo', {'operation': 'delete', 'needs': []})
        self.assertEqual('DELETING', self.hpc.get_cluster('demo').status)

    def test_the_commands_that_are_printed(self):
        ident = self.failed(*kinds())
        _, err = self.shown('deployment', 'show', ident)
        typed = {line.partition('Next: ')[2] for line in err.splitlines()
                 if 'Next: ' in line}
        prefix = 'openstack hpc cluster'
        self.assertEqual({
            f'{prefix} retry {self.ident}',
            f'{prefix} retry {self.ident} # once that is mended',
            f'{prefix} repair {self.ident}',
            f'{prefix} update {self.ident} --parameter NAME=VALUE',
            f'{prefix} rollback {self.ident} NUMBER',
            f'{prefix} delete {self.ident}'}, typed)
        for line in sorted(typed, key=lambda one: 'delete' in one):
            self.failed((FailureCode.INTERNAL, ''))
            words = shlex.split(line, comments=True)
            self.shown(*(TYPED.get(word, word) for word in words[2:]))
        self.assertEqual('DELETING', self.hpc.get_cluster('demo').status)
