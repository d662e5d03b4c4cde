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

"""What an upgrade did before it was interrupted is not done once more.

MariaDB and MySQL keep each change of a table at once, whatever becomes of the
migration it is a part of. An upgrade that is run again after it was killed
has to find its way through what is there already.
"""

from __future__ import annotations

from typing import Any

from alembic.ddl import mysql
import sqlalchemy as sa
from sqlalchemy.sql import schema


class _Again(mysql.MySQLImpl):
    """Leaves out what the tables have already."""

    def _known(self) -> sa.Inspector:
        if self.connection is None:
            raise RuntimeError('An upgrade needs a database to look at.')
        return sa.inspect(self.connection)

    def create_table(self, table: schema.Table, **options: Any) -> None:
        """Make a table unless it is there."""
        if not self._known().has_table(table.name):
            super().create_table(table, **options)

    def add_column(self, table_name: str, column: schema.Column[Any],
                   **options: Any) -> None:
        """Make a column unless it is there."""
        if column.name not in {one['name'] for one in
                               self._known().get_columns(table_name)}:
            super().add_column(table_name, column, **options)

    def create_index(self, index: schema.Index, **options: Any) -> None:
        """Make an index unless it is there."""
        if index.table is None or index.name not in {
                one['name'] for one in
                self._known().get_indexes(index.table.name)}:
            super().create_index(index, **options)


class MySQL(_Again):
    """For MySQL, and for MariaDB by MySQL's name."""

    __dialect__ = 'mysql'


class MariaDB(_Again, mysql.MariaDBImpl):
    """For MariaDB by its own name."""

    __dialect__ = 'mariadb'
