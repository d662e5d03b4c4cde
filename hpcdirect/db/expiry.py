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

from collections.abc import Mapping
import datetime
import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.context import RequestContext
from hpcdirect.db import clusters
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Event


def signed(sign: clusters.Sign, cluster: Cluster, moment: datetime.datetime,
           context: RequestContext) -> dict[str, Any]:
    """Who wants a cluster to go at a moment."""
    by = {'user_id': context.user_id or '', 'roles': sorted(context.roles),
          'service': context.service_user_id or '',
          'request_id': context.request_id or ''}
    return {**by, 'signature': sign(functools.partial(
        covered, cluster, moment, by))}


def covered(cluster: Cluster, moment: datetime.datetime,
            by: Mapping[str, Any], scheme: int) -> dict[str, Any]:
    """What a signature of a scheme covers: who wants what to go when."""
    part = {'cluster_id': cluster.id, 'project_id': cluster.project_id,
            'expires_at': moment.isoformat(timespec='microseconds'),
            **{name: value for name, value in by.items()
               if name != 'signature'}}
    return part if scheme == 1 else {**part, 'what': 'expiry'}


def near(session: orm.Session, until: datetime.datetime) -> list[Cluster]:
    """Clusters that go before *until*, detached; the first first."""
    found = list(session.scalars(sa.select(Cluster).where(
        Cluster.deleted == '', Cluster.expires_at <= until,
    ).order_by(Cluster.expires_at)))
    session.expunge_all()
    return found


def tell(session: orm.Session, seen: Cluster, seconds: float, message: str
         ) -> bool:
    """Write an event, unless somebody did, or the time is another now.

    :param seconds: how long before the end it is told; each once.
    """
    cluster = clusters.locked(session, seen.id)
    if cluster.expires_at != seen.expires_at or (
            cluster.expiry_told is not None
            and cluster.expiry_told <= seconds):
        return False
    cluster.expiry_told = seconds
    session.add(Event(cluster_id=cluster.id, project_id=cluster.project_id,
                      kind='cluster', level='warning', message=message))
    return True


def end(session: orm.Session, seen: Cluster, order: clusters.Order) -> bool:
    """Want a cluster gone, unless it is to stay after all."""
    cluster = clusters.locked(session, seen.id)
    if cluster.expires_at != seen.expires_at or cluster.protected \
            or cluster.desired['deleted']:
        return False
    clusters.delete(session, seen.id, order)
    return True
