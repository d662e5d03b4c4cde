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

"""The connection to the database, and the two ways to use it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import datetime
import os
import sqlite3
import sys
import threading
import time
from typing import Any
from typing import TypeVar

from oslo_config import cfg
from oslo_db import api as db_api
from oslo_db import exception as db_exc
from oslo_db import options
from oslo_db.sqlalchemy import enginefacade
from pymysql.constants import FIELD_TYPE
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.engine.interfaces import DBAPIConnection

from hpcdirect import failpoints

Session = orm.Session

#: Where a session keeps what is to be done once it is committed.
_AFTERWARDS = 'hpcdirect.afterwards'
#: Seconds between two attempts to begin a transaction.
_PAUSE = 0.5

_Result = TypeVar('_Result')

_OUTAGES = (db_exc.DBConnectionError, db_exc.DBDeadlock,
            db_exc.DBConsistencyError, db_exc.DBNonExistentDatabase,
            sa.exc.TimeoutError)
#: Bytes that a database may put together from many rows.
_TOGETHER = 1 << 20
#: Too many connections, server going down, disk or table full, lock wait,
#: deadlock, and the three ways to say that it only reads.
_MYSQL_OUTAGES = frozenset((1040, 1053, 1021, 1114, 1205, 1213, 1290, 1792,
                            1836))
_SQLITE_OUTAGES = frozenset((
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN))


def is_outage(exc: BaseException) -> bool:
    """Whether an error says that the database cannot serve just now.

    Then nothing of the transaction was kept, or nobody knows; asking again
    may help. Anything else is a mistake, the same the next time.
    """
    if isinstance(exc, _OUTAGES):
        return True
    if not isinstance(exc, sa.exc.OperationalError):
        return False
    cause: Any = exc.orig
    if isinstance(cause, sqlite3.Error):
        # Extended codes carry the plain one in their last byte.
        return (cause.sqlite_errorcode & 0xff) in _SQLITE_OUTAGES
    return bool(cause.args) and cause.args[0] in _MYSQL_OUTAGES


@contextlib.contextmanager
def _outages() -> Iterator[None]:
    """One kind of error for whatever keeps the database from serving.

    oslo.db lets some of them through as they are, such as that of a server
    that only reads after a failover; nobody is to take them for a bug.

    :raises DBConnectionError: such a one.
    """
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.TimeoutError) as exc:
        if not is_outage(exc):
            raise
        raise db_exc.DBConnectionError(exc) from exc


@enginefacade.transaction_context_provider
class _Transaction:
    """What enginefacade hangs one transaction on."""


def afterwards(session: orm.Session, act: Callable[[], object]) -> None:
    """Have something done once what the session changes is committed.

    :param act: must not fail; it is forgotten when nothing is committed.
    """
    session.info.setdefault(_AFTERWARDS, []).append(act)


class Database:
    """Hands out sessions: ``with database.write() as session``.

    Each is one transaction of its own, committed at the end of the block and
    rolled back when an exception leaves it.

    :ivar patience: seconds for which the beginning of a transaction waits
        for a database server that is not there just now.
    :ivar lock_wait: seconds for which a statement waits for a row that
        another transaction holds; set before the first session.
    """

    patience = 0.0
    lock_wait = 5

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.set_defaults(conf)
        self._facade = enginefacade.transaction_context()
        self._facade.configure(
            connection=conf.database.connection, sqlite_fk=True,
            max_retries=conf.database.max_retries,
            mysql_sql_mode='TRADITIONAL',
            # That is for greenlets, of which there are none here.
            thread_checkin=False)
        self.engine: sa.Engine = self._facade.writer.get_engine()
        self._writing = threading.local()
        if self.engine.dialect.name == 'sqlite':
            self._prepare_sqlite()
        elif self.engine.dialect.name == 'mysql':
            self._prepare_mysql()

    def change(self, work: Callable[[orm.Session], _Result]) -> _Result:
        """What *work* returns, given a session that is committed after it.

        When the database ends the transaction for the sake of another one
        (a deadlock, a row held for too long), all of it is done again, a
        few times.

        :param work: changes nothing but what is in the session.
        """
        @db_api.wrap_db_retry(
            max_retries=5, retry_interval=0.05, inc_retry_interval=True,
            max_retry_interval=1, retry_on_deadlock=True, jitter=True,
            exception_checker=lambda exc: isinstance(
                exc, db_exc.DBConsistencyError))
        def attempt() -> _Result:
            with self.write() as session:
                return work(session)
        done: _Result = attempt()
        return done

    @contextlib.contextmanager
    def read(self) -> Iterator[orm.Session]:
        """A session that sees one state of the database."""
        with _outages(), self._begun(self._facade.reader) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[orm.Session]:
        """A session whose changes are committed when the block ends."""
        place = failpoints.transaction() if failpoints.armed else ''
        self._writing.now = True
        try:
            with _outages(), self._begun(self._facade.writer) as session:
                yield session
                if place:
                    failpoints.failpoint(f'{place}/before')
        finally:
            self._writing.now = False
        for act in session.info.pop(_AFTERWARDS, ()):
            act()
        if place:
            failpoints.failpoint(f'{place}/after')

    @contextlib.contextmanager
    def _begun(self, kind: Any) -> Iterator[orm.Session]:
        """A transaction that the server has begun."""
        end = time.monotonic() + self.patience
        while True:
            transaction = kind.using(_Transaction())
            try:
                session = transaction.__enter__()
                session.connection()
                break
            except db_exc.DBConnectionError:
                with contextlib.suppress(Exception):
                    transaction.__exit__(*sys.exc_info())
                if time.monotonic() > end:
                    raise
                time.sleep(_PAUSE)
        try:
            yield session
        except BaseException:
            if not transaction.__exit__(*sys.exc_info()):
                raise
        else:
            transaction.__exit__(None, None, None)

    def _prepare_mysql(self) -> None:
        """Wait for rows for seconds, not for the server's minute.

        What is put together from many rows is not cut either: MySQL does so
        after 1,024 bytes. PyMySQL reads a time by a regular expression, which
        takes ten times as long as the standard library does.
        """
        @sa.event.listens_for(self.engine, 'connect')
        def _connect(connection: DBAPIConnection, record: object) -> None:
            if self.engine.dialect.driver == 'pymysql':
                connection.decoders[
                    FIELD_TYPE.DATETIME] = datetime.datetime.fromisoformat
            cursor = connection.cursor()
            cursor.execute('SET SESSION innodb_lock_wait_timeout = %s, '
                           'SESSION group_concat_max_len = %s',
                           (self.lock_wait, _TOGETHER))
            cursor.close()

        self.engine.dispose()

    def _prepare_sqlite(self) -> None:
        """Let readers and one writer go on side by side.

        Writers say so when they begin: a transaction that reads first and
        writes later would fail at once when another one wrote in between.
        """
        hide(self.engine.url.database)

        @sa.event.listens_for(self.engine, 'connect')
        def _connect(connection: DBAPIConnection, record: object) -> None:
            cursor = connection.cursor()
            cursor.execute('PRAGMA journal_mode=WAL')
            cursor.execute('PRAGMA synchronous=NORMAL')
            cursor.execute('PRAGMA busy_timeout=30000')
            cursor.close()

        # oslo.db sends a plain BEGIN first, unless this mark says that a
        # transaction is open; listeners of this event cannot go before it.
        @sa.event.listens_for(self.engine, 'checkout')
        def _checkout(connection: object, record: Any, proxy: object) -> None:
            if getattr(self._writing, 'now', False):
                record.info['in_transaction'] = True
            else:
                record.info.pop('in_transaction', None)

        @sa.event.listens_for(self.engine, 'begin')
        def _begin(connection: sa.Connection) -> None:
            if getattr(self._writing, 'now', False):
                connection.exec_driver_sql('BEGIN IMMEDIATE')

        self.engine.dispose()


def hide(path: str | None) -> None:
    """See to it that only its owner reads a file, made when it is not there.

    What is wanted of clusters is not for everybody on the machine. SQLite
    gives its other files the mode of this one.
    """
    if not path or path == ':memory:' or path.startswith('file:'):
        return
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT, 0o600))
        os.chmod(path, 0o600)
