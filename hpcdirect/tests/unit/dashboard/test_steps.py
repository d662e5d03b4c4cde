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

"""A plan and a deployment give the same rows."""

import testtools

from hpcdirect.dashboard import steps

PLAN = [
    {'kind': 'provision', 'element': '', 'nodes': ['head-0', 'compute-0'],
     'reason': '', 'seconds': 2.0},
    {'kind': 'apply', 'element': 'slurm', 'nodes': ['head-0'],
     'reason': '', 'seconds': None},
    {'kind': 'verify', 'element': 'slurm', 'nodes': ['head-0'],
     'reason': '', 'seconds': 0.5},
    {'kind': 'release', 'element': '', 'nodes': ['compute-1'],
     'reason': '', 'seconds': None}]


def going(one, number):
    """The same step as a deployment's progress has it."""
    return {'id': str(number), 'kind': one['kind'], 'element': one['element'],
            'status': 'RUNNING', 'nodes': len(one['nodes']), 'done': 0,
            'running': one['nodes'], 'failed': [],
            'expected': one['seconds'],
            'started_at': '2026-01-01T00:00:00Z', 'finished_at': None}


class PaceTest(testtools.TestCase):
    """A page and its deployment, asked for one after the other."""

    def test_what_is_followed(self):
        ended = '2026-01-01T00:00:01Z'
        for then, now, expected in (
                (None, None, (True, 2)), (ended, ended, (False, steps.REST)),
                # It ended in between: the page is told so at once.
                (None, ended, (True, steps.SOON))):
            self.assertEqual(expected, steps.pace(
                {'finished_at': then},
                {'finished_at': now, 'poll_seconds': 2 if not now else 30}))
        self.assertEqual((False, steps.REST), steps.pace(None, {}))


class RowsTest(testtools.TestCase):
    """What stands in the rows."""

    def test_the_rows_of_a_plan_are_those_of_its_progress(self):
        planned = steps.rows(PLAN)
        moving = steps.rows(going(one, number)
                            for number, one in enumerate(PLAN))
        self.assertEqual(['machines', 'slurm', 'machines that go'],
                         [row.title for row in planned])
        self.assertEqual([row.title for row in planned],
                         [row.title for row in moving])
        self.assertEqual(
            [[(one.verb, one.nodes, one.expected) for one in row.steps]
             for row in planned],
            [[(one.verb, one.nodes, one.expected) for one in row.steps]
             for row in moving])

    def test_what_is_told_of_a_step(self):
        one = steps.step({
            **going(PLAN[0], 7), 'done': 1, 'failed': ['compute-0'],
            'finished_at': '2026-01-01T00:00:02.5Z'})
        self.assertEqual(('7', 2.5, 0.5, ('compute-0',)),
                         (one.key, one.used, one.fraction, one.names))
        self.assertIsNone(steps.step(going(PLAN[0], 1)).used)
        self.assertEqual('', steps.step(PLAN[0]).key)
