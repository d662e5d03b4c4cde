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


"""Where numbers can be had, and what is needed to get there."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Layer
from hpcdirect.db.models import Node
from hpcdirect.db.models import Secret
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus

_THERE = (LayerState.APPLIED, LayerState.APPLYING, LayerState.DIRTY)


class Standing(NamedTuple):
    """An element on a node that is up."""

    cluster_id: str
    cluster: str
    project_id: str
    node: str
    element: str
    role: str
    version: str


class Way(NamedTuple):
    """What it takes to get into a cluster."""

    backend: str
    project_id: str
    secrets: Sequence[Secret]


def standing(session: orm.Session, elements: Collection[str],
             cluster_id: str = '') -> list[Standing]:
    """Where these elements stand, also while they are changed.

    :param cluster_id: in this cluster only; '' for all.
    """
    where = [Layer.cluster_id == cluster_id] if cluster_id else []
    found = session.execute(sa.select(
        Layer.cluster_id, Cluster.name, Cluster.project_id, Layer.node,
        Layer.element, Layer.role, Layer.version,
    ).join(Cluster, Cluster.id == Layer.cluster_id).join(Node, sa.and_(
        Node.cluster_id == Layer.cluster_id, Node.name == Layer.node)).where(
            *where, Layer.element.in_(list(elements)),
            Layer.state.in_(_THERE), Cluster.deleted == '',
            Node.status.in_((NodeStatus.UP, NodeStatus.DRAINED)),
    ).order_by(Layer.cluster_id, Layer.node, Layer.element, Layer.role))
    return [Standing(*row) for row in found]


def put_on(session: orm.Session, cluster_id: str) -> set[str]:
    """Names of the elements that stand somewhere on a cluster."""
    return set(session.scalars(sa.select(Layer.element).where(
        Layer.cluster_id == cluster_id, Layer.state.in_(_THERE)).distinct()))


def inputs(session: orm.Session, one: Standing) -> dict[str, Any]:
    """The variables that an element was put on a node with."""
    found = session.scalar(sa.select(Layer.inputs).where(
        Layer.cluster_id == one.cluster_id, Layer.node == one.node,
        Layer.element == one.element, Layer.role == one.role))
    variables = (found or {}).get('variables')
    return dict(variables) if isinstance(variables, dict) else {}


def nodes(session: orm.Session, cluster_id: str) -> dict[str, int]:
    """Node group -> how many nodes there are of it."""
    return dict(session.execute(sa.select(
        Node.group, sa.func.count()).where(
            Node.cluster_id == cluster_id).group_by(Node.group)
    ).tuples().all())


def way(session: orm.Session, cluster_id: str, element: str, name: str
        ) -> Way | None:
    """Where a cluster is, and its sealed key; None when it is gone.

    :param element: of the key.
    :param name: the same.
    """
    row = session.execute(sa.select(
        Cluster.backend, Cluster.project_id).where(
            Cluster.id == cluster_id, Cluster.deleted == '')).first()
    secrets = session.scalars(sa.select(Secret).where(
        Secret.cluster_id == cluster_id, Secret.element == element,
        Secret.name == name)).all()
    if row is None or not secrets:
        return None
    session.expunge_all()
    return Way(row.backend, row.project_id, secrets)
