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

"""Clusters through the front door: made, changed, deleted, fought over."""

from concurrent import futures
import threading
from unittest import mock

import sqlalchemy as sa
import testtools

from hpcdirect.db import models
from hpcdirect.exception import BackendError
from hpcdirect.exception import Finding
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional.api import Api


class Case(testtools.TestCase):
    """A case with an API of its own, on SQLite."""

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(self.connection()))

    def connection(self):
        return ''

    def count(self, model):
        with self.api.database.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(
                model))

    def race(self, count, work):
        """Many threads do *work* at the same moment; what each got."""
        barrier = threading.Barrier(count)

        def begin(number):
            barrier.wait()
            return work(number)

        with futures.ThreadPoolExecutor(count) as pool:
            return list(pool.map(begin, range(count)))


class CreateTests(Case):
    """POST /v1/clusters"""

    def post(self, body, **more):
        return self.api.call('POST', '/v1/clusters', body, **more)

    def test_all_is_written_and_the_conductor_told(self):
        answer = self.post({'name': 'demo', 'blueprint': 'small',
                            'description': 'mine',
                            'parameters': {'compute_count': 3}})
        self.assertEqual(202, answer.status)
        view = answer.json
        self.assertEqual(f'http://api/v1/clusters/{view["id"]}',
                         answer.headers['location'])
        self.assertEqual([view['id']], self.api.conductor.told)
        self.assertEqual(
            ('CREATING', 'fake', 1, 'mine', '1.2.0'),
            tuple(view[key] for key in (
                'status', 'backend', 'generation', 'description',
                'blueprint_version')))
        self.assertEqual(3, view['parameters']['compute_count'])
        self.assertEqual(
            [{'name': 'head', 'count': 1, 'ready': 0, 'slots': ['head-0']},
             {'name': 'compute', 'count': 3, 'ready': 0,
              'slots': ['compute-0', 'compute-1', 'compute-2']}],
            view['node_groups'])
        self.assertEqual(('create', 'QUEUED'), (
            view['deployment']['operation'], view['deployment']['status']))

    def test_deployment_is_signed(self):
        view = self.api.create()
        with self.api.database.read() as session:
            row = session.get_one(models.Deployment,
                                  view['deployment']['id'])
            cluster = session.get_one(models.Cluster, view['id'])
        self.assertTrue(self.api.services.keys.verify(row.signed_part,
                                                      row.signature))
        self.assertEqual(cluster.desired.digest, row.desired_digest)
        self.assertEqual(['member', 'reader'], row.roles)
        self.assertEqual(0.0, cluster.due_at)

    def test_all_findings_in_one_answer(self):
        answer = self.post({
            'name': 'demo', 'blueprint': 'small', 'backend': 'nosuch',
            'parameters': {'compute_count': 99, 'colour': 'red'}})
        self.assertEqual(400, answer.status)
        self.assertEqual(
            {'$.backend', '$.parameters.compute_count',
             '$.parameters.colour'}, set(answer.findings))
        self.assertEqual(0, self.count(models.Cluster))

    def test_findings_of_the_backend(self):
        found = [Finding('no room for 3 nodes', '$.parameters')] * 2
        with mock.patch.object(self.api.backend, 'validate', autospec=True,
                               return_value=found):
            answer = self.post({'name': 'demo', 'blueprint': 'small'})
        self.assertEqual(400, answer.status)
        self.assertEqual(2, len(answer.json['errors'][0]['findings']))
        self.assertEqual(0, self.count(models.Cluster))
        self.assertEqual(0, self.count(models.Event))

    def test_backend_that_does_not_answer(self):
        with mock.patch.object(
                self.api.backend, 'validate', autospec=True,
                side_effect=BackendError(plugin='fake', reason='away')):
            answer = self.post({'name': 'demo', 'blueprint': 'small'})
        self.assertEqual((503, 'unavailable'), (answer.status, answer.code))
        self.assertIn('retry-after', answer.headers)

    def test_unknown_blueprint_is_a_wrong_request(self):
        answer = self.post({'name': 'demo', 'blueprint': 'big@9'})
        self.assertEqual(400, answer.status)
        self.assertEqual({'$.blueprint'}, set(answer.findings))

    def test_backend_that_is_not_enabled(self):
        answer = self.post({'name': 'demo', 'blueprint': 'small',
                            'backend': 'other'})
        self.assertEqual({'$.backend'}, set(answer.findings))

    def test_names(self):
        for name in ('1st', '', 'a' * 64, 'a b', 'a\n', '-a', 'ä', 'a/b',
                     'a\x00', None, 5, ['a']):
            answer = self.post({'name': name, 'blueprint': 'small'})
            self.assertEqual(400, answer.status, name)
        for name in ('a', 'A.b_c-9', 'b' * 63):
            self.api.create(name)

    def test_name_is_unique_in_a_project_while_it_lives(self):
        first = self.api.create()
        answer = self.post({'name': 'demo', 'blueprint': 'small'})
        self.assertEqual((409, 'duplicate_name'),
                         (answer.status, answer.code))
        self.api.create(project='theirs')
        with self.api.database.write() as session:
            session.get_one(models.Cluster,
                            first['id']).deleted = first['id']
        self.api.create()

    def test_bodies_that_are_no_json(self):
        for body in (b'', b'{', b'[]', b'"x"', b'\xff', b'{"name": NaN}',
                     b'{"name": 1e999}', b'{"name": "a", "name": "b"}',
                     b'[' * 5000, b'{"a":' * 40 + b'1' + b'}' * 40,
                     b'{"name": "\\ud800"}', b'9' * 5000):
            answer = self.post(body)
            self.assertEqual((400, 'invalid'), (answer.status, answer.code),
                             body[:20])
        self.assertEqual(415, self.post(b'{}', CONTENT_TYPE='text/plain')
                         .status)
        self.assertEqual(413, self.post(b' ' * (1024 * 1024 + 1)).status)
        self.assertEqual(0, self.count(models.Cluster))

    def test_body_keys_are_no_arguments(self):
        answer = self.post({'name': 'demo', 'blueprint': 'small',
                            'self': 1, 'body': {}, '_method': 'delete'})
        self.assertEqual({'$.self', '$.body', '$._method'},
                         set(answer.findings))


class IdempotencyTests(Case):
    """POST /v1/clusters with an Idempotency-Key"""

    BODY = {'name': 'demo', 'blueprint': 'small'}  # noqa: RUF012

    def post(self, body, key, **more):
        if key:
            more['IDEMPOTENCY_KEY'] = key
        return self.api.call('POST', '/v1/clusters', body, **more)

    def test_again_is_the_same_cluster(self):
        first = self.post(self.BODY, 'k')
        again = self.post(self.BODY, 'k')
        self.assertEqual([202, 202], [first.status, again.status])
        self.assertEqual(first.json['id'], again.json['id'])
        self.assertEqual(1, self.count(models.Deployment))

    def test_again_when_the_backend_has_no_room_any_more(self):
        first = self.post(self.BODY, 'k')
        with mock.patch.object(self.api.backend, 'validate', autospec=True,
                               return_value=[Finding('full')]):
            again = self.post(self.BODY, 'k')
        self.assertEqual(first.json['id'], again.json['id'])

    def test_another_body_is_refused(self):
        self.post(self.BODY, 'k')
        answer = self.post({**self.BODY, 'name': 'other'}, 'k')
        self.assertEqual((409, 'idempotency_key_reused'),
                         (answer.status, answer.code))

    def test_another_project_has_keys_of_its_own(self):
        first = self.post(self.BODY, 'k')
        other = self.post(self.BODY, 'k', project='theirs')
        self.assertNotEqual(first.json['id'], other.json['id'])

    def test_key_of_a_refused_request_is_free(self):
        self.assertEqual(400, self.post({'name': 'x', 'blueprint': 'no'},
                                        'k').status)
        self.assertEqual(202, self.post(self.BODY, 'k').status)

    def test_keys_that_are_none(self):
        for key in ('x' * 256, 'a b', 'ä'):
            self.assertEqual(400, self.post(self.BODY, key).status)

    def test_race_makes_one_cluster(self):
        for number in range(3):
            body = {**self.BODY, 'name': f'demo{number}'}
            answers = self.race(8, lambda _, body=body: self.post(
                body, body['name']))
            self.assertEqual({202}, {one.status for one in answers})
            self.assertEqual(1, len({one.json['id'] for one in answers}))
        self.assertEqual(3, self.count(models.Cluster))
        self.assertEqual(3, self.count(models.Deployment))

    def test_race_for_a_name_without_keys(self):
        answers = self.race(8, lambda _: self.post(self.BODY, ''))
        self.assertEqual([202] + [409] * 7,
                         sorted(one.status for one in answers))
        self.assertEqual(1, self.count(models.Cluster))
        self.assertEqual(1, self.count(models.Deployment))


class ChangeTests(Case):
    """PATCH, DELETE, and trying again"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        self.path = f'/v1/clusters/{self.ident}'

    def patch(self, **body):
        return self.api.call('PATCH', self.path, body)

    def slots(self, view, group='compute'):
        return {one['name']: one['slots']
                for one in view['node_groups']}[group]

    def test_scale(self):
        self.api.settle(self.ident)
        view = self.patch(node_groups={'compute': {'count': 4}}).json
        self.assertEqual(('UPDATING', 2, 'scale'), (
            view['status'], view['generation'],
            view['deployment']['operation']))
        self.assertEqual(4, view['parameters']['compute_count'])
        self.api.settle(self.ident)
        view = self.patch(node_groups={'compute': {
            'slots': ['compute-0', 'compute-2']}}).json
        self.assertEqual(['compute-0', 'compute-2'], self.slots(view))
        self.assertEqual(2, view['parameters']['compute_count'])

    def test_parameters(self):
        self.api.settle(self.ident)
        view = self.patch(parameters={'memory': 1024}).json
        self.assertEqual((1024, 2, 'update'), (
            view['parameters']['memory'],
            view['parameters']['compute_count'],
            view['deployment']['operation']))
        self.assertEqual([self.ident] * 2, self.api.conductor.told)

    def test_nothing_changes(self):
        self.api.settle(self.ident)
        answer = self.patch(node_groups={'compute': {'count': 2}})
        self.assertEqual((200, 1), (answer.status,
                                    answer.json['generation']))

    def test_description_needs_no_rest(self):
        answer = self.patch(description='new')
        self.assertEqual((200, 'new', 'CREATING'), (
            answer.status, answer.json['description'],
            answer.json['status']))

    def test_busy(self):
        answer = self.patch(parameters={'memory': 1024})
        self.assertEqual((409, 'cluster_busy'), (answer.status, answer.code))

    def test_all_findings(self):
        self.api.settle(self.ident)
        answer = self.patch(parameters={'memory': 'x', 'nosuch': 1},
                            node_groups={'compute': {'count': 1000},
                                         'head': {'slots': ['x-1']}})
        self.assertEqual(400, answer.status)
        self.assertEqual(
            {'$.parameters.memory', '$.parameters.nosuch',
             '$.node_groups.compute', '$.node_groups.head.slots'},
            set(answer.findings))

    def test_backend_is_asked_when_it_grows_only(self):
        self.api.settle(self.ident)
        with mock.patch.object(self.api.backend, 'validate', autospec=True,
                               return_value=[Finding('full')]) as asked:
            self.assertEqual(202, self.patch(
                node_groups={'compute': {'count': 1}}).status)
            self.api.settle(self.ident)
            self.assertEqual(400, self.patch(
                node_groups={'compute': {'count': 5}}).status)
        self.assertEqual(1, asked.call_count)
        self.assertEqual(6, len(asked.call_args.args[0].slots))

    def test_race_of_changes_has_one_winner(self):
        self.api.settle(self.ident)
        answers = self.race(8, lambda number: self.patch(
            parameters={'memory': 1000 + number}))
        self.assertEqual([202] + [409] * 7,
                         sorted(one.status for one in answers))
        view = self.api.call('GET', self.path).json
        self.assertEqual(2, view['generation'])

    def test_delete_in_any_state(self):
        for status in ('CREATING', 'UPDATING', 'ACTIVE', 'ERROR'):
            ident = self.api.create(f'in{status}')['id']
            self.api.settle(ident, status)
            answer = self.api.call('DELETE', f'/v1/clusters/{ident}')
            self.assertEqual((202, 'DELETING', 'delete'), (
                answer.status, answer.json['status'],
                answer.json['deployment']['operation']))

    def test_delete_takes_the_place_of_what_goes_on(self):
        self.api.call('DELETE', self.path)
        rows = self.api.call('GET', f'{self.path}/deployments').json
        self.assertEqual(
            [('delete', 'QUEUED', 2), ('create', 'SUPERSEDED', 1)],
            [(one['operation'], one['status'], one['generation'])
             for one in rows['deployments']])

    def test_delete_again_does_nothing_more(self):
        self.api.call('DELETE', self.path)
        answer = self.api.call('DELETE', self.path)
        self.assertEqual((202, 2), (answer.status,
                                    answer.json['generation']))
        self.assertEqual(2, self.count(models.Deployment))

    def test_race_of_deletes(self):
        answers = self.race(6, lambda _: self.api.call('DELETE', self.path))
        self.assertEqual({202}, {one.status for one in answers})
        self.assertEqual(2, self.count(models.Deployment))

    def test_what_is_to_go_takes_no_change(self):
        self.api.call('DELETE', self.path)
        self.api.settle(self.ident, 'ERROR')
        answer = self.patch(parameters={'memory': 1024})
        self.assertEqual((409, 'conflict'), (answer.status, answer.code))

    def test_gone(self):
        with self.api.database.write() as session:
            row = session.get_one(models.Cluster, self.ident)
            row.deleted, row.status = row.id, 'DELETED'
        for method in ('GET', 'DELETE'):
            self.assertEqual(404, self.api.call(method, self.path).status)
        # What was done stays to be read.
        rows = self.api.call('GET', f'/v1/deployments?cluster={self.ident}')
        self.assertEqual(1, len(rows.json['deployments']))

    def retry(self):
        return self.api.call('POST', f'{self.path}/deployments',
                             {'operation': 'retry'})

    def test_retry(self):
        self.assertEqual((409, 'cluster_busy'),
                         (self.retry().status, self.retry().code))
        self.api.settle(self.ident, 'ERROR')
        answer = self.retry()
        self.assertEqual((202, 'retry', 1), (
            answer.status, answer.json['operation'],
            answer.json['generation']))
        self.assertEqual('UPDATING',
                         self.api.call('GET', self.path).json['status'])

    def test_retry_of_a_failed_delete_deletes(self):
        self.api.call('DELETE', self.path)
        self.api.settle(self.ident, 'ERROR')
        self.retry()
        self.assertEqual('DELETING',
                         self.api.call('GET', self.path).json['status'])

    def test_blueprint_is_gone(self):
        self.api.settle(self.ident)
        with self.api.database.write() as session:
            session.get_one(models.Cluster,
                            self.ident).blueprint_version = '0.1'
        answer = self.patch(parameters={'memory': 1024})
        self.assertEqual((409, 'conflict'), (answer.status, answer.code))
        self.assertEqual(200, self.api.call('GET', self.path).status)
        self.assertEqual(202, self.api.call('DELETE', self.path).status)


class _OnMariaDB:
    def connection(self):
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        return self.useFixture(mariadb.MariaDB()).url


class MariaDBIdempotencyTests(_OnMariaDB, IdempotencyTests):
    """The same on MariaDB."""


class MariaDBChangeTests(_OnMariaDB, ChangeTests):
    """The same on MariaDB."""
