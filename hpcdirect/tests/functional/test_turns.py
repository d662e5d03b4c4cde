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

"""Clusters take turns, and a conductor may leave at any time."""

import contextlib
import os
import pathlib
import subprocess
import sys
import threading
from unittest import mock

import fixtures
from oslo_db import exception as db_exc
import sqlalchemy as sa
import testtools
import yaml

from hpcdirect.conductor.reconciler import Parts
from hpcdirect.conductor.service import Conductor
from hpcdirect.conductor.works import Works
from hpcdirect.db import leases
from hpcdirect.db import models
from hpcdirect.db.deployment_writer import DeploymentWriter
from hpcdirect.db.ledger import Ledger
from hpcdirect.runners.fake import FakeRunner
from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import service

BLUEPRINT = {
    'name': 'plant', 'version': '1.0.0', 'label': 'Plant',
    'description': 'Machines that work.',
    'parameters': {'type': 'object', 'additionalProperties': False,
                   'properties': {
                       'count': {'type': 'integer', 'default': 1},
                       'boot': {'type': 'number', 'default': 0},
                       'seconds': {'type': 'number', 'default': 0},
                       'fail': {'type': 'array', 'default': []}}},
    'node_groups': {'worker': {'count': {'parameter': 'count'},
                               'min_count': 0, 'max_count': 9}},
    'login': 'worker',
    'infrastructure': {'fake': {'groups': {
        'worker': {'delay': {'parameter': 'boot'}}}}},
    'elements': [{'name': 'work', 'variables': {
        'fake_delay': {'parameter': 'seconds'},
        'fake_fail': {'parameter': 'fail'}}}],
}
ELEMENT = {
    'name': 'work', 'version': '1.0.0', 'label': 'Work',
    'description': 'Has work running.', 'runner': 'fake',
    'parameters': {'type': 'object', 'additionalProperties': False,
                   'properties': {'fake_delay': {'type': 'number'},
                                  'fake_fail': {'type': 'array'}}},
}


def write(folder):
    """Blueprint and element, for the fake runner."""
    place = folder / 'blueprints' / 'plant'
    place.mkdir(parents=True, exist_ok=True)
    (place / 'blueprint.yaml').write_text(yaml.safe_dump(BLUEPRINT))
    place = folder / 'elements' / 'work'
    place.mkdir(parents=True, exist_ok=True)
    (place / 'element.yaml').write_text(yaml.safe_dump(ELEMENT))
    for verb in ('apply', 'revert', 'verify', 'drain', 'resume'):
        (place / f'{verb}.yaml').write_text(yaml.safe_dump(
            [{'name': verb, 'hosts': 'work_node', 'tasks': []}]))


class Until:
    """Tells a listener all of it, but first waits once a run has begun."""

    def __init__(self, listener, go):
        self._listener = listener
        self._go = go

    def __getattr__(self, name):
        return getattr(self._listener, name)

    def begun(self, run_id):
        self._listener.begun(run_id)
        self._go.wait(60)


class Case(testtools.TestCase):
    """An API, and conductors in this very process."""

    options = ()

    def setUp(self):
        super().setUp()
        self.site(api.Api())

    def site(self, site):
        """Use this API, with blueprints and elements for the fake runner."""
        self.api = self.useFixture(site)
        write(self.api.folder)
        # What was read before is read again after a second.
        self.api.services.catalogue.__init__(
            self.api.services.catalogue._sources)
        for name, value in {'scan_interval': 0.05, 'lease_seconds': 4,
                            'gather_seconds': 0, **dict(self.options)}.items():
            self.api.conf.set_override(name, value, 'conductor')

    def conductor(self, runner=None):
        """One more, at work."""
        services = self.api.services
        made = Conductor(Parts(
            conf=services.conf, database=services.database,
            keys=services.keys, policy=services.policy,
            load=services.catalogue.blueprint,
            element_of=services.catalogue.element,
            backends=services.backends,
            runners={'fake': runner or FakeRunner(services.conf)}))
        made.start()
        self.addCleanup(made.stop)
        return made

    def configuration(self, **conductor):
        """The file of a conductor in a process of its own."""
        file = self.api.folder / 'hpcdirect.conf'
        file.write_text(
            f'[DEFAULT]\nstate_path = {self.api.folder}\n'
            'enabled_backends = fake\nenabled_runners = fake\n'
            'enabled_sources = directory\ntransport_url = fake://\n'
            f'log_file = {self.api.folder}/log\n'
            f'[blueprints]\ndirectories = {self.api.folder}\n'
            f'[database]\nconnection = {self.api.conf.database.connection}\n'
            '[conductor]\nscan_interval = 0.2\n' + ''.join(
                f'{name} = {value}\n'
                for name, value in conductor.items()))
        return file

    def launch(self, file, program='', **environment):
        """The process that a site runs, with that configuration.

        :param program: what it runs instead, in Python.
        """
        process = subprocess.Popen(
            [sys.executable, '-c', program or service.program('conductor'),
             '--config-file', str(file)], start_new_session=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment})
        self.addCleanup(service.kill, process)
        return process

    def create(self, name='demo', **parameters):
        return self.api.create(name, blueprint='plant',
                               parameters=parameters)['id']

    def get(self, ident, more=''):
        answer = self.api.call('GET', f'/v1/clusters/{ident}{more}')
        return answer.json if answer.status == 200 else None

    def settled(self, ident, statuses=('ACTIVE', 'ERROR')):
        return local_bed.wait_for(
            lambda: (self.get(ident) or {'status': 'gone'})['status']
            in statuses and self.get(ident), 60)

    def runs(self, ident):
        return self.api.call(
            'GET', f'/v1/runs?cluster={ident}').json['runs']


class QueueTest(Case):
    options = (('workers', 1),)

    def test_calls_add_neither_turns_nor_timers(self):
        conductor = self.conductor()
        ident = self.create(boot=600)
        local_bed.wait_for(lambda: self.get(ident, '/nodes')['nodes'])
        for _ in range(500):
            conductor.advance(ident)
        local_bed.wait_for(lambda: conductor._turns.size() == (0, 1))
        self.assertLessEqual(len(conductor._turns._heap), 3)

    def test_one_worker_has_many_clusters_in_flight(self):
        claims = []
        claim = leases.claim

        def counted(session, ident, *given, **options):
            epoch = claim(session, ident, *given, **options)
            claims.append((ident, epoch is not None))
            return epoch

        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.db.leases.claim', counted))
        idents = [self.create(f'demo{number}', boot=600)
                  for number in range(30)]
        conductor = self.conductor()
        worst = 0
        while not all(self.get(ident, '/nodes')['nodes']
                      for ident in idents):
            worst = max(worst, sum(conductor._turns.size()))
        self.assertLessEqual(worst, 30)
        local_bed.wait_for(lambda: conductor._turns.size() == (0, 30))
        # One that is asked for goes before those that wait.
        self.assertEqual(202, self.api.call(
            'DELETE', f'/v1/clusters/{idents[7]}').status)
        local_bed.wait_for(lambda: self.get(idents[7]) is None)
        self.assertEqual(sorted(idents), sorted(
            ident for ident, taken in claims if taken))
        # A look for work may have met one in the middle of being taken.
        self.assertLessEqual(len(claims), len(idents) + 3)

    def test_what_runs_on_nodes_holds_no_worker(self):
        together = threading.Barrier(4)

        class Together(FakeRunner):
            """Goes on when three batches are under way at one time."""

            def carry_out(self, batch, listener, stopped):
                with contextlib.suppress(threading.BrokenBarrierError):
                    together.wait(30)
                super().carry_out(batch, listener, stopped)

        idents = [self.create(f'demo{number}') for number in range(3)]
        self.conductor(Together(self.api.conf))
        together.wait(30)
        together.abort()
        for ident in idents:
            self.assertEqual('ACTIVE', self.settled(ident)['status'])


class CourseTest(Case):
    options = (('provision_timeout', 2), ('watch_interval', 0.2))

    def test_catalogue_that_cannot_be_read_for_a_moment(self):
        ident = self.create()
        catalogue = self.api.services.catalogue
        (source,) = catalogue._sources
        with mock.patch.object(source, 'load_element', autospec=True,
                               side_effect=OSError(5, 'Input error')):
            catalogue._state = None
            self.conductor()
            local_bed.wait_for(lambda: 'cannot be read just now' in str(
                self.get(ident, '/events')))
            # It does not pass for gone.
            self.assertEqual('CREATING', self.get(ident)['status'])
            answer = self.api.call('GET', f'/v1/clusters/{ident}/elements')
            self.assertEqual((503, 'unavailable'), (
                answer.status, answer.code))
        self.assertEqual('ACTIVE', self.settled(ident)['status'])

    def test_time_for_machines_begins_when_they_are_asked_for(self):
        ident = self.create(count=2, seconds=0.7)
        self.conductor()
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        # The drain alone takes longer than a machine may take to go.
        answer = self.api.call('PATCH', f'/v1/clusters/{ident}', {
            'parameters': {'seconds': 2.5}, 'node_groups': {
                'worker': {'count': 1}}})
        self.assertEqual(202, answer.status, answer.body)
        cluster = self.settled(ident)
        self.assertEqual(('ACTIVE', ''), (cluster['status'],
                                          cluster['status_reason']))

    def test_machine_that_does_not_go_is_told_of_as_such(self):
        ident = self.create(count=2)
        self.conductor()
        self.settled(ident)
        kept = self.api.backend.ensure
        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.backends.fake.FakeBackend.ensure',
            lambda backend, request: kept.__self__.reference(
                request.cluster_id)))
        self.api.call('PATCH', f'/v1/clusters/{ident}', {
            'node_groups': {'worker': {'count': 1}}})
        cluster = self.settled(ident)
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn('release, worker-1: The machine was not gone within '
                      '2 s', cluster['status_reason'])
        steps = self.api.call('GET', '/v1/deployments/{id}'.format(
            **cluster['deployment'])).json['steps']
        self.assertEqual({'release': 'FAILED'}, {
            step['kind']: step['status'] for step in steps
            if step['status'] != 'SUCCEEDED'})

    def test_cancelled_check_leaves_a_cluster_as_it_was(self):
        ident = self.create(seconds=0.5)
        self.conductor()
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        self.check_and_cancel(ident)
        cluster = self.settled(ident)
        self.assertEqual(('ACTIVE', ''), (cluster['status'],
                                          cluster['status_reason']))
        self.assertEqual({'applied'}, {
            row['state'] for row in self.get(ident, '/layers')['layers']})

    def test_cancelled_check_of_a_cluster_at_fault(self):
        ident = self.create(count=2, fail=['apply worker-0'], seconds=0.7)
        self.conductor()
        before = self.settled(ident)
        self.assertEqual('ERROR', before['status'])
        self.check_and_cancel(ident)
        after = self.settled(ident)
        self.assertEqual(before['status_reason'], after['status_reason'])

    def check_and_cancel(self, ident):
        self.deploy(ident, 'check')
        local_bed.wait_for(lambda: [
            run for run in self.runs(ident) if run['verb'] == 'verify'
            and run['status'] == 'RUNNING'])
        self.deploy(ident, 'cancel')

    def deploy(self, ident, operation):
        answer = self.api.call(
            'POST', f'/v1/clusters/{ident}/deployments',
            {'operation': operation})
        self.assertEqual(202, answer.status, answer.body)

    def test_cluster_at_fault_is_looked_after(self):
        ident = self.create(count=2, fail=['apply worker-0'])
        self.conductor()
        before = self.settled(ident)
        self.assertEqual('ERROR', before['status'])
        # Its owner's other door: the machine is gone.
        fakes.change(self.api.folder, lambda clusters:
                     clusters[f'fake-{ident}'].pop('worker-1'))
        local_bed.wait_for(lambda: 'FAILED' in [
            node['status'] for node in self.get(ident, '/nodes')['nodes']
            if node['name'] == 'worker-1'])
        after = self.get(ident)
        self.assertEqual(('ERROR', before['status_reason']),
                         (after['status'], after['status_reason']))

    def test_what_failed_is_not_tried_again_after_a_death(self):
        ident = self.create(fail=['apply worker-0'])
        finish, died = DeploymentWriter.finish, []

        def dying(writer, *given, **options):
            if not died:
                died.append(writer._fence.epoch)
                raise db_exc.DBConnectionError()
            return finish(writer, *given, **options)

        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.db.deployment_writer.DeploymentWriter.finish', dying))
        self.conductor()
        cluster = self.settled(ident)
        self.assertEqual('ERROR', cluster['status'])
        self.assertEqual([1], died)
        self.assertEqual(['FAILED'], [
            run['status'] for run in self.runs(ident)
            if run['verb'] == 'apply'])
        self.assertEqual(['It was told to fail.'], [
            failure['message'] for failure in cluster['failures']])

    def test_what_cannot_even_be_failed_rests_longer_each_time(self):
        def refused(ledger, *given, **options):
            raise db_exc.DBDataError()

        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.db.deployment_writer.DeploymentWriter.finish', refused))
        ident = self.create()
        self.conductor()

        def ahead():
            with self.api.database.read() as session:
                return session.scalars(sa.select(
                    models.Cluster.due_at - leases.utc_seconds()).where(
                        models.Cluster.id == ident,
                        models.Cluster.owner == '')).first() or 0.0

        local_bed.wait_for(lambda: ahead() > 1.5)

    def test_any_length_of_words(self):
        ident = self.create()
        long = 'No valid host. \ud800 \0' + 'ä' * 70000
        observe = self.api.backend.observe
        told = []

        def wordy(backend, ref):
            infra = observe(ref)
            if told:
                return infra
            told.append(ref)
            return type(infra)(infra.status, long, infra.machines)

        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.backends.fake.FakeBackend.observe', wordy))
        self.conductor()
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        with self.api.database.read() as session:
            said = session.scalars(sa.select(models.Event.message).where(
                models.Event.cluster_id == ident)).all()
        cut = [text for text in said if text.startswith('No valid host')]
        self.assertEqual(1, len(cut))
        self.assertLess(len(cut[0].encode()), 65536)
        self.assertTrue(cut[0].endswith('[cut]'))


class LookTest(Case):
    """Work that ends while a turn reads how the cluster stands."""

    def setUp(self):
        super().setUp()
        self.go, self.seen = threading.Event(), []
        ended, snapshot = threading.Event(), Ledger.snapshot

        class Waiting(FakeRunner):
            """Begins, and goes on when a turn has read that it has."""

            def carry_out(runner, batch, listener, stopped):
                super().carry_out(batch, Until(listener, self.go),
                                  lambda: False)

        def read(ledger):
            found = snapshot(ledger)
            if not self.go.is_set() and [
                    run for run in found.open_runs
                    if run.status == 'RUNNING']:
                self.seen.append(ledger.cluster_id)
                self.go.set()
                self.assertTrue(ended.wait(30))
            return found

        over = Works._carry_out

        def carried_out(works, *given):
            over(works, *given)
            ended.set()

        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.db.ledger.Ledger.snapshot', read))
        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.conductor.works.Works._carry_out', carried_out))
        self.ident = self.create()
        self.at_work = self.conductor(Waiting(self.api.conf))
        local_bed.wait_for(lambda: [
            run for run in self.runs(self.ident)
            if run['status'] == 'RUNNING'])

    def assert_done_once(self):
        self.assertEqual('ACTIVE', self.settled(self.ident)['status'])
        self.assertEqual([self.ident], self.seen)
        self.assertEqual([('apply', 'SUCCEEDED'), ('verify', 'SUCCEEDED')],
                         sorted((run['verb'], run['status'])
                                for run in self.runs(self.ident)))

    def test_it_is_not_done_again(self):
        self.at_work.advance(self.ident)
        self.assert_done_once()

    def test_it_is_not_taken_for_interrupted(self):
        answer = self.api.call(
            'POST', f'/v1/clusters/{self.ident}/deployments',
            {'operation': 'cancel'})
        self.assertEqual(202, answer.status, answer.body)
        self.at_work.advance(self.ident)
        local_bed.wait_for(lambda: self.go.is_set())
        self.settled(self.ident, ('ACTIVE', 'ERROR'))
        self.assertEqual([self.ident], self.seen)
        self.assertNotIn('INTERRUPTED', [
            run['status'] for run in self.runs(self.ident)])


class GivenUpTest(Case):
    """A turn that goes wrong while a batch is under way."""

    def amiss(self, problem):
        """A turn meets *problem* once, in the middle of a batch.

        :returns: the cluster at its end, and its runs.
        """
        raised, snapshot = [], Ledger.snapshot

        def read(ledger):
            found = snapshot(ledger)
            if not raised and [run for run in found.open_runs
                               if run.status == 'RUNNING']:
                raised.append(ledger.epoch)
                raise problem
            return found

        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.db.ledger.Ledger.snapshot', read))
        ident = self.create(seconds=3)
        conductor = self.conductor()
        local_bed.wait_for(lambda: [
            run for run in self.runs(ident) if run['status'] == 'RUNNING'])
        conductor.advance(ident)
        cluster = self.settled(ident)
        self.assertEqual([1], raised)
        return cluster, self.runs(ident)

    def test_the_database_fails_for_a_moment(self):
        cluster, runs = self.amiss(db_exc.DBDeadlock())
        self.assertEqual('ACTIVE', cluster['status'])
        # The one that was ended is done again, once.
        self.assertEqual(['INTERRUPTED', 'SUCCEEDED'], sorted(
            run['status'] for run in runs if run['verb'] == 'apply'))

    def test_a_bug_is_told_of(self):
        cluster, _ = self.amiss(ZeroDivisionError())
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn('hpcdirect itself failed', cluster['status_reason'])

    def test_a_bug_fails_nothing_that_was_asked_for_since(self):
        raised, go, snapshot = threading.Event(), threading.Event(), \
            Ledger.snapshot

        class Waiting(FakeRunner):
            """Goes on when something newer was asked for."""

            def carry_out(self, batch, listener, stopped):
                super().carry_out(batch, Until(listener, go), stopped)

        def read(ledger):
            found = snapshot(ledger)
            if not raised.is_set() and [run for run in found.open_runs
                                        if run.status == 'RUNNING']:
                raised.set()
                raise ZeroDivisionError
            return found

        self.useFixture(fixtures.MonkeyPatch(
            'hpcdirect.db.ledger.Ledger.snapshot', read))
        ident = self.create()
        conductor = self.conductor(Waiting(self.api.conf))
        local_bed.wait_for(lambda: [
            run for run in self.runs(ident) if run['status'] == 'RUNNING'])
        conductor.advance(ident)
        self.assertTrue(raised.wait(60))
        self.assertEqual(202, self.api.call(
            'DELETE', f'/v1/clusters/{ident}').status)
        go.set()
        local_bed.wait_for(lambda: self.get(ident) is None)


class LeavingTest(Case):
    """The process that a site runs, and SIGTERM."""

    def start(self):
        return self.launch(self.configuration(lease_seconds=30))

    def test_it_gives_back_what_it_has_and_nothing_fails(self):
        ident = self.create(seconds=3)
        first = self.start()
        run, = local_bed.wait_for(lambda: [
            run for run in self.runs(ident) if run['status'] == 'RUNNING'])
        first.terminate()
        self.assertEqual(0, first.wait(30))
        with self.api.database.read() as session:
            row = session.get_one(models.Cluster, ident)
            self.assertEqual(('', 0.0), (row.owner, row.lease_until))
            self.assertLessEqual(row.due_at, session.scalars(
                sa.select(leases.utc_seconds())).one())
        self.assertEqual('CREATING', self.get(ident)['status'])
        self.assertEqual('INTERRUPTED', self.api.call(
            'GET', f'/v1/runs/{run["id"]}').json['status'])
        # Long before the lease would have lapsed.
        self.start()
        self.assertEqual('ACTIVE', self.settled(ident)['status'])
        log = pathlib.Path(self.api.folder / 'log').read_text()
        self.assertNotIn('Traceback', log)
