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

"""What a page asks the service: twice at most, and a poll once."""

import pathlib
import re

from openstack import exceptions

from hpcdirect import dashboard
from hpcdirect.tests.ui import base

_PANELS = pathlib.Path(dashboard.__file__).parent / 'panels'
#: Panel -> where its pages begin.
_BEGIN = {'overview': '/project/hpc/', 'admin': '/admin/hpc/',
          'blueprints': '/project/hpc_blueprints/',
          'clusters': '/project/hpc_clusters/'}
#: Asked by the script, again and again.
_POLLS = {'overview/poll', 'overview/capacity', 'admin/leftovers',
          'clusters/rows', 'clusters/<hpc:cluster>/live',
          'clusters/<hpc:cluster>/numbers',
          'blueprints/<hpc:blueprint>/review'}
#: Answered to POST alone.
_POSTS = {'clusters/<hpc:cluster>/act', 'clusters/<hpc:cluster>/apply',
          'clusters/<hpc:cluster>/label',
          'clusters/<hpc:cluster>/users/table'}
#: End of a path -> what it is asked.
_QUERIES = {'numbers': '?names=cpu', 'compare': '?before=1&after=1'}


def views():
    """Every view: panel and path, as its urls have it."""
    for panel in _BEGIN:
        for path in re.findall(r"\bpath\('([^']*)'",
                               (_PANELS / panel / 'urls.py').read_text()):
            yield panel, path


class CallsTest(base.UiTest):
    """The lines that the service writes for what it is asked."""

    def setUp(self):
        super().setUp()
        # The first page after a login polls; before what is counted.
        self.contexts = {person: self.window(person).context
                         for person in ('alice', 'admin')}
        self.made = base.service('alice').wait(self.cluster(
            blueprint='slurm', parameters={'users': [{'name': 'ada'}]}),
            timeout=60)

    def asked(self, person, path, form=None, follow=0):
        """What the service is asked for a path of the portal.

        :param form: what is posted.
        """
        log = base.service_log()
        before = log.stat().st_size
        context = self.contexts[person]
        if form is not None:
            token = next(one['value'] for one in context.cookies()
                         if one['name'].startswith('csrftoken'))
            form = {'csrfmiddlewaretoken': token, **form}
        answer = context.request.fetch(
            path, method='GET' if form is None else 'POST', form=form,
            headers={'Referer': base.PORTAL}, max_redirects=follow)
        self.assertIn(answer.status, (200, 302), path)
        self.shown = answer.text()
        with log.open('rb') as lines:
            lines.seek(before)
            return re.findall(r'"([A-Z]+ /v1[^"]*)" \d', lines.read().decode())

    def place(self, panel, path):
        """Where a view is, of the cluster or of its blueprint."""
        return _BEGIN[panel] + path.replace(
            '<hpc:cluster>', self.made.id).replace('<hpc:blueprint>', 'slurm')

    def test_every_view(self):
        found = {}
        for panel, path in views():
            where = f'{panel}/{path}'
            # What the cloud offers is asked of the cloud.
            if where in _POSTS or path.endswith((
                    'review', 'gone', '<hpc:source>')):
                continue
            query = next((query for name, query in _QUERIES.items()
                          if path.endswith(name)), '')
            found[where] = self.asked(
                'admin' if panel == 'admin' else 'alice',
                self.place(panel, path) + query)
        self.assertEqual({}, {
            where: calls for where, calls in found.items()
            if not 1 <= len(calls) <= (1 if where in _POLLS else 2)})

    def test_polls_of_what_moves(self):
        live = self.place('clusters', '<hpc:cluster>/live')
        deployment = self.made.deployment['id']
        for query in ('?going=1', '?going=1&steps=1', '?picture=1',
                      '?going='):
            self.assertEqual(1, len(self.asked(
                'alice', f'{live}{query}&deployment={deployment}')), query)

    def test_what_is_typed(self):
        launch = self.place('blueprints', '<hpc:blueprint>/launch')
        self.asked('alice', launch)
        self.assertIn('hpc-launch', self.shown)
        typed = {'name': self.name()}
        self.assertEqual(['POST /v1/plans'], self.asked(
            'alice', self.place('blueprints', '<hpc:blueprint>/review'),
            typed))
        self.assertEqual(['POST /v1/plans'], self.asked(
            'alice', launch, {**typed, 'do': 'review'}))
        # One that is refused, and one that is made.
        for name in (self.made.name, typed['name']):
            self.assertEqual(['POST /v1/clusters'], self.asked(
                'alice', launch, {'name': name, 'do': 'launch'}))
        self.asked('alice', self.place('clusters', '<hpc:cluster>/settings'))
        for name, form in (
                ('settings', {}), ('users/table', {
                    'table': 'name\nada'}), ('plan', {
                    'wish': 'remove-element', 'element': 'openmpi'}),
                ('delete', {'name': 'another', 'shown': self.made.name})):
            self.assertLessEqual(len(self.asked('alice', self.place(
                'clusters', f'<hpc:cluster>/{name}'), form)), 2, name)

    def test_one_that_is_gone(self):
        hpc = base.service('alice')
        self.assertRaises(
            exceptions.NotFoundException, hpc.wait,
            hpc.delete_cluster(self.made.id), timeout=60)
        there = self.place('clusters', '<hpc:cluster>/')
        self.assertEqual(1, len(self.asked('alice', there)))
        self.assertEqual(2, len(self.asked('alice', f'{there}gone')))
