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

"""The same tests on every kind of database: SQLite and MariaDB."""

import atexit
import functools
import pathlib
import shutil
import tempfile

from oslo_config import cfg
import sqlalchemy as sa
import testtools

from hpcdirect import conf as options
from hpcdirect.db import migration
from hpcdirect.db import models
from hpcdirect.db.session import Database
from hpcdirect.planning.state import State
from hpcdirect.tests.functional import mariadb


def configuration(connection):
    """Options with this database."""
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf([], project='hpcdirect', default_config_files=[],
         default_config_dirs=[])
    conf.set_override('connection', connection, 'database')
    return conf


@functools.cache
def _empty():
    """A SQLite file as migrations make it, made once in this process."""
    folder = tempfile.mkdtemp(prefix='hd-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = pathlib.Path(folder) / 'empty.sqlite'
    migration.upgrade(configuration(f'sqlite:///{file}'))
    return file


@functools.cache
def _statements():
    """What makes MariaDB's tables as migrations do; and the last of those.

    Migrations run once in this process, in a database that goes again.
    """
    with mariadb.MariaDB() as made:
        migration.upgrade(configuration(made.url))
        engine = sa.create_engine(made.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            names = connection.exec_driver_sql('SHOW TABLES').scalars().all()
            found = [connection.exec_driver_sql(
                f'SHOW CREATE TABLE {name}').one()[1] for name in names]
            version = connection.exec_driver_sql(
                'SELECT version_num FROM alembic_version').scalar_one()
    # Tables come in the order of their names, before those they refer to.
    return ['SET foreign_key_checks = 0', *found], version


def make_tables(conf):
    """What ``migration.upgrade()`` does to an empty database, but quicker.

    There are hundreds of databases in these tests.
    """
    url = sa.engine.make_url(conf.database.connection)
    if url.get_backend_name() == 'sqlite':
        shutil.copyfile(_empty(), url.database)
        return
    statements, version = _statements()
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.execute(sa.text(
            'INSERT INTO alembic_version VALUES (:version)'),
            {'version': version})


class SQLite(testtools.TestCase):
    """A case with a SQLite database in a file."""

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.use(f'sqlite:///{folder}/db.sqlite')

    def use(self, connection):
        """Make the tables, and open the database."""
        self.conf = configuration(connection)
        make_tables(self.conf)
        self.database = Database(self.conf)
        self.addCleanup(self.database.engine.dispose)

    def cluster(self, name='demo', **values):
        """A cluster's row; its id."""
        with self.database.write() as session:
            row = models.Cluster(**{
                'name': name, 'project_id': 'ours', 'user_id': 'me',
                'status': 'ACTIVE', 'blueprint': 'small',
                'blueprint_version': '1', 'backend': 'fake',
                'desired': State('small', '1'), **values})
            session.add(row)
            session.flush()
            return row.id


@testtools.skipUnless(mariadb.available(), 'MariaDB is not installed')
class MariaDB(SQLite):
    """A case with a MariaDB database."""

    def setUp(self):
        super(SQLite, self).setUp()
        self.use(self.useFixture(mariadb.MariaDB()).url)
