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


"""What blueprints and elements have been used for, and how long they took."""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
import statistics
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Step
from hpcdirect.states import DeploymentStatus
from hpcdirect.states import Operation
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus

#: How many of the latest are looked at, of all blueprints or elements.
_LATEST = 2000


@dataclasses.dataclass(frozen=True)
class Typical:
    """How the latest of a kind went: creations, or steps.

    :param seconds: how long one took, the median of those that went well;
        None when none did.
    :param p90: nine of ten took no longer.
    :param count: those that are over.
    :param succeeded: those that went well at once.
    """

    seconds: float | None
    p90: float | None
    count: int
    succeeded: int


def created(session: orm.Session) -> dict[str, Typical]:
    """Blueprint -> how creations from it went, in all projects.

    They take from the order until the cluster is there.
    """
    rows = session.execute(sa.select(
        Cluster.blueprint, Deployment.status, Deployment.created_at,
        Deployment.finished_at,
    ).join(Cluster, Cluster.id == Deployment.cluster_id).where(
        Deployment.operation == Operation.CREATE.value,
        Deployment.status.in_((DeploymentStatus.SUCCEEDED.value,
                               DeploymentStatus.FAILED.value)),
    ).order_by(Deployment.created_at.desc(), Deployment.id.desc(),
               ).limit(_LATEST))
    return _typical(rows.tuples())


def applied(session: orm.Session) -> dict[str, Typical]:
    """Element -> how steps that put it on nodes went, in all projects."""
    rows = session.execute(sa.select(
        Step.element, Step.status, Step.started_at, Step.finished_at,
    ).select_from(Deployment).join(
        Step, Step.deployment_id == Deployment.id,
    ).where(
        Step.kind == StepKind.APPLY.value,
        Step.status.in_((WorkStatus.SUCCEEDED.value,
                         WorkStatus.FAILED.value)),
    ).order_by(Deployment.created_at.desc(), Deployment.id.desc(),
               ).limit(_LATEST))
    return _typical(rows.tuples())


def _typical(rows: Iterable[tuple[str, str, Any, Any]]) -> dict[str, Typical]:
    """Name -> how what has it went.

    :param rows: name, how it ended, when it began and when it ended.
    """
    taken: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    for name, status, begun, ended in rows:
        counts[name] = counts.get(name, 0) + 1
        well = taken.setdefault(name, [])
        if status == DeploymentStatus.SUCCEEDED and begun and ended:
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
