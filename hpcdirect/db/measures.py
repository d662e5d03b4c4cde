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
"""What is measured of what is written: only what has been committed."""

from __future__ import annotations

import datetime
import functools

from sqlalchemy import orm

from hpcdirect import metrics
from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Step
from hpcdirect.db.session import afterwards
from hpcdirect.states import DeploymentStatus


def begun(session: orm.Session, deployment: Deployment) -> None:
    """A deployment begins."""
    afterwards(session, functools.partial(
        metrics.QUEUE_SECONDS.observe,
        _seconds(deployment.created_at, deployment.started_at)))


def over(session: orm.Session, deployment: Deployment) -> None:
    """A deployment ends."""
    outcome = deployment.status.lower()
    seconds = _seconds(deployment.started_at or deployment.created_at,
                       deployment.finished_at)
    operation = str(deployment.operation)

    def measure() -> None:
        metrics.DEPLOYMENTS.labels(outcome).inc()
        metrics.DEPLOYMENT_SECONDS.labels(operation, outcome).observe(seconds)

    afterwards(session, measure)


def superseded(session: orm.Session, number: int) -> None:
    """Some deployments end because something newer is wanted."""
    if number:
        afterwards(session, functools.partial(metrics.DEPLOYMENTS.labels(
            DeploymentStatus.SUPERSEDED.lower()).inc, number))


def step_over(session: orm.Session, step: Step) -> None:
    """A step ends."""
    afterwards(session, functools.partial(metrics.STEP_SECONDS.labels(
        step.kind, step.element, step.status.lower()).observe,
        _seconds(step.started_at, step.finished_at)))


def _seconds(began: datetime.datetime | None,
             ended: datetime.datetime | None) -> float:
    """How long something took; clocks of two machines may disagree."""
    return max(0.0, (ended - began).total_seconds()) if began and ended \
        else 0.0
