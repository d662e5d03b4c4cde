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


"""Clusters whose time is over, or soon will be.

Who asks for a cluster to go at some time asks for its deletion: the asker
is kept, signed, and the deletion is carried out in that name.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.context import Asker
from hpcdirect.db import columns
from hpcdirect.db import orders
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Event

#: What was told last of a cluster of which nothing is left to tell.
_SETTLED = -1
#: So many are seen to at one look; the others, at the next.
_MOST = 1000


def signed(sign: orders.Sign, cluster: Cluster, moment: datetime.datetime,
           asker: Asker) -> dict[str, Any]:
    """Who wants a cluster to go at a moment."""
    by = {**asker.to_json(), 'user_name': columns.storable(asker.user_name)}
    return {**by, 'signature': sign(functools.partial(
        covered, cluster, moment, by))}


def covered(cluster: Cluster | Seen, moment: datetime.datetime,
            by: Mapping[str, Any], scheme: int) -> dict[str, Any]:
    """What a signature of a scheme covers: who wants what to go when."""
    part = {'cluster_id': cluster.id, 'project_id': cluster.project_id,
            'expires_at': moment.isoformat(timespec='microseconds'),
            **{name: value for name, value in by.items()
               if name != 'signature'}}
    return part if scheme == 1 else {**part, 'what': 'expiry'}


@dataclasses.dataclass(frozen=True)
class Seen:
    """What is known of a cluster whose time is nearly over."""

    id: str
    project_id: str
    expires_at: datetime.datetime
    expires_by: dict[str, Any] | None
    expiry_told: float | None
    protected: bool


def near(session: orm.Session, at: datetime.datetime,
         warnings: Iterable[float]) -> list[Seen]:
    """Clusters of which something is to be told, or which are to go.

    Those of which all is told do not come back: there may be many that stay
    for good, since they are protected.

    :param at: the time now.
    :param warnings: seconds before the end at which it is told of.
    """
    told = Cluster.expiry_told
    wanted = [sa.and_(
        Cluster.expires_at <= at + datetime.timedelta(seconds=seconds),
        sa.or_(told.is_(None), told > seconds)) for seconds in warnings]
    wanted.append(sa.and_(Cluster.expires_at <= at, sa.or_(
        told.is_(None), told > 0,
        sa.and_(told > _SETTLED, Cluster.protected.is_(False)))))
    return [Seen(*row) for row in session.execute(sa.select(*(
        getattr(Cluster, field.name) for field in dataclasses.fields(Seen)
    )).where(
        Cluster.deleted == '', Cluster.expires_at <= at + datetime.timedelta(
            seconds=max(warnings, default=0)), sa.or_(*wanted),
    ).order_by(Cluster.expires_at).limit(_MOST))]


def tell(session: orm.Session, seen: Seen, seconds: float, message: str
         ) -> bool:
    """Write an event, unless somebody did, or the time is another now.

    :param seconds: how long before the end it is told; each once.
    """
    cluster = orders.locked(session, seen.id)
    if cluster.expires_at != seen.expires_at or (
            cluster.expiry_told is not None
            and cluster.expiry_told <= seconds):
        return False
    if cluster.desired.deleted and seconds > _SETTLED:
        cluster.expiry_told = _SETTLED
        return False
    cluster.expiry_told = seconds
    session.add(Event(cluster_id=cluster.id, project_id=cluster.project_id,
                      kind='cluster', level='warning', message=message))
    return True


def end(session: orm.Session, seen: Seen, order: orders.Order) -> bool:
    """Want a cluster gone, unless it is to stay after all."""
    cluster = orders.locked(session, seen.id)
    if cluster.expires_at != seen.expires_at or cluster.protected:
        return False
    if cluster.desired.deleted:
        cluster.expiry_told = _SETTLED
        return False
    orders.delete(session, seen.id, order)
    return True
