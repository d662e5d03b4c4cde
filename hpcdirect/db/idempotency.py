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

"""POST requests that carry an Idempotency-Key are carried out once."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

from oslo_db import exception as db_exc
from sqlalchemy import orm

from hpcdirect.db.models import IdempotencyKey
from hpcdirect.db.session import Database
from hpcdirect.exception import KeyReused


@dataclasses.dataclass(frozen=True)
class Key:
    """A key as it came with a request; ``text`` is '' when none did."""

    project_id: str
    text: str
    body_digest: str


class _TakenError(Exception):
    """Another request with the key was faster."""


def answered(session: orm.Session, key: Key) -> str:
    """Id of the cluster an earlier request with this key made, or ''.

    :raises KeyReused: that was another request.
    """
    if not key.text:
        return ''
    row = session.get(IdempotencyKey, (key.project_id, key.text))
    if row is None:
        return ''
    if row.body_digest != key.body_digest:
        raise KeyReused()
    return row.cluster_id


def once(database: Database, key: Key, write: Callable[[orm.Session], str]
         ) -> str:
    """Create a cluster unless a request with the same key did already.

    :param write: takes the key and creates it; its id.
    :returns: the id of the one cluster there is for the key.
    """
    try:
        return database.change(write)
    except _TakenError:
        with database.read() as session:
            return answered(session, key)


def take(session: orm.Session, key: Key, cluster_id: str) -> None:
    """Hold the key until this transaction ends; one more waits for it."""
    if not key.text:
        return
    session.add(IdempotencyKey(
        project_id=key.project_id, key=key.text, cluster_id=cluster_id,
        body_digest=key.body_digest))
    try:
        session.flush()
    except db_exc.DBDuplicateEntry as exc:
        raise _TakenError from exc
