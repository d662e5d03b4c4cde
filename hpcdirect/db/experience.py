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


"""What blueprints have been used for: how long they took, and by whom."""

from __future__ import annotations

import dataclasses
import statistics

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import Operation

#: How many of the latest creations are looked at, of all blueprints.
_LATEST = 2000


@dataclasses.dataclass(frozen=True)
class Typical:
    """How the latest creations from a blueprint went.

    :param seconds: from the order until the cluster was there, the median of
        those that went well; None when none did.
    :param p90: nine of ten took no longer.
    :param count: creations that are over.
    :param succeeded: those that went well at once.
    """

    seconds: float | None
    p90: float | None
    count: int
    succeeded: int


def typical(session: orm.Session) -> dict[str, Typical]:
    """The same of every blueprint that was used, in all projects."""
    rows = session.execute(sa.select(
        Cluster.blueprint, Deployment.status, Deployment.created_at,
        Deployment.finished_at,
    ).join(Cluster, Cluster.id == Deployment.cluster_id).where(
        Deployment.operation == Operation.CREATE.value,
        Deployment.status.in_((DeploymentStatus.SUCCEEDED.value,
                               DeploymentStatus.FAILED.value)),
    ).order_by(Deployment.created_at.desc(), Deployment.id.desc(),
               ).limit(_LATEST))
    taken: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    for blueprint, status, begun, ended in rows:
        counts[blueprint] = counts.get(blueprint, 0) + 1
        well = taken.setdefault(blueprint, [])
        if status == DeploymentStatus.SUCCEEDED and ended:
            well.append((ended - begun).total_seconds())
    return {name: Typical(
        statistics.median(well) if well else None,
        sorted(well)[int(0.9 * (len(well) - 1) + 0.5)] if well else None,
        counts[name], len(well)) for name, well in taken.items()}


def in_use(session: orm.Session, project_id: str) -> dict[str, int]:
    """Blueprint -> clusters that a project has of it, but for none."""
    return dict(session.execute(sa.select(
        Cluster.blueprint, sa.func.count()).where(
            Cluster.project_id == project_id, Cluster.deleted == '',
    ).group_by(Cluster.blueprint)).tuples().all())
