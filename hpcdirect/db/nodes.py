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

"""Queries about nodes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Node
from hpcdirect.exception import NotFound
from hpcdirect.states import NodeStatus


def listing(session: orm.Session, cluster_id: str, page: paging.Page
            ) -> paging.Listing:
    """One page of a cluster's nodes."""
    return paging.fetch(session, Node, page, paging.Scope(
        {'cluster_id': cluster_id}))


class Counts(NamedTuple):
    """How many nodes there are, and how many of them are up."""

    total: int
    up: int


def counts(session: orm.Session, project_id: str | None) -> Counts:
    """The nodes of a project's clusters, or (None) of all."""
    own = [] if project_id is None else [Cluster.project_id == project_id]
    total, up = session.execute(sa.select(sa.func.count(), sa.func.sum(
        sa.case((Node.status == NodeStatus.UP.value, 1), else_=0))).join(
            Cluster, Cluster.id == Node.cluster_id).where(
                Cluster.deleted == '', *own)).one()
    return Counts(total, int(up or 0))


def get(session: orm.Session, cluster_id: str, name: str) -> Node:
    """The node of a name or an id.

    :raises NotFound: the cluster has none.
    """
    found = session.scalars(sa.select(Node).where(
        Node.cluster_id == cluster_id,
        sa.or_(Node.name == name, Node.id == name))).first()
    if found is None:
        raise NotFound(resource='Node', ident=name)
    return found


def of_clusters(session: orm.Session, idents: Collection[str]
                ) -> dict[str, list[sa.Row[Any]]]:
    """What is recorded of the nodes of some clusters, by cluster."""
    found: dict[str, list[sa.Row[Any]]] = {}
    for row in session.execute(sa.select(
            Node.cluster_id, Node.name, Node.ref, Node.incarnation,
            Node.status, Node.fault).where(Node.cluster_id.in_(idents))
            ) if idents else ():
        found.setdefault(row.cluster_id, []).append(row)
    return found
