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

"""A MariaDB server of this process's own: no port, a folder that goes."""

import atexit
import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import uuid

import fixtures
import sqlalchemy as sa

_lock = threading.Lock()
_server = None


class _Server:
    """Runs until the process ends; ended by the id it was started with."""

    def __init__(self, durable=False, **environment):
        self.durable = durable
        self.environment = {'TZ': 'Europe/Berlin', **environment}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-mariadb-'))
        self.data = self.folder / 'data'
        user = []
        if os.geteuid() == 0:
            # mariadbd refuses to run as root.
            owner = pwd.getpwnam('mysql')
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            user = ['--user=mysql']
        subprocess.run(
            ['mariadb-install-db', '--no-defaults', f'--datadir={self.data}',
             '--auth-root-authentication-method=normal',
             '--skip-test-db', *user],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = self.folder / 'socket'
        self.user = user
        self.start()

    def start(self):
        """Start it, again after a kill; wait until it answers."""
        self.process = subprocess.Popen(
            [shutil.which('mariadbd') or '/usr/sbin/mariadbd',
             '--no-defaults', f'--datadir={self.data}',
             f'--socket={self.socket}', '--skip-networking',
             # A server that starts removes others' tables from /tmp.
             f'--tmpdir={self.folder}',
             '--innodb-buffer-pool-size=32M', '--innodb-log-file-size=16M',
             f'--innodb-flush-log-at-trx-commit={int(self.durable)}',
             '--character-set-server=utf8mb4', '--skip-log-bin',
             # As MySQL has it.
             '--group-concat-max-len=1024',
             f'--log-error={self.folder}/log', *self.user],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            # A site's server tells local time, with a summer in it.
            env={**os.environ, **self.environment})
        self._wait()

    def _wait(self):
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with sa.create_engine(self.url('mysql')).connect():
                    return
            except sa.exc.OperationalError:
                time.sleep(0.1)
        raise AssertionError((self.folder / 'log').read_text()[-4000:])

    def url(self, database):
        """What SQLAlchemy connects to; MariaDB listens on a socket only."""
        return (f'mysql+pymysql://root@localhost/{database}'
                f'?unix_socket={self.socket}&charset=utf8mb4')

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """End it and remove all it wrote."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def available():
    """Whether the server is installed here."""
    return bool(shutil.which('mariadb-install-db'))


def copy(url):
    """Copy a database; the URL of the new one, of the same server."""
    there = sa.engine.make_url(url)
    name = 'db' + uuid.uuid4().hex
    access = [f'--socket={there.query["unix_socket"]}',
              f'--user={there.username}']
    dumped = subprocess.run(
        ['mariadb-dump', '--no-defaults', *access, there.database],
        check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(
        ['mariadb', '--no-defaults', *access], check=True,
        input=f'CREATE DATABASE {name}; USE {name};\n'.encode() + dumped)
    return str(there.set(database=name).render_as_string(False))


class Own(fixtures.Fixture):
    """A server of one's own, to be killed; ``url`` leads to a database.

    Who connects has no rights beyond that database.

    :param environment: of the server.
    """

    def __init__(self, **environment):
        super().__init__()
        self.environment = environment

    def _setUp(self):
        self.server = _Server(durable=True, **self.environment)
        self.addCleanup(self.server.stop)
        self.execute('CREATE DATABASE own')
        self.execute("CREATE USER app@localhost")
        self.execute('GRANT ALL ON own.* TO app@localhost')
        self.url = self.server.url('own').replace('root@', 'app@')

    def execute(self, statement):
        """Carry out a statement as the server's administrator."""
        engine = sa.create_engine(self.server.url('mysql'),
                                  poolclass=sa.NullPool)
        with engine.begin() as connection:
            return connection.exec_driver_sql(statement)

    @contextlib.contextmanager
    def other(self):
        """Somebody else's transaction, which is taken back."""
        engine = sa.create_engine(self.server.url('own'),
                                  poolclass=sa.NullPool)
        with engine.connect() as connection:
            yield connection


class MariaDB(fixtures.Fixture):
    """An empty database; ``url`` leads to it."""

    def _setUp(self):
        global _server
        with _lock:
            if _server is None:
                _server = _Server()
                atexit.register(_server.stop)
        name = 'db' + uuid.uuid4().hex
        self._execute(f'CREATE DATABASE {name}')
        self.addCleanup(self._execute, f'DROP DATABASE {name}')
        self.url = _server.url(name)

    @staticmethod
    def _execute(statement):
        engine = sa.create_engine(_server.url('mysql'),
                                  poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)


class Slow(fixtures.Fixture):
    """A way to a server on which every statement takes longer.

    :param server: where it leads to.
    :ivar seconds: how much longer, from now on.
    """

    seconds = 0.0

    def __init__(self, server):
        super().__init__()
        self._server = server

    def _setUp(self):
        self._door = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(self._door.close)
        # Closing it wakes up nobody who waits for a caller.
        self.addCleanup(self._door.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=self._receive, daemon=True).start()

    def url(self, database, user='root'):
        """What SQLAlchemy connects to."""
        return (f'mysql+pymysql://{user}@127.0.0.1:'
                f'{self._door.getsockname()[1]}/{database}?charset=utf8mb4')

    def _receive(self):
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._door.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server.socket))
                for one, other, slow in ((caller, server, True),
                                         (server, caller, False)):
                    threading.Thread(target=self._carry, daemon=True,
                                     args=(one, other, slow)).start()

    def _carry(self, one, other, slow):
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                if slow and self.seconds:
                    time.sleep(self.seconds)
                other.sendall(data)
        for side in (one, other):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
