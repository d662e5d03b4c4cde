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


"""What moves while a deployment is carried out: its steps, node by node."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.models import Deployment
from hpcdirect.db.models import Layer
from hpcdirect.db.models import Node
from hpcdirect.db.models import Run
from hpcdirect.db.models import Step
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus
from hpcdirect.states import StepKind
from hpcdirect.states import WorkStatus


@dataclasses.dataclass(frozen=True)
class Stride:
    """A step, and the nodes on which it is done, runs, and failed.

    :param step: its row.
    """

    step: Step
    done: tuple[str, ...]
    running: tuple[str, ...]
    failed: tuple[str, ...]


def strides(session: orm.Session, deployment: Deployment
            ) -> list[Stride]:
    """The steps of a deployment, in order."""
    steps = session.scalars(sa.select(Step).where(
        Step.deployment_id == deployment.id).order_by(Step.position)).all()
    runs: dict[str, list[Any]] = {}
    for row in session.execute(sa.select(
            Run.step_id, Run.nodes, Run.status, Run.failures).where(
                Run.deployment_id == deployment.id).order_by(Run.created_at)):
        runs.setdefault(row.step_id, []).append(row)
    machines = set()
    if any(step.kind == StepKind.PROVISION for step in steps):
        machines = set(session.scalars(sa.select(Node.name).where(
            Node.cluster_id == deployment.cluster_id,
            Node.status == NodeStatus.UP.value)))
    return [_stride(step, runs.get(step.id, ()), machines) for step in steps]


def _stride(step: Step, runs: Sequence[Any], machines: set[str]) -> Stride:
    if step.status == WorkStatus.SUCCEEDED:
        return Stride(step, tuple(step.nodes), (), ())
    if step.kind == StepKind.PROVISION:
        return Stride(step, tuple(name for name in step.nodes
                                  if name in machines), (), ())
    stands: dict[str, str] = {}
    for run in runs:
        failed = {one.get('node') for one in run.failures or ()}
        for node in run.nodes:
            # Of a run that failed, the other nodes went well.
            stands[node] = run.status if (
                run.status != WorkStatus.FAILED or node in failed
                or not failed & set(run.nodes)) else WorkStatus.SUCCEEDED

    def those(status: WorkStatus) -> tuple[str, ...]:
        return tuple(node for node in step.nodes
                     if stands.get(node) == status)

    return Stride(step, those(WorkStatus.SUCCEEDED),
                  those(WorkStatus.RUNNING), those(WorkStatus.FAILED))


@dataclasses.dataclass(frozen=True)
class Stack:
    """A node and what stands on it.

    :param layers: element -> its state; ``verified`` for one that is applied
        and was verified since.
    """

    name: str
    status: str
    layers: Mapping[str, str]


def stacks(session: orm.Session, cluster_id: str,
           since: datetime.datetime | None) -> list[Stack]:
    """The nodes of a cluster of which something was written since then.

    :param since: None for all of them.
    """
    nodes = sa.select(Node.name, Node.status).where(
        Node.cluster_id == cluster_id).order_by(Node.name)
    if since is not None:
        nodes = nodes.where(sa.or_(
            Node.updated_at >= since, Node.name.in_(
                sa.select(Layer.node).where(Layer.cluster_id == cluster_id,
                                            Layer.updated_at >= since))))
    found = session.execute(nodes).all()
    layers = _layers(session, cluster_id, [row.name for row in found])
    return [Stack(row.name, row.status, layers.get(row.name, {}))
            for row in found]


def _layers(session: orm.Session, cluster_id: str, nodes: Iterable[str]
            ) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in session.execute(sa.select(
            Layer.node, Layer.element, Layer.state, Layer.verified).where(
                Layer.cluster_id == cluster_id,
                Layer.node.in_(list(nodes))).order_by(Layer.position)):
        if row.state != LayerState.REVERTED:
            found.setdefault(row.node, {})[row.element] = 'verified' \
                if row.verified and row.state == LayerState.APPLIED \
                else row.state
    return found
