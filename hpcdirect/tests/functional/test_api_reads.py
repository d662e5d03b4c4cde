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

"""Everything that is read through the front door."""

import datetime
import queue
import threading
import time
import urllib.parse

from openapi_spec_validator import validate
import sqlalchemy as sa
import testtools

from hpcdirect.api.controllers import root
from hpcdirect.blueprints import grading
from hpcdirect.blueprints.model import Grade
from hpcdirect.db import models
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import rows
from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.unit.blueprints import folders


class Case(testtools.TestCase):
    """A case with an API of its own."""

    connection = staticmethod(lambda: '')

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(self.connection()))

    def get(self, path, **more):
        answer = self.api.call('GET', path, **more)
        self.assertEqual(200, answer.status, answer.body)
        return answer.json

    def refused(self, path, *where):
        answer = self.api.call('GET', path)
        self.assertEqual((400, set(where)),
                         (answer.status, set(answer.findings)))


class ListTests(Case):
    """Paging, sorting, filters and fields"""

    def setUp(self):
        super().setUp()
        self.names = [f'{letter}{number}' for letter in 'ab'
                      for number in range(5)]
        self.idents = [self.api.create(name)['id'] for name in self.names]
        self.api.create('theirs', project='theirs')

    def names_of(self, query='', **more):
        return [one['name'] for one in self.get(
            f'/v1/clusters{query}', **more)['clusters']]

    def walk(self, query):
        """Every page, by the links alone."""
        found, path, pages = [], f'/v1/clusters?{query}', 0
        while path:
            page = self.get(path)
            found += [one['name'] for one in page['clusters']]
            links = {one['rel']: one['href'] for one in page['links']}
            path = links.get('next', '').removeprefix('http://api')
            pages += 1
        return found, pages

    def test_newest_first(self):
        self.assertEqual(self.names[::-1], self.names_of())

    def test_pages(self):
        for limit, pages in ((1, 10), (3, 4), (5, 2), (10, 1), (11, 1)):
            self.assertEqual((self.names[::-1], pages),
                             self.walk(f'limit={limit}'))

    def test_pages_sorted_by_what_is_equal(self):
        found, _ = self.walk('limit=3&sort=status:asc,name:desc')
        self.assertEqual(self.names[::-1], found)
        found, _ = self.walk('limit=3&sort=status')
        self.assertEqual(sorted(self.names), sorted(found))

    def test_page_goes_on_though_the_list_changes(self):
        page = self.get('/v1/clusters?limit=4')
        marker = page['clusters'][-1]['id']
        self.api.create('new')
        self.assertEqual(self.names[5::-1],
                         self.names_of(f'?marker={marker}'))

    def test_marker(self):
        self.refused('/v1/clusters?marker=nosuch', '$.marker')
        theirs = self.api.call('GET', '/v1/clusters/theirs',
                               project='theirs').json['id']
        self.refused(f'/v1/clusters?marker={theirs}', '$.marker')

    def test_limits(self):
        for limit in ('0', '1001', 'x', '-1', '', '9' * 30, '1.5'):
            self.refused(f'/v1/clusters?limit={limit}', '$.limit')

    def test_queries_that_are_wrong(self):
        self.refused('/v1/clusters?colour=red&limit=x', '$.colour',
                     '$.limit')
        self.refused('/v1/clusters?sort=desired', '$.sort')
        self.refused('/v1/clusters?fields=owner', '$.fields')
        self.refused('/v1/clusters?status=FINE', '$.status')
        self.refused('/v1/clusters?name=a0&name=a1', '$.name')
        self.refused('/v1/clusters/a0?x=1', '$.x')
        self.assertEqual(400, self.api.call(
            'GET', '/v1/clusters?name=%ff').status)
        self.assertEqual(400, self.api.call(
            'GET', '/v1/clusters/%ff').status)

    def test_filters(self):
        self.assertEqual(['a3'], self.names_of('?name=a3'))
        self.api.settle(self.idents[2])
        self.assertEqual(['a2'], self.names_of('?status=ACTIVE'))
        self.assertEqual([], self.names_of('?backend=heat'))

    def test_fields(self):
        page = self.get('/v1/clusters?fields=name,id&limit=1')
        self.assertEqual({'name', 'id'}, set(page['clusters'][0]))

    def test_all_projects(self):
        answer = self.api.call('GET', '/v1/clusters?all_projects=true')
        self.assertEqual(403, answer.status)
        self.assertEqual(10, len(self.names_of(roles='admin')))
        self.assertEqual(11, len(self.names_of('?all_projects=true',
                                               roles='admin')))

    def test_as_many_queries_for_many_as_for_one(self):
        for ident in self.idents:
            rows.converged(self.api.database, ident)
        sent = []
        sa.event.listen(self.api.database.engine, 'after_cursor_execute',
                        lambda *given: sent.append(given[2]))
        self.get('/v1/clusters?limit=1')
        one = len(sent)
        self.get('/v1/clusters')
        self.assertEqual(one, len(sent) - one, sent)
        self.assertFalse([line for line in sent
                          if line.startswith('SELECT count(*)')])

    def asked(self, path):
        """The statements that a request makes, but for marks of its own."""
        sent = []

        def execute(conn, cursor, statement, parameters, context, many):
            if 'FROM' in statement:
                sent.append(statement)

        engine = self.api.database.engine
        sa.event.listen(engine, 'after_cursor_execute', execute)
        try:
            entries = self.get(path)
        finally:
            sa.event.remove(engine, 'after_cursor_execute', execute)
        return sent, entries

    def test_fields_save_what_they_leave_out(self):
        rows.converged(self.api.database, self.idents[0])
        path = f'/v1/clusters/{self.idents[0]}'
        self.assertEqual(2, len(self.asked(path)[0]))
        self.assertEqual(2, len(self.asked('/v1/clusters')[0]))
        sent, _ = self.asked('/v1/clusters?fields=id,name,status')
        self.assertEqual(1, len(sent), sent)
        self.assertNotIn('desired', sent[0])
        for name, kept, number in (
                ('deployments', 'status', 1), ('runs', 'verb', 1),
                ('clusters/a0/nodes', 'name', 2),
                ('clusters/a0/layers', 'node', 2),
                ('clusters/a0/generations', 'generation', 2)):
            sent, _ = self.asked(f'/v1/{name}?fields={kept}')
            self.assertEqual(number, len(sent), sent)
            for column in ('summary', 'failures', 'ssh', 'inputs', 'desired'):
                self.assertNotIn(f'.{column}', sent[-1])

    def test_each_field_by_itself(self):
        """What a field takes is read, whichever are asked for."""
        rows.converged(self.api.database, self.idents[0])
        for path, key in (
                ('clusters', 'clusters'), ('deployments', 'deployments'),
                ('runs', 'runs'), ('events', 'events'),
                ('clusters/a0/nodes', 'nodes'),
                ('clusters/a0/layers', 'layers'),
                ('clusters/a0/generations', 'generations')):
            whole = self.get(f'/v1/{path}')[key]
            self.assertNotEqual([], whole)
            for name in whole[0]:
                self.assertEqual(
                    [{name: one[name]} for one in whole],
                    self.get(f'/v1/{path}?fields={name}')[key], name)


class ViewTests(Case):
    """What is told of a cluster and all that belongs to it"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        self.run = rows.converged(self.api.database, self.ident)

    def test_cluster(self):
        for path in ('demo', self.ident):
            view = self.get(f'/v1/clusters/{path}')
            self.assertEqual(
                {'total': 2, 'done': 1, 'running': 'apply munge',
                 'fraction': 0.5, 'seconds_left': None},
                view['deployment']['progress'])
            self.assertEqual([1, 1], [one['ready']
                                      for one in view['node_groups']])
            self.assertEqual({
                'node': 'head-0', 'group': 'head', 'address': '192.0.2.1',
                'port': 22, 'via': '', 'host_key': 'ssh-ed25519 AAAA',
            }, view['login'])
        listed = self.get('/v1/clusters')['clusters']
        self.assertEqual([view], listed)

    def test_how_far_it_is(self):
        def ago(seconds):
            return models.now() - datetime.timedelta(seconds=seconds)

        def left(expected):
            with self.api.database.write() as session:
                row = session.query(models.Deployment).filter_by(
                    cluster_id=self.ident).one()
                row.status, row.started_at = 'RUNNING', ago(30)
                done, running = session.query(models.Step).order_by(
                    models.Step.position)
                done.expected, running.expected = 20.0, expected
                done.finished_at = ago(20)
            found = [
                self.get('/v1/clusters/demo')['deployment'],
                self.get('/v1/clusters')['clusters'][0]['deployment'],
                self.get(f'/v1/deployments/{row.id}'),
                self.get('/v1/deployments?cluster=demo')['deployments'][0]]
            steps = found[2]['steps']
            self.assertEqual([20.0, expected],
                             [one['expected'] for one in steps])
            return [(one['progress']['fraction'],
                     one['progress']['seconds_left']) for one in found]

        # Ten seconds for twenty seconds' worth; a busy machine adds some.
        for fraction, seconds in left(60.0):
            self.assertEqual(0.25, fraction)
            self.assertTrue(0 <= seconds <= 20, seconds)
        self.assertEqual({(0.8, None)}, set(left(None)))

    def test_login_of_which_only_the_address_is_known(self):
        with self.api.database.write() as session:
            session.execute(sa.update(models.Node).values(ssh={}))
        self.assertEqual({
            'node': 'head-0', 'group': 'head', 'address': '192.0.2.1',
            'port': 22, 'via': '', 'host_key': '',
        }, self.get('/v1/clusters/demo')['login'])

    def test_every_word_of_many(self):
        words = [f'{number:02}' + 'x' * 62 for number in range(50)]
        self.assertEqual(200, self.api.call(
            'PATCH', '/v1/clusters/demo', {'tags': words}).status)
        self.assertEqual(words, self.get('/v1/clusters/demo')['tags'])

    def test_foreign_cluster_is_not_there(self):
        paths = ['', '/nodes', '/nodes/head-0', '/layers', '/deployments',
                 '/runs', '/events']
        for path in paths:
            answer = self.api.call(
                'GET', f'/v1/clusters/{self.ident}{path}', project='theirs')
            self.assertEqual((404, 'not_found'),
                             (answer.status, answer.code))
            self.get(f'/v1/clusters/{self.ident}{path}', roles='admin',
                     project='theirs')

    def test_nodes(self):
        found = self.get('/v1/clusters/demo/nodes')['nodes']
        self.assertEqual(['compute-0', 'compute-1', 'head-0'],
                         [one['name'] for one in found])
        self.assertEqual([{'element': 'munge', 'version': '1.0.0',
                           'state': 'applied', 'verified': True}],
                         found[0]['layers'])
        self.assertEqual(found[0], self.get(
            '/v1/clusters/demo/nodes/compute-0'))
        self.assertEqual(1, len(self.get(
            '/v1/clusters/demo/nodes?group=head')['nodes']))
        self.assertEqual(404, self.api.call(
            'GET', '/v1/clusters/demo/nodes/x').status)

    def test_layers(self):
        found = self.get('/v1/clusters/demo/layers?node=head-0')['layers']
        self.assertEqual([('munge', 'applied', True)], [
            (one['element'], one['state'], one['verified'])
            for one in found])

    def test_deployments(self):
        listed = self.get('/v1/clusters/demo/deployments')['deployments']
        shown = self.get(f'/v1/deployments/{listed[0]["id"]}')
        self.assertEqual(['provision', 'apply'],
                         [one['kind'] for one in shown['steps']])
        self.assertEqual('new', shown['plan'][0]['reason'])
        for query, count in (('', 1), (f'?cluster={self.ident}', 1),
                             ('?status=FAILED', 0)):
            self.assertEqual(count, len(self.get(
                f'/v1/deployments{query}')['deployments']))
        self.assertEqual(404, self.api.call(
            'GET', f'/v1/deployments/{shown["id"]}',
            project='theirs').status)

    def test_runs(self):
        listed = self.get('/v1/clusters/demo/runs')['runs']
        self.assertEqual(self.get(f'/v1/runs/{self.run}'), listed[0])
        self.assertEqual(1, len(self.get(
            f'/v1/runs?step={listed[0]["step_id"]}')['runs']))
        self.assertEqual([], self.get('/v1/runs?verb=revert')['runs'])
        self.assertEqual(404, self.api.call(
            'GET', f'/v1/runs/{self.run}', project='theirs').status)

    def test_log(self):
        whole = 'ab0\nab4\nab8\n'
        for offset in range(14):
            for limit in (1, 3, 5, 100):
                found = self.get(f'/v1/runs/{self.run}/log?offset={offset}'
                                 f'&limit={limit}')
                text = whole[offset:offset + limit]
                self.assertEqual(
                    {'text': text, 'offset': offset,
                     'next_offset': offset + len(text),
                     'complete': offset + len(text) >= 12}, found)

    def test_names_that_look_like_ids(self):
        other = self.api.create('other')['id']
        with self.api.database.write() as session:
            session.get_one(models.Cluster, other).name = self.ident
        self.assertEqual('demo',
                         self.get(f'/v1/clusters/{self.ident}')['name'])


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class MariaDBViewTests(ViewTests):
    """The same where a server puts the rows together"""

    def connection(self):
        return self.useFixture(mariadb.MariaDB()).url


class EventTests(Case):
    """Events, and waiting for them"""

    def setUp(self):
        super().setUp()
        self.ident = self.api.create()['id']
        rows.converged(self.api.database, self.ident)
        self.api.create('theirs', project='theirs')

    def test_after_a_marker(self):
        every = self.get('/v1/events')['events']
        self.assertEqual(4, len(every))
        self.assertEqual(every[2:], self.get(
            f'/v1/events?marker={every[1]["id"]}')['events'])
        self.assertEqual(every[:1], self.get(
            '/v1/clusters/demo/events?limit=1')['events'])
        self.assertEqual(every[3:], self.get(
            '/v1/events?level=error')['events'])

    def test_the_newest_first(self):
        every = self.get('/v1/events')['events']
        for path in ('/v1/events?sort=id:desc',
                     '/v1/clusters/demo/events?sort=id:desc'):
            self.assertEqual(every[::-1], self.get(path)['events'])
            page = self.get(f'{path}&limit=3')
            self.assertEqual(every[:0:-1], page['events'])
            follow = page['links'][1]['href']
            self.assertEqual(every[:1], self.get(
                follow[follow.index('/v1'):])['events'])
            self.assertEqual([], self.get(
                f'{path}&marker={every[0]["id"]}')['events'])
            self.refused(f'{path}&wait=1', '$.wait')

    def add(self, api=None, ident=None):
        with (api or self.api).database.write() as session:
            session.add(models.Event(
                cluster_id=ident or self.ident, project_id='ours',
                kind='node'))

    def test_wait_ends_when_something_comes(self):
        timer = threading.Timer(0.5, self.add)
        timer.start()
        self.addCleanup(timer.join)
        found = self.get('/v1/clusters/demo/events?marker=99&wait=20')
        self.assertEqual([], found['events'])
        last = self.get('/v1/events')['events'][-1]['id']
        timer = threading.Timer(0.5, self.add)
        timer.start()
        self.addCleanup(timer.join)
        begin = time.monotonic()
        found = self.get(f'/v1/clusters/demo/events?marker={last}&wait=25')
        self.assertEqual(['node'], [one['kind'] for one in found['events']])
        self.assertLess(time.monotonic() - begin, 20)

    def test_wait_ends_when_time_is_up(self):
        begin = time.monotonic()
        self.assertEqual([], self.get(
            '/v1/events?marker=99&wait=0.6')['events'])
        self.assertLess(0.5, time.monotonic() - begin)

    def test_over_the_cap_the_answer_comes_at_once(self):
        api = self.useFixture(Api(max_waiting=2, long_poll_seconds=300))
        answers = queue.Queue()
        for _ in range(3):
            thread = threading.Thread(target=lambda: answers.put(
                api.call('GET', '/v1/events?wait=300').status))
            thread.start()
            self.addCleanup(thread.join)
        # One of them had no place to wait in.
        self.assertEqual(200, answers.get(timeout=200))
        self.assertTrue(answers.empty())
        self.add(api, api.create()['id'])
        self.assertEqual([200, 200], [answers.get(timeout=200)
                                      for _ in range(2)])


class ProtocolTests(Case):
    """Versions, errors, discovery and the document"""

    def test_version_header(self):
        for given, status in ((None, 200), ('hpc-cluster 1.0', 200),
                              ('hpc-cluster latest', 200),
                              ('compute 2.1', 200), ('hpc-cluster 1.1', 406),
                              ('hpc-cluster x', 406)):
            more = {} if given is None else {
                'OPENSTACK_API_VERSION': given}
            answer = self.api.call('GET', '/v1/clusters', **more)
            self.assertEqual(status, answer.status, given)
            self.assertEqual('hpc-cluster 1.0',
                             answer.headers['openstack-api-version'])
            self.assertIn('OpenStack-API-Version', answer.headers['vary'])
        error = self.api.call('GET', '/v1', OPENSTACK_API_VERSION=(
            'hpc-cluster 9.9')).json['errors'][0]
        self.assertEqual(('1.0', '1.0', 'hpcdirect.not_acceptable'), (
            error['min_version'], error['max_version'], error['code']))

    def test_request_ids(self):
        answer = self.api.call('GET', '/v1/clusters/nosuch')
        ident = answer.headers['x-openstack-request-id']
        self.assertEqual(ident, answer.json['errors'][0]['request_id'])

    def test_methods_that_are_not_there(self):
        for method in ('PUT', 'POST', 'TRACE', 'PURGE'):
            answer = self.api.call(method, '/v1/clusters/demo')
            self.assertEqual((405, 'DELETE, GET, PATCH'), (
                answer.status, answer.headers['allow']))
        self.assertEqual(200, self.api.call('HEAD', '/v1').status)

    def test_paths_that_are_not_there(self):
        for path in ('/v2', '/v1/clusters//nodes', '/v1/nodes', '/v1/get',
                     '/v1/clusters/x/y', '/v1/clusters/demo/services',
                     '/v1/__class__', '//v1', '/v1/blueprints/nosuch'):
            self.assertEqual(404, self.api.call('GET', path).status, path)
        self.assertEqual(200, self.api.call('GET', '/v1/clusters/').status)

    def test_unexpected_errors_tell_nothing(self):
        self.api.database.engine.dispose()
        with self.api.database.write() as session:
            session.execute(sa.text('DROP TABLE events'))
        answer = self.api.call('GET', '/v1/events')
        self.assertEqual((500, 'internal'), (answer.status, answer.code))
        self.assertNotIn(b'events', answer.body.replace(b'/v1/events', b''))

    def test_discovery(self):
        version = self.get('/')['versions'][0]
        self.assertEqual(version, self.get('/v1')['version'])
        self.assertEqual({'status': 'ok'}, self.get('/healthcheck'))
        self.assertEqual(
            'http://api/v1',
            urllib.parse.urljoin('http://api', version['links'][0]['href']))

    def test_document_is_valid(self):
        document = self.get('/v1/openapi.json')
        validate(document)
        described = {(path, verb) for path, operations
                     in document['paths'].items() for verb in operations}
        self.assertEqual({route[:2] for route in root.Root(
            self.api.services).walk()}, described)

    def test_catalogue(self):
        self.assertEqual(['small'], [one['name'] for one in self.get(
            '/v1/blueprints')['blueprints']])
        shown = self.get('/v1/blueprints/small@1.2.0')
        self.assertEqual(
            [(1, None), (None, 'compute_count')],
            [(one['count'], one['count_parameter'])
             for one in shown['node_groups']])
        self.assertEqual('object', shown['parameters']['type'])
        self.assertEqual(['munge', 'people', 'slurm'], [
            one['name'] for one in self.get('/v1/elements')['elements']])
        self.assertEqual(['key'], self.get('/v1/elements/munge')['secrets'])
        self.assertEqual([{'name': 'fake', 'capacity': {'fake': None},
                           'reason': ''}],
                         self.get('/v1/backends')['backends'])

    def test_a_blueprint_that_is_made_from_another_one(self):
        folders.write_blueprint(self.api.folder, folders.CHILD)
        self.noticed()
        small, shown = (self.get(f'/v1/blueprints/{name}')
                        for name in ('small', 'child'))
        self.assertEqual(('Child', '2.0.0', 'head'), (
            shown['label'], shown['version'], shown['login']))
        self.assertEqual(1024, shown['parameters']['properties']['memory'][
            'default'])
        self.assertNotIn('scheduler', shown['parameters']['properties'])
        self.assertEqual(small['node_groups'], shown['node_groups'])
        self.assertEqual([('munge', ''), ('slurm', '')], [
            (one['name'], one['when']) for one in shown['elements']])
        (line,) = [one for one in self.get('/v1/blueprints')['blueprints']
                   if one['name'] == 'child']
        self.assertEqual(['munge', 'slurm'], line['elements'])
        # What its parent says from now on.
        file = self.api.folder / 'blueprints/small/blueprint.yaml'
        file.write_text(file.read_text().replace('login: head',
                                                 'login: compute'))
        self.noticed()
        after = self.get('/v1/blueprints/child')
        self.assertEqual('compute', after['login'])
        self.assertNotEqual(shown['digest'], after['digest'])

    def test_a_grade_is_shown_as_long_as_it_holds(self):
        element = self.api.services.catalogue.element('munge')
        self.assertEqual(('', None), self.grade('munge'))
        grading.write(element.folder, Grade(
            'C', element.digest, {'node': ('/etc/x stays',)}, packages=4))
        self.noticed()
        letter, trial = self.grade('munge')
        self.assertEqual(('C', ['/etc/x stays'], 4), (
            letter, trial['left']['node'], trial['packages']))
        self.assertEqual(['C', ''], [one['grade'] for one in self.get(
            '/v1/blueprints/small')['elements']])
        with element.playbook('apply').open('a') as file:
            file.write('- {name: Another, hosts: all}\n')
        self.noticed()
        self.assertEqual(('', None), self.grade('munge'))

    def noticed(self):
        folders.noticed(self.api.folder, lambda: [
            one['name'] for one in self.get('/v1/elements')['elements']])

    def grade(self, name):
        """Of an element: its grade, as listed and as shown, and the rest."""
        shown = self.get(f'/v1/elements/{name}')
        listed = {one['name']: one['grade'] for one in self.get(
            '/v1/elements')['elements']}
        self.assertEqual(shown['grade'], listed[name])
        return shown['grade'], shown['trial']

    def test_backends(self):
        self.assertEqual(404, self.api.call(
            'GET', '/v1/backends/other').status)
