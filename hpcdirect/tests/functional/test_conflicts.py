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

"""Many want different things of one cluster at the same time."""

from concurrent import futures
import itertools

from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import test_turns

WISHES = 50
TOGETHER = 8


class ConflictsTest(test_turns.Case):

    def wish(self, ident, count):
        """Ask for so many nodes; the generation in which that is wanted."""
        answer = self.api.call('PATCH', f'/v1/clusters/{ident}',
                               {'parameters': {'count': count}})
        if answer.status == 409:
            self.assertEqual('cluster_busy', answer.code)
            return None
        self.assertIn(answer.status, (200, 202), answer.body)
        return answer.json['generation']

    def test_last_wish_that_was_accepted_is_what_becomes(self):
        ident = self.create()
        self.conductor()
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        counts = list(itertools.islice(itertools.cycle(range(9)), WISHES))
        wanted = {}

        def wishes():
            with futures.ThreadPoolExecutor(TOGETHER) as pool:
                given = list(pool.map(lambda count: self.wish(ident, count),
                                      counts))
            wanted.update((generation, count) for generation, count
                          in zip(given, counts, strict=True) if generation)
            return len(wanted) > 1

        # All may come while the first of them is carried out.
        local_bed.wait_for(wishes)
        # One that comes when nothing is under way is accepted.
        local_bed.wait_for(lambda: self.wish(ident, 3))
        cluster = self.settled(ident)
        self.assertEqual('ACTIVE', cluster['status'])
        self.assertEqual(3, cluster['parameters']['count'])
        self.assertEqual(3, len(self.get(ident, '/nodes')['nodes']))
        # Each that was accepted has its own generation, and none is lost.
        wanted |= {1: 1, cluster['generation']: 3}
        self.assertEqual(wanted, {
            one['generation']: self.get(
                ident, f'/generations/{one["generation"]}'
            )['parameters']['count']
            for one in self.get(ident, '/generations')['generations']})

    def test_deleted_while_it_is_made_and_changed(self):
        ident = self.create(count=2, seconds=2)
        self.conductor()
        local_bed.wait_for(lambda: any(
            run['status'] == 'RUNNING' for run in self.runs(ident)))
        self.assertIsNone(self.wish(ident, 3))
        self.assertEqual(202, self.api.call(
            'DELETE', f'/v1/clusters/{ident}').status)
        local_bed.wait_for(lambda: self.get(ident) is None, 60)
        self.assertEqual([], list(self.api.backend.leftovers()))
