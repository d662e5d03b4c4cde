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
"""The service's own numbers, read by HTTP as Prometheus reads them."""

import collections
import datetime
import os
import pathlib
import signal
import socket
import urllib.request

import fixtures
from prometheus_client import parser
from prometheus_client import registry
import testtools

from hpcdirect import metrics
from hpcdirect.conductor.holds import Holds
from hpcdirect.db import leases
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import test_turns
from hpcdirect.tests.functional.local_bed import wait_for


def ports(number):
    """The first of some ports in a row that nobody listens on just now."""
    while True:
        first = service.free_port()
        try:
            for port in range(first, first + number):
                socket.create_server(('127.0.0.1', port)).close()
        except OSError:
            continue
        return first


def scraped(port):
    """All numbers at a port: name -> labels, sorted -> value."""
    with urllib.request.urlopen(
            f'http://127.0.0.1:{port}/metrics', timeout=60) as answer:
        text = answer.read().decode()
    found = collections.defaultdict(dict)
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(sorted(
                sample.labels.items()))] = sample.value
    return found


def labels(**values):
    """As the keys of what is scraped."""
    return tuple(sorted(values.items()))


def moment(text):
    return datetime.datetime.fromisoformat(text)


def seconds(one):
    return (moment(one['finished_at'])
            - moment(one['started_at'])).total_seconds()


class Case(testtools.TestCase):
    """A service with fake machines, on which little happens by itself."""

    def service(self, program='all_in_one', **options):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        test_turns.write(folder)
        self.port = ports(3)
        made = self.useFixture(service.Service(
            runner='fake', directories=(folder,),
            metrics={'port': self.port},
            conductor={'watch_interval': 0, **options}))
        made.program = service.program(program)
        return made

    def awaited(self, condition, port=None):
        """Wait until something is so of the numbers; them."""
        def found():
            try:
                numbers = scraped(port or self.port)
            except OSError:
                return None
            return numbers if condition(numbers) else None
        return wait_for(found)


class NumbersTest(Case):
    """They are the true ones."""

    def setUp(self):
        super().setUp()
        self.passed = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'passed'
        self.one = self.service()
        self.one.start(HPCDIRECT_FAILPOINT_LOG=str(self.passed))

    def work(self):
        """A deployment of each outcome, and a run that is seen."""
        self.one.create('good', 'plant', count=2)
        self.assertEqual('ACTIVE', self.one.settled('good')['status'])
        self.one.create('bad', 'plant', count=2, fail=['worker-1'])
        self.assertEqual('ERROR', self.one.settled('bad')['status'])
        self.one.create('slow', 'plant', count=1, seconds=300)
        during = self.awaited(
            lambda found: found['hpcdirect_runs_at_work'][()] == 1)
        self.assertEqual(1, during['hpcdirect_clusters_held'][()])
        self.one.call('DELETE', '/v1/clusters/slow')
        self.assertIsNone(self.one.settled('slow'))
        return self.awaited(
            lambda found: not found['hpcdirect_clusters_held'][()])

    def test_what_was_done(self):
        found = self.work()
        deployments = [
            self.one.get(f'/v1/deployments/{one["id"]}') for one
            in self.one.get('/v1/deployments')['deployments']]
        outcomes = collections.Counter(
            one['status'].lower() for one in deployments)
        self.assertEqual({'succeeded': 2, 'failed': 1, 'superseded': 1},
                         outcomes)
        self.assertEqual(
            {labels(outcome=name): number
             for name, number in outcomes.items()},
            found['hpcdirect_deployments_total'])
        done = [one for one in deployments if one['status'] != 'SUPERSEDED']
        self.totals(found, 'hpcdirect_deployment_duration_seconds', [
            (labels(operation=one['operation'],
                    outcome=one['status'].lower()), seconds(one))
            for one in done])
        self.totals(found, 'hpcdirect_step_duration_seconds', [
            (labels(kind=step['kind'], element=step['element'],
                    outcome=step['status'].lower()), seconds(step))
            for one in deployments for step in one['steps']
            if step['finished_at']])
        self.totals(found, 'hpcdirect_deployment_queue_seconds', [
            ((), (moment(one['started_at'])
                  - moment(one['created_at'])).total_seconds())
            for one in deployments])
        self.assertEqual(0, found['hpcdirect_runs_at_work'][()])
        self.assertEqual(0, found['hpcdirect_leases_lost_total'][()])
        self.assertEqual(0, found['hpcdirect_queue_age_seconds'][()])

    def totals(self, found, name, expected):
        """Numbers and sums of durations are as *expected*."""
        counts, sums = collections.Counter(), collections.Counter()
        for key, value in expected:
            counts[key] += 1
            sums[key] += value
        self.assertEqual(counts, found[f'{name}_count'], name)
        for key, value in sums.items():
            self.assertAlmostEqual(value, found[f'{name}_sum'][key],
                                   delta=1e-6 * len(expected))

    def test_events_and_calls_of_backends(self):
        found = self.work()
        events, marker = collections.Counter(), 0
        while page := self.one.get(
                f'/v1/events?limit=1000&marker={marker}')['events']:
            marker = page[-1]['id']
            events.update(labels(kind=one['kind'], level=one['level'])
                          for one in page)
        self.assertGreater(len(events), 3)
        self.assertEqual(events, found['hpcdirect_events_written_total'])
        # What passes by there is written down by somebody else.
        calls = collections.Counter()
        for line in self.passed.read_text().splitlines():
            seam, _, rest = line.partition('.')
            name, _, when = rest.partition('/')
            if seam == 'backend' and when == 'after' \
                    and name not in ('close', 'reference'):
                calls[labels(backend='fake', call=name,
                             outcome='succeeded')] += 1
        self.assertLessEqual({'ensure', 'observe', 'delete', 'validate'},
                             {dict(key)['call'] for key in calls})
        self.assertEqual(calls, found[
            'hpcdirect_backend_call_duration_seconds_count'])

    def test_requests_by_route_and_never_by_path(self):
        self.one.create('demo', 'plant', count=1)
        self.one.settled('demo')
        before = scraped(self.port)
        for _ in range(3):
            self.one.get('/v1/clusters/demo/nodes/worker-0')
        for path, status in (('/v1/clusters/none', 404), ('/v1/nix/x', 404),
                             ('/v1/clusters?limit=x', 400)):
            self.assertEqual(status, self.one.call('GET', path).status)
        self.assertEqual(405, self.one.call('BREW', '/v1/clusters').status)
        name = 'hpcdirect_http_request_duration_seconds_count'
        after = scraped(self.port)
        more = {key: value - before[name].get(key, 0)
                for key, value in after[name].items()}
        self.assertEqual({
            labels(method='GET', status='200',
                   route='/v1/clusters/{cluster}/nodes/{node}'): 3,
            labels(method='GET', status='404',
                   route='/v1/clusters/{cluster}'): 1,
            labels(method='GET', status='404', route='none'): 1,
            labels(method='GET', status='400', route='/v1/clusters'): 1,
            labels(method='other', status='405', route='/v1/clusters'): 1},
            {key: value for key, value in more.items() if value})
        self.assertNotIn('demo', str(dict(after)))

    def test_the_public_port_does_not_tell(self):
        for path in ('/metrics', '/v1/metrics'):
            answer = self.one.call('GET', path, user='admin-ours')
            self.assertEqual(404, answer.status)
            self.assertNotIn('hpcdirect_', answer.text)
        self.assertTrue(scraped(self.port)['hpcdirect_build_info'])


@soak.in_turn('ports')
class PortsTest(Case):
    """Who listens where."""

    def listening(self, pid):
        """On how many TCP ports a process listens."""
        inodes = set()
        for table in ('tcp', 'tcp6'):
            lines = pathlib.Path(f'/proc/net/{table}').read_text()
            inodes |= {f'socket:[{words[9]}]' for words in map(
                str.split, lines.splitlines()[1:]) if words[3] == '0A'}
        return len([one for one in pathlib.Path(
            f'/proc/{pid}/fd').iterdir()
            if os.path.islink(one) and os.readlink(one) in inodes])

    def prepared(self, program):
        one = self.service(program, processes=2)
        one.prepare()
        return one

    def test_nobody_unless_told_to(self):
        one = self.service()
        one.start()
        self.awaited(lambda found: True)
        self.assertEqual(2, self.listening(one.process.pid))
        one.stop()
        file = one.folder / 'hpcdirect.conf'
        file.write_text(file.read_text().replace(
            f'port = {self.port}', 'port = 0'))
        one.start()
        wait_for(lambda: one.get('/v1/services', user='admin-ours')[
            'services'])
        self.assertEqual(1, self.listening(one.process.pid))

    def test_a_port_that_is_taken(self):
        one = self.service()
        with socket.create_server(('127.0.0.1', self.port)):
            one.start()
            wait_for(lambda: 'There are no metrics' in (
                one.folder / 'log').read_text())
        self.awaited(lambda found: found['hpcdirect_build_info'])

    def test_a_port_for_each_conductor(self):
        one = self.prepared('api')
        one.start()
        one.begin('conductor')
        one.create('demo', 'plant', count=1)
        self.assertEqual('ACTIVE', one.settled('demo')['status'])
        for place in (1, 2):
            self.awaited(lambda found: found['hpcdirect_build_info'],
                         self.port + place)
        wait_for(lambda: sum(
            scraped(self.port + place)['hpcdirect_deployments_total'][
                labels(outcome='succeeded')] for place in (1, 2)) == 1)
        ours = scraped(self.port)
        self.assertEqual({0}, set(
            ours['hpcdirect_deployments_total'].values()))
        self.assertIn(
            labels(method='POST', route='/v1/clusters', status='202'),
            ours['hpcdirect_http_request_duration_seconds_count'])

    def forked(self, **environment):
        """The API under a server that forks; the other process's URL."""
        one = self.prepared('all_in_one')
        one.program = ('from hpcdirect.tests.functional import preforked; '
                       'preforked.main()')
        other = service.free_port()
        one.start(HOME=str(one.folder), **environment,
                  HPCDIRECT_PORTS=f'{one.port} {other}')
        self.addCleanup(service.kill, one.process)
        return one, f'http://127.0.0.1:{other}'

    def answered(self, path='/v1/clusters'):
        """How many requests to a path were answered well."""
        key = labels(method='GET', route=path, status='200')
        return scraped(self.port)[
            'hpcdirect_http_request_duration_seconds_count'].get(key, 0)

    def test_processes_of_a_server_count_together(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        one, other = self.forked(
            PROMETHEUS_MULTIPROC_DIR=str(folder / 'made'))
        first = one.url
        for url in (first, other, other):
            one.url = url
            one.get('/v1/clusters')
        self.awaited(lambda found: True)
        self.assertEqual(3, self.answered())
        # Whoever listens ends: the other one tells of both.
        def both():
            rows = one.get('/v1/services', user='admin-ours')['services']
            return [row['pid'] for row in rows] if len(rows) == 2 else None

        listener = next(pid for pid in wait_for(both)
                        if self.listening(pid) == 2)
        os.kill(listener, signal.SIGKILL)
        wait_for(lambda: self.answers(first) != self.answers(other))
        self.awaited(lambda found: True)
        self.assertEqual(3, self.answered())

    def answers(self, url):
        try:
            urllib.request.urlopen(f'{url}/healthcheck', timeout=60).close()
        except OSError:
            return False
        return True

    def test_processes_that_do_not_count_together_tell_nothing(self):
        one, _ = self.forked()
        one.get('/v1/clusters')
        self.assertIn('PROMETHEUS_MULTIPROC_DIR',
                      (one.folder / 'log').read_text())
        self.assertRaises(OSError, scraped, self.port)


class LeasesTest(databases.SQLite):
    """A cluster that is lost is counted once, one that is given back never"""

    def lost(self):
        return registry.REGISTRY.get_sample_value(
            'hpcdirect_leases_lost_total')

    def held(self, seconds=60.0):
        """A cluster, and who holds it."""
        ident = self.cluster(name=f'c{seconds}', due_at=0.0)
        holds = Holds(self.database, 'me', seconds)
        self.assertIsNotNone(holds.claim(ident, 60.0))
        return ident, holds

    def test_given_back(self):
        before = self.lost()
        ident, holds = self.held()
        holds.release(ident)
        self.assertEqual(before, self.lost())

    def test_taken_by_another(self):
        before = self.lost()
        ident, holds = self.held()
        with self.database.write() as session:
            leases.fence(session, ident, 1)
            leases.release(session, ident, 1)
            leases.claim(session, ident, 'another', 60.0)
        holds.release(ident)
        holds.release(ident)
        self.assertEqual(before + 1, self.lost())

    def test_not_renewed_in_time(self):
        before = self.lost()
        ident, holds = self.held(0.001)
        wait_for(lambda: holds.get(ident).lost)
        holds.release(ident)
        self.assertEqual(before + 1, self.lost())
        self.assertEqual(0, metrics.HELD._value.get())
