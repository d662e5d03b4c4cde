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


"""Plans that were shown, so that just what was shown can be carried out."""

from __future__ import annotations

from collections.abc import Iterable
import statistics
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import columns
from hpcdirect.db.columns import Base
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Step
from hpcdirect.exception import NotFound
from hpcdirect.states import WorkStatus

#: How many of the latest steps are looked at for how long one takes.
_LATEST = 2000


class Plan(Base):
    """What a change would do to a cluster, as it was shown."""

    __tablename__ = 'plans'
    __table_args__ = (
        sa.Index('ix_plans_age', 'created_at'),
        sa.Index('ix_plans_cluster', 'cluster_id'),
    )

    id: orm.Mapped[columns.Key]
    cluster_id: orm.Mapped[columns.OfCluster]
    project_id: orm.Mapped[columns.Name]
    user_id: orm.Mapped[columns.Name]
    # What the world was like: it is carried out only while it still is.
    generation: orm.Mapped[int]
    fingerprint: orm.Mapped[columns.Word64]
    change: orm.Mapped[dict[str, Any]]
    shown: orm.Mapped[dict[str, Any]]
    created_at: orm.Mapped[columns.Created]

    def about(self) -> str:
        """What the seal of its change says it is of."""
        return ' '.join(('plan', self.id, self.cluster_id,
                         str(self.generation), self.fingerprint))


def add(session: orm.Session, plan: Plan) -> None:
    """Keep a plan."""
    session.add(plan)


def get(session: orm.Session, project_id: str | None, ident: str) -> Plan:
    """The plan of an id.

    :param project_id: the project that is seen; None for all.
    :raises NotFound: there is none, or it is another project's.
    """
    found = session.get(Plan, ident)
    if found is None or project_id not in (None, found.project_id):
        raise NotFound(resource='Plan', ident=ident)
    return found


def usual(session: orm.Session, project_id: str,
          steps: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """How long such steps took in a project before.

    :param steps: kind and element.
    :returns: the median, in seconds, of each that ended well at least once
        among the latest steps.
    """
    asked = set(steps)
    rows = session.execute(sa.select(
        Step.kind, Step.element, Step.started_at, Step.finished_at,
    ).join(Deployment, Deployment.id == Step.deployment_id).where(
        Deployment.project_id == project_id,
        Step.status == WorkStatus.SUCCEEDED,
        Step.kind.in_({kind for kind, _ in asked}),
    ).order_by(Deployment.created_at.desc()).limit(_LATEST))
    taken: dict[tuple[str, str], list[float]] = {}
    for kind, element, began, ended in rows:
        if (kind, element) in asked and began and ended:
            taken.setdefault((kind, element), []).append(
                (ended - began).total_seconds())
    return {key: statistics.median(values) for key, values in taken.items()}
