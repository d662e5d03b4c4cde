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

"""What becomes of machines, as the cluster's conductor writes it down."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from sqlalchemy import orm

from hpcdirect.db import models
from hpcdirect.db.fence import Fence
from hpcdirect.db.held_layers import Layers
from hpcdirect.states import ClusterStatus
from hpcdirect.states import NodeStatus


class NodeWriter:
    """Writes the nodes of a cluster."""

    def __init__(self, fence: Fence, layers: Layers) -> None:
        self._fence, self._layers = fence, layers

    def backend_ref(self, ref: str) -> None:
        """Record the backend's reference, before the backend is called."""
        with self._fence.writing() as session:
            session.get_one(models.Cluster,
                            self._fence.cluster_id).backend_ref = ref

    def record(self, deployment_id: str,
               changed: Iterable[Mapping[str, Any]],
               gone: Iterable[str] = ()) -> None:
        """Machines came, changed or went.

        :param changed: columns of :class:`models.Node`, ``name`` among them.
        """
        with self._fence.writing() as session:
            rows = {row.name: row for row in self._fence.mine(
                session, models.Node)}
            for values in changed:
                row = rows.get(values['name'])
                before = (row.status, row.fault) if row else ('', '')
                if row is not None and _other_machine(row, values):
                    # Whatever was on the old one is not on this one.
                    self._layers.drop(session, row.name)
                    row.before = None
                if row is None:
                    row = models.Node(cluster_id=self._fence.cluster_id)
                    session.add(row)
                for name, value in values.items():
                    setattr(row, name, value)
                self._tell_of_node(session, deployment_id, row, before)
            for name in gone:
                if name in rows:
                    session.delete(rows[name])
                    self._fence.event(session, deployment_id, kind='node',
                                      node=name, message='GONE')
                self._layers.drop(session, name)

    def rest(self, changed: Iterable[Mapping[str, Any]], reason: str
             ) -> None:
        """A cluster that rests was looked at.

        :param changed: columns of nodes that are not as they were.
        :param reason: what ails it, '' when nothing does.
        """
        with self._fence.writing() as session:
            rows = {row.name: row for row in self._fence.mine(
                session, models.Node)}
            for values in changed:
                row = rows[values['name']]
                before = (row.status, row.fault)
                row.status, row.fault = values['status'], values['fault']
                self._tell_of_node(session, '', row, before)
            cluster = session.get_one(models.Cluster, self._fence.cluster_id)
            if cluster.status == ClusterStatus.ERROR:
                # Machines that are well do not mend what went wrong.
                return
            cluster.status_reason = reason
            status = (ClusterStatus.DEGRADED if reason
                      else ClusterStatus.ACTIVE)
            if cluster.status != status:
                cluster.status = status
                self._fence.event(
                    session, '', kind='cluster',
                    level='error' if reason else 'info',
                    message=' '.join(filter(None, (status, reason))))

    def _tell_of_node(self, session: orm.Session, deployment_id: str,
                      row: models.Node, before: tuple[str, str]) -> None:
        """An event when a node's status changed or something ails it now."""
        worse = bool(row.fault) and row.status in (NodeStatus.FAILED,
                                                   NodeStatus.UP)
        if row.status != before[0] or (worse and row.fault != before[1]):
            self._fence.event(
                session, deployment_id, kind='node', node=row.name,
                level='error' if worse else 'info',
                message=' '.join(filter(None, (
                    row.status, row.fault if worse else ''))))


def _other_machine(row: models.Node, values: Mapping[str, Any]) -> bool:
    """Whether a slot's machine is another one than before."""
    return bool(row.ref and values['ref'] and row.ref != values['ref'])
