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

"""Elements that a cluster could have: which, and why not the others."""

import dataclasses
import datetime

from hpcdirect.db import models
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional.test_api_clusters import Case
from hpcdirect.tests.unit.blueprints import folders

PATH = '/v1/clusters/demo'


def element(name, **more):
    return {**folders.MUNGE, 'name': name, 'label': name.title(), **more}


#: Each with why it does not fit at first: kind, and the other element.
EXTRA = {
    'plain': (element('plain', version='2.1.0'), None),
    'rival': (element('rival', conflicts=['slurm']), ('conflict', 'slurm')),
    'upon': (element('upon', requires=['plain']), ('missing', 'plain')),
    # It is on the head, too, where there is no slurm.
    'beside': (element('beside', requires=['people']), ('missing',
                                                        'people')),
    'asking': (element('asking', parameters={
        'type': 'object', 'additionalProperties': False,
        'required': ['where', 'usual'], 'properties': {
            'where': {'type': 'string'},
            'usual': {'type': 'integer', 'default': 1}}}), None),
    'broker': (element('broker', system_accounts=['ann']), None),
}


class CandidatesTests(Case):
    """GET /v1/clusters/{cluster}/candidates"""

    def setUp(self):
        super().setUp()
        for data, _ in EXTRA.values():
            folders.write_element(self.api.folder / 'elements', data)
        self.ident = self.api.create()['id']
        self.api.settle(self.ident)

    def get(self, query='', **more):
        answer = self.api.call('GET', f'{PATH}/candidates{query}', **more)
        self.assertEqual(200, answer.status, answer.body)
        return {one['name']: one for one in answer.json['candidates']}

    def why(self):
        return {name: [(reason['kind'], reason['element'])
                       for reason in one['reasons']]
                for name, one in self.get().items()}

    def patch(self, status=202, **body):
        answer = self.api.call('PATCH', PATH, body)
        self.assertEqual(status, answer.status, answer.body)
        self.api.settle(self.ident)
        return answer

    def test_what_fits_and_what_does_not(self):
        found = self.get()
        self.assertEqual(sorted({*EXTRA, 'munge', 'slurm', 'people'}),
                         list(found))
        expected = {name: [reason] if reason else []
                    for name, (_, reason) in EXTRA.items()}
        self.assertEqual({
            **expected, 'munge': [('present', '')],
            'slurm': [('present', '')], 'people': []}, self.why())
        plain = found['plain']
        self.assertEqual(
            ('2.1.0', 'Plain', 'Trust.', '', True, [], None,
             {'node': ['head', 'compute']}),
            tuple(plain[name] for name in (
                'version', 'label', 'description', 'grade', 'fits', 'asks',
                'typical', 'roles')))
        self.assertEqual('rival and slurm cannot be on one cluster; take '
                         'slurm off first.',
                         found['rival']['reasons'][0]['message'])
        # What is given by nobody has to be asked for; it fits all the same.
        self.assertEqual((True, ['where']), (
            found['asking']['fits'], found['asking']['asks']))
        for word, fits in (('true', True), ('false', False)):
            self.assertEqual(
                [name for name, one in found.items() if one['fits'] == fits],
                list(self.get(f'?fits={word}')))

    def test_what_is_said_is_what_a_change_meets(self):
        for name, one in self.get().items():
            if one['reasons'] and one['reasons'][0]['kind'] != 'present':
                answer = self.patch(400, elements={name: {}})
                self.assertEqual(
                    [reason['message'] for reason in one['reasons']],
                    list(answer.findings.values()), name)
        self.patch(elements={'plain': {}, 'upon': {}, 'asking': {
            'parameters': {'where': 'here'}}, 'slurm': None})
        why = self.why()
        self.assertEqual([('present', '')] * 3, [
            *why['upon'], *why['plain'], *why['asking']])
        # One of the blueprint's that is off can come back, and where it was
        # in the way it is no longer.
        self.assertEqual(([], []), (why['slurm'], why['rival']))
        self.assertEqual({'controller': ['head'], 'compute': ['compute']},
                         self.get()['slurm']['roles'])

    def test_what_is_needed_is_elsewhere(self):
        self.patch(elements={'people': {'roles': {'node': ['head']}}})
        self.assertEqual([('nodes', 'people')], self.why()['beside'])

    def test_names_that_people_have(self):
        self.patch(elements={'people': {}})
        self.patch(users={'ann': {}})
        (reason,) = self.get()['broker']['reasons']
        self.assertEqual('account', reason['kind'])
        self.assertIn('ann', reason['message'])

    def test_a_role_that_no_group_is_for(self):
        many = folders.changed(
            folders.changed(folders.BLUEPRINT, 'name', to='wide'),
            'infrastructure', to={'fake': {'groups': {'head': {},
                                                      'compute': {}}}})
        many = folders.changed(many, 'elements', to=[{'name': 'munge'}])
        many = folders.changed(many, 'login', to='compute')
        folders.write_tree(self.api.folder, many, ())
        folders.noticed(self.api.folder, lambda: [
            one.name for one in self.api.services.catalogue.elements()])
        self.api.create('wide', blueprint='wide')
        found = self.api.call('GET', '/v1/clusters/wide/candidates').json
        (slurm,) = [one for one in found['candidates']
                    if one['name'] == 'slurm']
        self.assertEqual(['role'], [one['kind'] for one in slurm['reasons']])

    def test_everything_wrong_is_told_at_once(self):
        answer = self.patch(400, elements={'rival': {
            'parameters': {'nonsense': 1}, 'roles': {'boss': []}}})
        self.assertEqual({
            f'$.elements.rival{rest}' for rest in (
                '', '.roles', '.roles.boss', '.parameters.nonsense')},
            set(answer.findings))

    def test_how_long_it_takes(self):
        with self.api.database.write() as session:
            deployment = session.query(models.Deployment).one()
            begun = models.now()
            for position, (kind, status, seconds) in enumerate((
                    ('apply', 'SUCCEEDED', 10), ('apply', 'SUCCEEDED', 30),
                    ('apply', 'FAILED', 1), ('apply', 'RUNNING', None),
                    ('verify', 'SUCCEEDED', 500))):
                session.add(models.Step(
                    deployment_id=deployment.id, position=position,
                    kind=kind, element='plain', nodes=[], status=status,
                    started_at=begun, finished_at=seconds and (
                        begun + datetime.timedelta(seconds=seconds))))
        found = self.get(project='ours')
        self.assertEqual({'seconds': 20.0, 'p90': 30.0, 'count': 3,
                          'succeeded': 2}, found['plain']['typical'])
        self.assertIsNone(found['rival']['typical'])

    def test_who_may(self):
        path = f'/v1/clusters/{self.ident}/candidates'
        for more, status in (({'roles': 'reader'}, 200),
                             ({'roles': 'nobody'}, 403),
                             ({'project': 'theirs'}, 404)):
            self.assertEqual(status, self.api.call('GET', path,
                                                   **more).status, more)

    def test_an_element_that_is_gone(self):
        self.patch(elements={'plain': {}})
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            row.desired = dataclasses.replace(row.desired, elements=(
                dataclasses.replace(row.desired.elements[0], version='9'),))
        answer = self.api.call('GET', f'{PATH}/candidates')
        self.assertEqual(409, answer.status)
        self.assertIn('plain@9', answer.json['errors'][0]['detail'])


class MariaDBCandidatesTests(CandidatesTests):
    """The same on MariaDB"""

    def connection(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        return self.useFixture(mariadb.MariaDB()).url
