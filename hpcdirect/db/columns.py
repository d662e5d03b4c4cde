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


"""What the columns of the tables are made of."""

from __future__ import annotations

import datetime
from typing import Any
import uuid

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import mysql

# MariaDB drops fractions of a second unless told not to.
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
Text = sa.Text().with_variant(mysql.LONGTEXT(), 'mysql', 'mariadb')
Serial = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')

ID = sa.String(36)
NAME = sa.String(255)
# Big and small letters are two. So they are in all other columns too: the
# migrations see to that, for the whole of a MariaDB database.
WORD = sa.String(64).with_variant(
    mysql.VARCHAR(64, collation='utf8mb4_bin'), 'mysql', 'mariadb')


def now() -> datetime.datetime:
    """The time for people to read, UTC; leases take the database's own."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def new_id() -> str:
    """A new identifier: a random UUID."""
    return str(uuid.uuid4())


class Base(orm.DeclarativeBase):
    """Types every model shares."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as it is
        datetime.datetime: Moment,
        dict[str, Any]: sa.JSON,
        list[Any]: sa.JSON,
    }
