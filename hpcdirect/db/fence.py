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

"""What keeps everybody out of a cluster's rows but the conductor that has it.

Every write is one transaction that begins with the fence: once another
conductor has taken the cluster, nothing of this one reaches the database.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import leases
from hpcdirect.db import models
from hpcdirect.db.session import Database

#: Seconds after which a transaction keeps the lease once more at its end.
_LONG = 1.0


class Fence:
    """One conductor's hold of one cluster.

    :param epoch: the one that it took the cluster with.
    :param kept: called after each write, which has kept the lease, with the
        moment before it by the monotonic clock.
    """

    def __init__(self, database: Database, cluster_id: str, epoch: int,
                 kept: Callable[[float], None] = lambda _: None) -> None:
        self.database = database
        self.cluster_id = cluster_id
        self.epoch = epoch
        #: How often anything was written.
        self.writes = 0
        self._kept = kept
        self._project_id = ''

    @contextlib.contextmanager
    def writing(self) -> Iterator[orm.Session]:
        """A transaction that nobody else's comes between.

        :raises LostLease: another conductor has the cluster.
        """
        begun = time.monotonic()
        with self.database.write() as session:
            leases.fence(session, self.cluster_id, self.epoch)
            yield session
            if time.monotonic() - begun > _LONG:
                # Others may take the cluster the moment this is committed.
                begun = time.monotonic()
                leases.fence(session, self.cluster_id, self.epoch)
        self.writes += 1
        self._kept(begun)

    def event(self, session: orm.Session, deployment_id: str, **values: Any
              ) -> None:
        """Something to tell of the cluster.

        :param values: columns of :class:`models.Event`.
        """
        session.add(models.Event(
            cluster_id=self.cluster_id, project_id=self.project(session),
            deployment_id=deployment_id, **values))

    def project(self, session: orm.Session) -> str:
        """Whose cluster it is; that never changes."""
        self._project_id = self._project_id or session.scalars(
            sa.select(models.Cluster.project_id).where(
                models.Cluster.id == self.cluster_id)).one()
        return self._project_id

    def mine(self, session: orm.Session, model: type[Any]) -> list[Any]:
        """The rows of a table that are the cluster's."""
        return list(session.scalars(sa.select(model).where(
            model.cluster_id == self.cluster_id)))
