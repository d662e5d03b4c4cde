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

"""A cluster whose conductors are real processes, and what must hold of it."""

import collections
import contextlib
import dataclasses
import fcntl
import itertools
import json
import pathlib
import shutil
import signal
import sqlite3

import sqlalchemy as sa

from hpcdirect import processes
from hpcdirect.db import models
from hpcdirect.keys import KeyRing
from hpcdirect.tests.functional import conductors
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import mariadb

DATABASE = 'hpcdirect.sqlite'
#: Of others, in the same database.
TRANSACTIONS = """
    SELECT COUNT(*) FROM information_schema.innodb_trx trx
    JOIN information_schema.processlist list
    ON list.id = trx.trx_mysql_thread_id
    WHERE list.db = DATABASE() AND list.id <> CONNECTION_ID()"""
#: For names of files.
_NUMBERS = itertools.count(1)
OPEN = ('QUEUED', 'RUNNING', 'WAITING')
#: Of whose rows an owner sees something.
SEEN = (models.Deployment, models.Step, models.Node, models.Layer,
        models.Run, models.LogChunk, models.Event)


@dataclasses.dataclass(frozen=True)
class Site:
    """Where it happens: a folder, and what a database is copied with.

    :param content: the folder of blueprints and elements.
    :param connection: to a database other than the folder's own.
    :param url: a broker; '' for none, and whatever is to be done is found in
        the database.
    """

    folder: pathlib.Path
    content: pathlib.Path
    connection: str = ''
    url: str = ''

    def make(self):
        """The empty database, and keys."""
        conf = conductors.configuration(self.folder, self.content,
                                        self.connection)
        databases.make_tables(conf)
        KeyRing.load_or_create(conf.key_file)

    def copy(self, folder):
        """The same in another folder, while nobody is at work."""
        connection = self.connection and mariadb.copy(self.connection)
        shutil.copytree(self.folder, folder, ignore=lambda where, names: {
            name for name in names if where == str(self.folder)
            and name not in ('fake', 'nodes.json', 'keys')})
        if not connection:
            with contextlib.closing(sqlite3.connect(
                    self.folder / DATABASE)) as old, contextlib.closing(
                    sqlite3.connect(folder / DATABASE)) as new:
                old.backup(new)
        return dataclasses.replace(self, folder=folder,
                                   connection=connection)


class History:
    """A cluster "demo", and who works on it.

    :param launcher: starts processes.
    :param site: where it is.
    :param options: of the conductors; ``ahead`` is how far their clock is.
    """

    def __init__(self, launcher, site, **options):
        self._launcher = launcher
        self._site = site
        self._ahead = options.pop('ahead', 0.0)
        self._settings = {'folder': str(site.folder),
                          'content': str(site.content),
                          'connection': site.connection, **options}
        self.folder = site.folder
        self._engine = sa.create_engine(
            site.connection or f'sqlite:///{site.folder / DATABASE}',
            poolclass=sa.NullPool, **({} if site.connection else {
                'connect_args': {'timeout': 10}}))
        self.conductors = []

    # -- processes --------------------------------------------------------

    def start(self, said=''):
        """A conductor, with a fault or without."""
        process = self._launcher.start(
            'conduct', self._environ(said), settings=self._settings,
            ahead=self._ahead, url=self._site.url)
        self.conductors.append(process)
        return process

    def _environ(self, said):
        if not said:
            return {}
        self.mark = self.folder / f'once-{next(_NUMBERS)}'
        self.passed = self.mark.with_suffix('.places')
        return {'HPCDIRECT_FAILPOINT': '' if said == 'log' else said,
                'HPCDIRECT_FAILPOINT_ONCE': str(self.mark),
                **({'HPCDIRECT_FAILPOINT_LOG': str(self.passed)}
                   if said == 'log' else {})}

    def places(self):
        """Where the process came by that was to tell it, in order."""
        return list(dict.fromkeys(self.passed.read_text().split()))

    def kill(self):
        """All of them at once."""
        for process in self.conductors:
            process.send(signal.SIGKILL)
        for process in self.conductors:
            process.kill()
        self.conductors.clear()

    def freeze(self, process):
        """Stop a conductor, but not where it keeps everybody from writing.

        SQLite has one lock for all; with other databases it is a row's.
        """
        while True:
            process.send(signal.SIGSTOP)
            conductors.wait(lambda: process.stopped or not process.alive,
                            'it to stop')
            if self.writable():
                return
            process.send(signal.SIGCONT)

    def writable(self):
        """Whether nobody is in the middle of a transaction, or of a file."""
        return not any(map(_locked, (
            self.folder / 'nodes.lock', self.folder / 'fake' / 'lock'))
        ) and self._committed()

    def _committed(self):
        if self._site.connection:
            with self._engine.connect() as connection:
                return not connection.exec_driver_sql(TRANSACTIONS).scalar()
        with contextlib.closing(sqlite3.connect(
                self.folder / DATABASE, timeout=0.1)) as database:
            try:
                database.execute('BEGIN IMMEDIATE')
            except sqlite3.OperationalError:
                return False
            return True

    def wake_up(self, process):
        """One that another has replaced goes on, and writes nothing."""
        before = self.seen()
        process.end()
        self.conductors.remove(process)
        if before != self.seen():
            raise AssertionError('the one that was stopped wrote something')

    # -- requests ---------------------------------------------------------

    def asking(self, request, said='', key=''):
        """A request under way: its process, and the file of the answer."""
        file = self.folder / f'answer-{next(_NUMBERS)}'
        return self._launcher.start(
            'ask', self._environ(said), settings=self._settings,
            request=request, answer=str(file), url=self._site.url,
            key=key), file

    def asked(self, request, said='', key=''):
        """Status and body of an answer; None when there was none."""
        process, file = self.asking(request, said, key)
        conductors.wait(lambda: not process.alive, f'an answer to {request}')
        if not file.exists():
            return None
        status, body = json.loads(file.read_text())
        return status, json.loads(body) if body else None

    def ask(self, *request):
        """A request that is accepted; what was answered."""
        answer = self.asked(request)
        if answer is None or answer[0] not in (200, 202):
            raise AssertionError(f'{request}: {answer}\n{self.told()}')
        return answer[1]

    # -- how it stands ----------------------------------------------------

    def rows(self, *columns):
        """Columns of all rows."""
        with self._engine.connect() as connection:
            return connection.execute(sa.select(*columns)).all()

    def status(self):
        """The status of "demo", '' while something is to be done for it."""
        try:
            deployments = self.rows(models.Deployment.status)
            clusters = self.rows(models.Cluster.status, models.Cluster.owner)
        except sa.exc.OperationalError:
            # Of SQLite: one that was stopped just now is in the middle of a
            # commit, and nobody reads until it goes on.
            return ''
        if any(status in OPEN for status, in deployments):
            return ''
        # What is gone is given back to nobody.
        found = [status for status, owner in clusters
                 if not owner or status == 'DELETED']
        return found[0] if len(found) == 1 else ''

    def settled(self, *wanted, seconds=300):
        """The status when nothing is to be done; one of those wanted."""
        wanted = wanted or ('ACTIVE', 'ERROR', 'DEGRADED', 'DELETED')
        found = []

        def so():
            found.append(self.status())
            return found[-1] in wanted

        try:
            conductors.wait(so, wanted, seconds)
        except AssertionError as exc:
            raise AssertionError(f'{exc}\n{self.rows(models.Cluster)}\n'
                                 f'{self.rows(models.Deployment.status)}\n'
                                 f'{self.told()}') from exc
        return found[-1]

    def seen(self):
        """Everything that an owner can see of it."""
        with self._engine.connect() as connection:
            rows = [connection.execute(sa.select(
                *model.__table__.columns).order_by(
                    *model.__table__.primary_key)).all() for model in SEEN]
            return rows, connection.execute(sa.select(
                models.Cluster.status, models.Cluster.status_reason,
                models.Cluster.generation)).all()

    # -- what must hold ---------------------------------------------------

    def check(self, whole=True):
        """Rows are what is there, and nothing was touched out of turn.

        :param whole: no layer was left half way.
        """
        nodes = self.rows(models.Node.name, models.Node.ref, models.Node.ssh,
                          models.Node.status)
        there = [f'fake-{machine["number"]}' for cluster in fakes.machines(
            self.folder).values() for machine in cluster.values()]
        self._equal('machines, each with a row and in one place',
                    sorted(node.ref for node in nodes
                           if node.status != 'FAILED'), sorted(there))
        self._equal('each once', len(there), len(set(there)))
        self._equal('nothing is open', [], [
            row for model in (models.Deployment, models.Run)
            for row in self.rows(model.id, model.status)
            if row.status in OPEN])
        with conductors.record(self.folder) as found:
            if whole:
                self._check_layers(found, {node.name: node.ssh['host_key']
                                           for node in nodes})
            for one in found.values():
                epochs = [epoch for epoch, _, _ in one['log']]
                self._equal('the order of epochs', sorted(epochs), epochs)
        if 'PRIVATE KEY' in self.told() + str(self.seen()):
            raise AssertionError('a secret is told')
        conductors.wait(lambda: not self.workers(), 'runs to be ended', 5)

    def _check_layers(self, found, keys):
        """What is recorded to be on a machine is on it."""
        layers = self.rows(models.Layer.node, models.Layer.element,
                           models.Layer.state, models.Layer.inputs)
        self._equal('layers', {'applied'} if layers else set(),
                    {layer.state for layer in layers})
        recorded, real = (collections.defaultdict(dict) for _ in range(2))
        for layer in layers:
            recorded[layer.node][layer.element] = layer.inputs['variables']
        for name, key in keys.items():
            if found.get(key, {}).get('layers'):
                real[name] = found[key]['layers']
        self._equal('what is on machines', dict(recorded), dict(real))

    def workers(self):
        """Processes that carry something out."""
        path = self.folder / 'workers'
        return [pid for pid, started in (
            map(int, line.split()) for line in (
                path.read_text().splitlines() if path.exists() else ()))
            if processes.alive(pid, started)]

    def told(self):
        """The last of what its processes have logged."""
        return (self.folder / 'log').read_text()[-20000:]

    def _equal(self, what, wanted, found):
        if wanted != found:
            raise AssertionError(f'{what}: {wanted} != {found}')


def _locked(path):
    """Whether somebody holds a file's lock."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
