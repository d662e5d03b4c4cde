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


"""What was wanted of a cluster, generation by generation."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Generation
from hpcdirect.exception import NotFound
from hpcdirect.planning.state import State

#: Generations whose states are in memory at one time.
_PIECE = 20


def listing(session: orm.Session, cluster_id: str, page: paging.Page
            ) -> paging.Listing:
    """One page of a cluster's generations."""
    return paging.fetch(session, Generation, page, paging.Scope(
        {'cluster_id': cluster_id}))


def get(session: orm.Session, cluster_id: str, number: int) -> Generation:
    """One generation of a cluster.

    :raises NotFound: there is none, or it was not kept.
    """
    found = session.scalars(sa.select(Generation).where(
        Generation.cluster_id == cluster_id,
        Generation.generation == number)).one_or_none()
    if found is None:
        raise NotFound(resource='Generation', ident=number)
    return found


def attempts(session: orm.Session, cluster_id: str, numbers: Iterable[int]
             ) -> dict[int, Deployment]:
    """Generation -> the latest attempt to reach it: its id and status."""
    rows = session.scalars(sa.select(Deployment).options(
        orm.load_only(Deployment.generation, Deployment.status)).where(
        Deployment.cluster_id == cluster_id,
        Deployment.generation.in_(list(numbers)),
    ).order_by(Deployment.created_at, Deployment.id))
    return {row.generation: row for row in rows}


def backwards(session: orm.Session, cluster_id: str
              ) -> Iterator[tuple[int, State]]:
    """The generations of a cluster with what was wanted, newest first."""
    numbers = session.scalars(sa.select(Generation.generation).where(
        Generation.cluster_id == cluster_id,
    ).order_by(Generation.generation.desc())).all()
    for number in numbers:
        yield number, get(session, cluster_id, number).desired


def deployments(session: orm.Session, cluster_id: str, number: int
                ) -> list[Deployment]:
    """The attempts to reach a generation, the newest first, detached."""
    rows = list(session.scalars(sa.select(Deployment).options(
        orm.defer(Deployment.plan), orm.defer(Deployment.failures)).where(
        Deployment.cluster_id == cluster_id,
        Deployment.generation == number,
    ).order_by(Deployment.created_at.desc())))
    session.expunge_all()
    return rows


def highest(session: orm.Session, cluster_id: str, names: Collection[str]
            ) -> dict[str, int]:
    """Slot -> the highest incarnation that was ever wanted of it.

    :param names: the slots; nothing is read when there are none. What was
        wanted may be large: a few generations are in memory at a time.
    """
    found: dict[str, int] = {}
    last = 0
    while names:
        rows = session.execute(
            sa.select(Generation.generation, Generation.desired).where(
                Generation.cluster_id == cluster_id,
                Generation.generation > last,
            ).order_by(Generation.generation).limit(_PIECE)).all()
        for row in rows:
            for name, (_, slot) in row.desired.slots.items():
                if name in names:
                    found[name] = max(found.get(name, 0), slot.incarnation)
        if len(rows) < _PIECE:
            break
        last = rows[-1].generation
    return found
