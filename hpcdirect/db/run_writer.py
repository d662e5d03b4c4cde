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

"""Runs and what they do to layers, as their conductor writes it down."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import models
from hpcdirect.db.deployment_writer import mark
from hpcdirect.db.fence import Fence
from hpcdirect.db.held_layers import NOBODY
from hpcdirect.db.held_layers import Closing
from hpcdirect.db.held_layers import Layers
from hpcdirect.states import NodeStatus
from hpcdirect.states import WorkStatus


@dataclasses.dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    :param failures: what went wrong, as the API shows it.
    :param layers: ``id``-less columns of layers: node, element, role and
        what is new; a state of REVERTED removes the layer.
    :param drained: nodes whose status changes by it.
    :param whole: it was all of its step, so the step is over as well.
    :param closing: nodes that are to be changed and to work again; what is
        on them is kept as it was before.
    """

    run_id: str
    status: WorkStatus
    cause: Mapping[str, Any] | None = None
    failures: Iterable[Mapping[str, Any]] = ()
    layers: Iterable[Mapping[str, Any]] = ()
    drained: Mapping[str, NodeStatus] = dataclasses.field(
        default_factory=dict)
    whole: bool = False
    closing: Closing = NOBODY


class RunWriter:
    """Writes the runs of a cluster, and the layers that they change."""

    def __init__(self, fence: Fence, layers: Layers) -> None:
        self._fence, self._layers = fence, layers

    def start(self, runs: Iterable[models.Run],
              layers: Iterable[Mapping[str, Any]]) -> None:
        """Runs are about to begin: layers are marked before they do.

        :param layers: columns of :class:`models.Layer` with the new state.
        """
        with self._fence.writing() as session:
            session.add_all(runs)
            session.flush()
            self._layers.mark(session, list(layers))

    def process(self, run_ids: Iterable[str], process: Mapping[str, Any]
                ) -> None:
        """Record the process of some runs, before it does anything."""
        with self._fence.writing() as session:
            session.execute(sa.update(models.Run).where(
                models.Run.id.in_(list(run_ids)),
            ).values(process=dict(process)))

    def begun(self, run_id: str) -> None:
        """A run begins; its step is under way."""
        with self._fence.writing() as session:
            run = session.get_one(models.Run, run_id)
            run.status = WorkStatus.RUNNING
            run.started_at = models.now()
            mark(self._fence, session,
                 session.get_one(models.Step, run.step_id),
                 WorkStatus.RUNNING)

    def ended(self, end: RunEnd) -> None:
        """A run is over: its layers and nodes change in the same moment."""
        with self._fence.writing() as session:
            run = session.get_one(models.Run, end.run_id)
            run.status = end.status
            run.cause = dict(end.cause) if end.cause else None
            run.failures = [dict(failure) for failure in end.failures] or None
            run.process = None
            run.started_at = run.started_at or models.now()
            run.finished_at = models.now()
            if end.whole and end.status != WorkStatus.INTERRUPTED:
                mark(self._fence, session,
                     session.get_one(models.Step, run.step_id), end.status)
            self._layers.change(session, end.layers)
            if end.drained:
                self._change_nodes(session, end.drained, end.closing)

    def _change_nodes(self, session: orm.Session,
                      drained: Mapping[str, NodeStatus],
                      closing: Closing) -> None:
        """Nodes are closed for a change, or work again."""
        before = self._layers.kept(session, closing)
        for node in session.scalars(sa.select(models.Node).where(
                models.Node.cluster_id == self._fence.cluster_id,
                models.Node.name.in_(list(drained)))).all():
            node.status = drained[node.name]
            node.before = before.get(node.name)

    def interrupt(self, runs: Iterable[str]) -> None:
        """Runs that an earlier conductor left: what they touched is dirty."""
        with self._fence.writing() as session:
            session.execute(sa.update(models.Run).where(
                models.Run.id.in_(list(runs)),
            ).values(status=WorkStatus.INTERRUPTED, process=None,
                     finished_at=models.now()))
            self._layers.interrupted(session)
