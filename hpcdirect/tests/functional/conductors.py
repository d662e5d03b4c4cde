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

"""Conductors as real processes that start in a moment, and what they touch.

A launcher has imported everything and forks one process for each conductor,
or for each request to the API, that is asked for. Machines are lines of a
file (the fake backend), and so is what is on them: whoever applies something
to a machine writes it there, with the epoch of its lease, and a machine
refuses a run of an older epoch, as real ones do. What carries a batch out has
a process of its own, as real runners have.
"""

import contextlib
import datetime
import fcntl
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import threading

import fixtures
from oslo_config import cfg
from oslo_messaging import conffixture

from hpcdirect import conf as options
from hpcdirect import failpoints
from hpcdirect import processes
from hpcdirect import rpc
from hpcdirect.api import app
from hpcdirect.cmd import parts
from hpcdirect.conductor import reconciler
from hpcdirect.conductor import service
from hpcdirect.runners import base
from hpcdirect.runners.fake import FakeRunner
from hpcdirect.tests.functional import api
from hpcdirect.tests.functional import local_bed

LOG = logging.getLogger(__name__)
#: Seconds; on a busy machine a shorter one is lost again and again.
LEASE = 3.0


@contextlib.contextmanager
def record(folder):
    """What happened to machines, by their host keys; written at the end."""
    path = pathlib.Path(folder) / 'nodes.json'
    with (path.parent / 'nodes.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = json.loads(path.read_text()) if path.exists() else {}
        yield found
        fresh = path.with_suffix('.new')
        fresh.write_text(json.dumps(found))
        fresh.replace(path)


class Machines(FakeRunner):
    """Carries elements out on machines that remember it."""

    def __init__(self, folder):
        super().__init__(None)
        self._folder = pathlib.Path(folder)

    def carry_out(self, batch, listener, stopped):
        # Like a real one it does nothing before it is recorded, and ends
        # when that never comes.
        worker = subprocess.Popen(
            ['sh', '-c', 'read recorded && exec sleep 600'],
            start_new_session=True, stdin=subprocess.PIPE)
        with (self._folder / 'workers').open('a') as file:
            file.write(f'{worker.pid} {processes.started(worker.pid)}\n')
        try:
            super().carry_out(batch, _Told(
                self._folder, batch, listener, worker), stopped)
        finally:
            _end(worker)

    def stop(self, process):
        Process(process.pid, process.started).kill()


def _end(worker):
    worker.kill()
    worker.wait()
    worker.stdin.close()


class _Told(base.Listener):
    """Writes down what happens on machines before anybody is told of it."""

    def __init__(self, folder, batch, listener, worker):
        self._folder = folder
        self._batch = batch
        self._listener = listener
        self._worker = worker
        self._keys = {host.name: host.host_key for host in batch.hosts}
        self._tasks = {task.run_id: task for task in batch.tasks}
        self._refused = False

    def starting(self, process):
        pid = self._worker.pid
        self._listener.starting(base.Process(
            pid, processes.started(pid), processes.place()))
        self._worker.stdin.write(b'yes\n')
        self._worker.stdin.flush()

    def progress(self, progress):
        self._listener.progress(progress)

    def begun(self, run_id):
        self._listener.begun(run_id)
        task = self._tasks[run_id]
        with record(self._folder) as found:
            there = [found.setdefault(self._keys[name], {
                'epoch': 0, 'layers': {}, 'log': []}) for name in task.nodes]
            self._refused |= any(one['epoch'] > self._batch.epoch
                                 for one in there)
            for one in there if not self._refused else ():
                one['epoch'] = self._batch.epoch
                one['log'].append((self._batch.epoch, task.verb,
                                   task.element.name))

    def ended(self, outcome):
        task = self._tasks[outcome.run_id]
        if self._refused:
            outcome = base.TaskOutcome(outcome.run_id, (), {
                name: base.Cause(name, '', 'refused: a newer epoch has been '
                                 'here') for name in task.nodes})
        with record(self._folder) as found:
            for name in outcome.succeeded:
                layers = found[self._keys[name]]['layers']
                if task.verb == base.Verb.APPLY:
                    layers[task.element.name] = dict(task.variables)
                elif task.verb == base.Verb.REVERT:
                    layers.pop(task.element.name, None)
        if task is self._batch.tasks[-1]:
            # It has nothing more to do, and ends by itself.
            _end(self._worker)
        self._listener.ended(outcome)


# -- what is forked -------------------------------------------------------

def configuration(folder, content, connection='', **conductor):
    """What a process in that folder is configured with.

    :param content: the folder of blueprints and elements.
    :param connection: to a database other than the folder's own.
    """
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf([], project='hpcdirect', default_config_files=[],
         default_config_dirs=[])
    conf.set_override('state_path', str(folder))
    conf.set_override('directories', [str(content)], 'blueprints')
    conf.set_override('enabled_backends', ['fake'])
    conf.set_override('enabled_sources', ['directory'])
    conf.set_override('auth_strategy', 'noauth', 'api')
    if connection:
        conf.set_override('connection', connection, 'database')
    for name, value in {
            'scan_interval': 0.1, 'lease_seconds': LEASE, 'workers': 2,
            'gather_seconds': 0, 'watch_interval': 0, 'watchers': 1,
            'provision_timeout': 60, **conductor}.items():
        conf.set_override(name, value, 'conductor')
    return conf


def conduct(settings, ahead=0.0, url=''):
    """Be a conductor until SIGTERM.

    :param settings: see :func:`configuration`.
    :param ahead: seconds that its clock is ahead.
    :param url: the broker it listens to; '' for none.
    """
    # For this thread only: it waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    whole = parts.Assembly(configuration(**settings))

    def later():
        return datetime.datetime.now(datetime.UTC).replace(
            tzinfo=None) + datetime.timedelta(seconds=ahead)

    conductor = service.Conductor(reconciler.Parts(
        conf=whole.conf, database=whole.database, keys=whole.keys,
        policy=whole.policy, load=whole.catalogue.blueprint,
        element_of=whole.catalogue.element, backends=whole.backends,
        runners={'fake': failpoints.watch(Machines(
            settings['folder']), 'runner', base.ElementRunner)},
        clock=later if ahead else None))
    if url:
        conffixture.ConfFixture(whole.conf)
        threading.Thread(target=rpc.server(
            whole.conf, conductor.advance, url).start, daemon=True).start()
    conductor.start()
    signal.sigwait({signal.SIGTERM})
    conductor.stop()


def ask(settings, request, answer, url='', key=''):
    """Be an API for one request.

    :param request: method, path and body.
    :param answer: the file that status and body are written to.
    :param url: the broker that it speaks to; '' for none.
    :param key: its Idempotency-Key.
    """
    whole = parts.Assembly(configuration(**settings))
    conffixture.ConfFixture(whole.conf)
    door = api.Api()
    door.app = app.make_app(whole.services(url or rpc.IN_PROCESS))
    method, path, body = request
    said = door.call(method, path, body, **(
        {'IDEMPOTENCY_KEY': key} if key else {}))
    file = pathlib.Path(answer)
    file.with_suffix('.new').write_text(json.dumps(
        [said.status, said.body.decode()]))
    file.with_suffix('.new').replace(file)


def launch():
    """Fork a process for each line read; its pid is the answer."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children = []
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _child(json.loads(line))
        children.append(pid)
        print(pid, flush=True)
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _child(said):
    # Its own children are waited for.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        os.setsid()
        logging.basicConfig(
            filename=f'{said["given"]["settings"]["folder"]}/log', force=True,
            level=logging.INFO,
            format='%(process)d %(levelname)s %(name)s: %(message)s')
        logging.getLogger('hpcdirect').setLevel(logging.DEBUG)
        failpoints.arm(said['environ'])
        {'conduct': conduct, 'ask': ask}[said['what']](**said['given'])
    except BaseException:
        LOG.exception('It ended.')
    finally:
        os._exit(0)


# -- what a test sees of them ---------------------------------------------

class Process:
    """A process that was started by the launcher, or by one of those."""

    def __init__(self, pid, started=0):
        self.pid = pid
        self.started = started or processes.started(pid)

    @property
    def alive(self):
        return processes.alive(self.pid, self.started)

    @property
    def stopped(self):
        found = processes.status(self.pid)
        return found is not None and found.state == 'T'

    def send(self, number):
        with contextlib.suppress(ProcessLookupError):
            if self.alive:
                os.kill(self.pid, number)

    def kill(self):
        self.send(signal.SIGKILL)
        wait(lambda: not self.alive, 'it to be gone')

    def end(self):
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        wait(lambda: not self.alive, 'it to end')


def wait(condition, what, seconds=300):
    """Until something is so."""
    local_bed.wait_for(condition, seconds, why=lambda: what)


class Launcher(fixtures.Fixture):
    """Starts processes; all of them end with it."""

    def _setUp(self):
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, '-c', 'from hpcdirect.tests.functional import '
             'conductors; conductors.launch()'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self._process.stdout.close)
        self.addCleanup(self._process.wait)
        self.addCleanup(self._process.stdin.close)

    def start(self, what, environ, **given):
        """Start a process.

        :param what: ``conduct`` or ``ask``; see the functions of that name.
        :param environ: see :mod:`hpcdirect.failpoints`.
        """
        with self._lock:
            self._process.stdin.write(json.dumps({
                'what': what, 'environ': environ, 'given': given}) + '\n')
            self._process.stdin.flush()
            return Process(int(self._process.stdout.readline()))
