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

"""hpcdirect as a real process of its own, and a client that speaks HTTP.

Nothing is reached from inside: a test starts ``hpcdirect-all-in-one`` with a
configuration of its own, talks to it over the loopback, kills it and starts
it again.
"""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import bcrypt
import fixtures

from hpcdirect.tests.functional import holes

ROOT = pathlib.Path(__file__).parents[3]
WORD = 'a-word-for-tests'
USERS = {'member': 'member', 'reader': 'reader', 'admin': 'admin,member'}


def free_port():
    """A port of the loopback that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


def program(name):
    """What starts a program of hpcdirect's, by the module it is in."""
    return (f'from hpcdirect.cmd import {name}; '
            f'raise SystemExit({name}.main())')


def kill(process):
    """End a process and all that it started: kill -9 of its session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Answer:
    """What the service said."""

    def __init__(self, status, headers, text):
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)


class Service(fixtures.Fixture):
    """A running service; ``folder`` holds all it writes."""

    def __init__(self, backend='fake', runner='ansible', directories=(ROOT,),
                 **options):
        super().__init__()
        self.backend = backend
        self.runner = runner
        self.directories = directories
        self.options = options
        self.program = program('all_in_one')
        self.process = None

    def _setUp(self):
        # Short, since ssh's control sockets lie below it.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.port = free_port()
        self.url = f'http://127.0.0.1:{self.port}'
        secret = bcrypt.hashpw(WORD.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / 'users').write_text(''.join(
            f'{name}:{secret}:{project}:{roles}\n'
            for project in ('ours', 'theirs')
            for name, roles in ((f'{role}-{project}', given)
                                for role, given in USERS.items())))
        (self.folder / 'hpcdirect.conf').write_text(self._configuration())
        self.addCleanup(self._read_what_it_said)
        self.addCleanup(self.stop)

    def _read_what_it_said(self):
        """No sentence for people lacks a word, whatever the test was of."""
        database = self.folder / 'db.sqlite'
        with contextlib.suppress(sqlite3.OperationalError):
            # A test may have left no database, or none of this release.
            found = holes.found(database)
            if found:
                raise AssertionError('\n'.join(found))

    def _configuration(self):
        sections = {
            'DEFAULT': {
                'state_path': self.folder, 'key_file': self.folder / 'keys',
                'log_file': self.folder / 'log', 'debug': True,
                'enabled_backends': self.backend,
                'enabled_runners': self.runner,
                'default_log_levels': 'sqlalchemy=WARN,stevedore=WARN,'
                                      'oslo=WARN,oslo_messaging=WARN'},
            'api': {'host': '127.0.0.1', 'port': self.port,
                    'auth_strategy': 'basic',
                    'users_file': self.folder / 'users',
                    'response_validation': 'error'},
            'conductor': {'gather_seconds': 0.3, 'lease_seconds': 4,
                          'provision_timeout': 300},
            'blueprints': {'directories': ','.join(
                map(str, self.directories))},
            'database': {
                'connection': f'sqlite:///{self.folder}/db.sqlite'},
            'local': {'state_path': self.folder / 'local'},
            'ansible': {'work_path': self.folder / 'w'},
        }
        for name, values in self.options.items():
            sections.setdefault(name, {}).update(values)
        return ''.join(
            f'[{section}]\n' + ''.join(f'{name} = {value}\n' for name, value
                                       in values.items())
            for section, values in sections.items())

    # -- the process ------------------------------------------------------

    def start(self, **environment):
        """Start it and wait until it answers."""
        self.process = self._launched(self.program, **environment)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f'{self.url}/healthcheck', timeout=2)
                return self
            time.sleep(0.05)
        raise AssertionError('the service did not start:\n' + self.log())

    def prepare(self):
        """Make the tables and keys that programs apart ask for."""
        self.manage_database('upgrade')
        self.manage_database('create-key')

    def manage_database(self, word):
        """``hpcdirect-db-manage`` with this command, which must succeed."""
        if self._launched(program('db_manage'), word).wait():
            raise AssertionError(self.log())

    def begin(self, name, **environment):
        """Another program with the same configuration; it goes with this."""
        process = self._launched(program(name), **environment)
        self.addCleanup(kill, process)
        return process

    def _launched(self, code, *words, **environment):
        with (self.folder / 'output').open('ab') as output:
            return subprocess.Popen(
                [sys.executable, '-c', code, '--config-file',
                 str(self.folder / 'hpcdirect.conf'), *words],
                env={**os.environ, 'PYTHONFAULTHANDLER': '1', **environment},
                stdout=output, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True)

    def manage(self, *arguments):
        """``hpcdirect-manage``; its exit code and what it said."""
        done = subprocess.run(
            [sys.executable, '-c', program('manage'), '--config-file',
             str(self.folder / 'hpcdirect.conf'), *arguments],
            capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def kill(self):
        """kill -9, and wait until it is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def died(self, seconds=120):
        """Wait until it has killed itself at a failpoint."""
        code = self.process.wait(seconds)
        if code != -signal.SIGKILL:
            raise AssertionError(f'it ended with {code}:\n' + self.log())

    def stop(self):
        """SIGTERM, and wait; what does not end tells where it is."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            # Each thread's stack goes to what it wrote.
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError('SIGTERM did not end it:\n'
                                 + self.log()) from None

    def log(self):
        """The last of what it wrote."""
        text = ''
        for name in ('output', 'log'):
            with contextlib.suppress(OSError):
                text += (self.folder / name).read_text()[-6000:]
        return text

    # -- HTTP -------------------------------------------------------------

    def call(self, method, path, body=None, user='member-ours', **headers):
        """One request; whatever the status, an :class:`Answer`."""
        token = base64.b64encode(f'{user}:{WORD}'.encode()).decode()
        request = urllib.request.Request(
            self.url + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={'Authorization': f'Basic {token}',
                     'Content-Type': 'application/json', **headers})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers,
                              answer.read().decode())
        except urllib.error.HTTPError as exc:
            return Answer(exc.code, exc.headers, exc.read().decode())

    def get(self, path, **values):
        """The JSON of a GET that must succeed."""
        answer = self.call('GET', path, **values)
        if answer.status != 200:
            raise AssertionError(f'{path}: {answer.status} {answer.text}')
        return answer.json

    def create(self, name='demo', blueprint='slurm', **parameters):
        """Ask for a cluster; its view."""
        answer = self.call('POST', '/v1/clusters', {
            'name': name, 'blueprint': blueprint, 'parameters': parameters})
        if answer.status != 202:
            raise AssertionError(answer.text)
        return answer.json

    def settled(self, name='demo', seconds=600,
                statuses=('ACTIVE', 'ERROR')):
        """Wait until a cluster is at rest; its view, None when it is gone.

        Events are waited for, so that nobody is asked again and again.
        """
        end = time.monotonic() + seconds
        marker = 0
        cluster = self.call('GET', f'/v1/clusters/{name}')
        while time.monotonic() < end:
            if cluster.status == 404:
                return None
            if cluster.json['status'] in statuses:
                return cluster.json
            ident = cluster.json['id']
            events = self.get(f'/v1/events?cluster={ident}&marker={marker}'
                              '&wait=5&limit=1000')['events']
            marker = events[-1]['id'] if events else marker
            cluster = self.call('GET', f'/v1/clusters/{name}')
        raise AssertionError(f'{name} does not settle: {cluster.text}\n'
                             + self.log())

    def events(self, cluster_id, **filters):
        """Every event of a cluster so far."""
        found, marker = [], 0
        query = ''.join(f'&{key}={value}' for key, value in filters.items())
        while True:
            page = self.get(f'/v1/events?cluster={cluster_id}&limit=1000'
                            f'&marker={marker}{query}')['events']
            if not page:
                return found
            found += page
            marker = page[-1]['id']
