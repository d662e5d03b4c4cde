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

"""GET /v1/leftovers: what there is in a cloud that nobody has."""

from hpcdirect.backends.fake import FakeBackend
from hpcdirect.db import models
from hpcdirect.exception import BackendUnavailable
from hpcdirect.tests.functional import local_bed as bed
from hpcdirect.tests.functional.test_api_clusters import Case


class Broken(FakeBackend):
    """Does not tell."""

    def __init__(self, conf, fault):
        super().__init__(conf)
        self._fault = fault

    def leftovers(self):
        yield from super().leftovers()
        raise self._fault


class LeftoverTests(Case):

    def get(self, query='', status=200, **more):
        answer = self.api.call('GET', f'/v1/leftovers{query}',
                               **{'roles': 'admin', **more})
        self.assertEqual(status, answer.status, answer.body)
        return answer.json.get('backends')

    def machine(self, cluster_id):
        self.api.backend.ensure(bed.request('n-0', cluster_id=cluster_id))

    def test_of_clusters_that_are_no_more(self):
        self.assertEqual([{'name': 'fake', 'leftovers': [], 'reason': ''}],
                         self.get())
        alive, gone = (self.api.create(name)['id'] for name in ('a', 'b'))
        with self.api.database.write() as session:
            session.get_one(models.Cluster, gone).deleted = gone
        for ident in (alive, gone, 'of-others'):
            self.machine(ident)
        (fake,) = self.get()
        one = {'kind': 'machine', 'ref': 'n-0', 'project_id': ''}
        self.assertEqual(sorted([
            (gone, {'cluster_id': gone, 'known': True, **one}),
            ('of-others', {'cluster_id': 'of-others', 'known': False, **one})
        ], key=str), sorted([
            (left['cluster_id'], left) for left in fake['leftovers']],
            key=str))
        # Nothing was taken away.
        self.assertEqual(3, len(list(self.api.backend.leftovers())))

    def test_one_that_cannot_tell_spares_the_others(self):
        self.machine('of-others')
        away = BackendUnavailable(plugin='away', reason='no')
        self.api.services.backends.update(
            away=Broken(self.api.conf, away),
            broken=Broken(self.api.conf, ValueError('a secret')))
        told = {one['name']: one for one in self.get()}
        self.assertEqual(1, len(told['fake']['leftovers']))
        self.assertEqual(([], 'away: no'), (
            told['away']['leftovers'], told['away']['reason']))
        self.assertIn('only the service', told['broken']['reason'])
        self.assertNotIn('secret', str(told))
        self.assertEqual(['away'], [
            one['name'] for one in self.get('?backend=away')])
        self.get('?backend=nosuch', 400)

    def test_for_the_operator(self):
        for roles in ('manager', 'member', 'reader', 'service'):
            self.get(status=403, roles=roles)
