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

from collections.abc import Iterator
import contextlib
import sys
import threading
import time
from typing import Any

from oslo_config import cfg
from oslo_db import exception as db_exc
from oslo_db import options
from oslo_db.sqlalchemy import enginefacade
import sqlalchemy as sa
from sqlalchemy import orm

#: Seconds between two attempts to begin a transaction.
_PAUSE = 0.5


@enginefacade.transaction_context_provider
class _Transaction:
    """What enginefacade hangs one transaction on."""


class Database:
    """Hands out sessions: ``with database.write() as session``.

    Each is one transaction of its own, committed at the end of the block and
    rolled back when an exception leaves it.

    :ivar patience: seconds for which the beginning of a transaction waits
        for a database server that is not there just now.
    """

    patience = 0.0

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.set_defaults(conf)
        self._facade = enginefacade.transaction_context()
        self._facade.configure(
            connection=conf.database.connection, sqlite_fk=True,
            max_retries=conf.database.max_retries,
            mysql_sql_mode='TRADITIONAL')
        self.engine: sa.Engine = self._facade.writer.get_engine()
        self._writing = threading.local()
        if self.engine.dialect.name == 'sqlite':
            self._prepare_sqlite()

    @contextlib.contextmanager
    def read(self) -> Iterator[orm.Session]:
        """A session that sees one state of the database."""
        with self._begun(self._facade.reader) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[orm.Session]:
        """A session whose changes are committed when the block ends."""
        self._writing.now = True
        try:
            with self._begun(self._facade.writer) as session:
                yield session
        finally:
            self._writing.now = False

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

    def _prepare_sqlite(self) -> None:
        """Let readers and one writer go on side by side.

        Writers say so when they begin: a transaction that reads first and
        writes later would fail at once when another one wrote in between.
        """
        @sa.event.listens_for(self.engine, 'connect')
        def _connect(connection: object, record: object) -> None:
            cursor = connection.cursor()  # type: ignore[attr-defined]
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
