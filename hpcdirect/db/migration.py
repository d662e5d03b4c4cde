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

"""Brings the database's tables to what this release needs.

Migrations are linear and only ever add, so that API and conductor may
differ by one release while a site upgrades.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import pathlib
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from oslo_config import cfg
from oslo_db import options
import sqlalchemy as sa

from hpcdirect.db.session import hide

_FOLDER = pathlib.Path(__file__).parent / 'migrations'


def upgrade(conf: cfg.ConfigOpts, revision: str = 'head') -> None:
    """Carry out the migrations that are missing."""
    with _alembic(conf) as config:
        command.upgrade(config, revision)


def stamp(conf: cfg.ConfigOpts, revision: str = 'head') -> None:
    """Say that the tables are as of a revision, without touching them."""
    with _alembic(conf) as config:
        command.stamp(config, revision)


def version(conf: cfg.ConfigOpts) -> str:
    """The revision the tables are at, '' for an empty database."""
    with _alembic(conf) as config:
        connection = config.attributes['connection']
        return MigrationContext.configure(
            connection).get_current_revision() or ''


def newest() -> str:
    """The revision this release needs."""
    return ScriptDirectory(str(_FOLDER)).get_current_head() or ''


@contextlib.contextmanager
def _alembic(conf: cfg.ConfigOpts) -> Iterator[Config]:
    """Alembic's configuration, with a connection for as long as it takes."""
    options.set_defaults(conf)
    url = sa.make_url(conf.database.connection)
    if url.get_backend_name() == 'sqlite' and url.database:
        pathlib.Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        hide(url.database)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    if url.get_backend_name() == 'sqlite':
        _as_a_whole(engine)
    config = Config()
    config.set_main_option('script_location', str(_FOLDER))
    with engine.begin() as connection:
        config.attributes['connection'] = connection
        yield config


def _as_a_whole(engine: sa.Engine) -> None:
    """Have SQLite take back all of an upgrade that is interrupted.

    Its driver begins a transaction with the first row that is written; each
    change of a table before it would stay.
    """
    @sa.event.listens_for(engine, 'connect')
    def _connect(connection: Any, record: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, 'begin')
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql('BEGIN IMMEDIATE')
