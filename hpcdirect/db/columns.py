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
from typing import Annotated
from typing import Any
import uuid

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy import types
from sqlalchemy.dialects import mysql

from hpcdirect.planning.state import State

# MariaDB drops fractions of a second unless told not to.
Moment = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), 'mysql', 'mariadb')
Text = sa.Text().with_variant(mysql.LONGTEXT(), 'mysql', 'mariadb')
Serial = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')

#: Bytes of UTF-8 that a sentence may have; MariaDB's TEXT holds 65,535.
_SENTENCE = 16000


def storable(text: str, limit: int | None = None) -> str:
    """A text as every database takes it.

    :param limit: bytes of UTF-8 after which it is cut, with a mark at its
        end; None for no limit.
    :returns: without lone surrogates, which no encoding has, and without NUL.
    """
    clean = text.encode('utf-8', 'replace').replace(b'\0', b'?')
    if limit is not None and len(clean) > limit:
        return clean[:limit].decode(errors='ignore') + ' [cut]'
    return clean.decode()


def sentence(text: str) -> str:
    """A text as a :class:`Sentence` column keeps it."""
    return storable(text, _SENTENCE)


class Sentence(types.TypeDecorator[str]):
    """What a person reads of what happened: written whatever its length.

    Clouds and nodes say as much as they like, and a text that the database
    refuses would stop the work on its cluster for ever.
    """

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any
                           ) -> str | None:
        """As it is written."""
        return None if value is None else sentence(value)


class Words(types.TypeDecorator[str]):
    """A long text, such as a log: whole, but for what cannot be written."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any
                           ) -> str | None:
        """As it is written."""
        return None if value is None else storable(value)


class Called(types.TypeDecorator[str]):
    """What somebody or something is called elsewhere, such as in Keystone.

    For people to read: nothing is found or decided by it, and what is longer
    than anybody's name is cut.
    """

    impl = sa.String(255)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any
                           ) -> str | None:
        """As it is written."""
        return None if value is None else storable(value)[:255]


class Desired(types.TypeDecorator[State]):
    """What is wanted of a cluster, as JSON."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(self, value: State | None, dialect: Any) -> Any:
        """As it is written."""
        return None if value is None else value.to_json()

    def process_result_value(self, value: Any, dialect: Any) -> State:
        """As it was read."""
        return State.from_json(value)


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


Key = Annotated[str, orm.mapped_column(ID, primary_key=True, default=new_id)]
Id = Annotated[str, orm.mapped_column(ID)]
OfCluster = Annotated[str, orm.mapped_column(ID,
                                             sa.ForeignKey('clusters.id'))]
OfDeployment = Annotated[
    str, orm.mapped_column(ID, sa.ForeignKey('deployments.id'))]
Name = Annotated[str, orm.mapped_column(NAME)]
Word16 = Annotated[str, orm.mapped_column(sa.String(16))]
Word64 = Annotated[str, orm.mapped_column(sa.String(64))]
Said = Annotated[str, orm.mapped_column(Sentence, default='')]
#: What somebody was called then; '' when nobody noted it.
CalledThen = Annotated[str, orm.mapped_column(Called, default='')]
Created = Annotated[datetime.datetime, orm.mapped_column(Moment, default=now)]
Updated = Annotated[datetime.datetime, orm.mapped_column(
    Moment, default=now, onupdate=now)]


class Base(orm.DeclarativeBase):
    """Types every model shares."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as it is
        datetime.datetime: Moment,
        float: sa.Double,
        State: Desired,
        dict[str, Any]: sa.JSON,
        list[Any]: sa.JSON,
    }
