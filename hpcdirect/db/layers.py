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

"""Queries about layers."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Layer


def listing(session: orm.Session, cluster_id: str, page: paging.Page
            ) -> paging.Listing:
    """One page of a cluster's layers."""
    return paging.fetch(session, Layer, page, paging.Scope(
        {'cluster_id': cluster_id}))


def on_nodes(session: orm.Session, cluster_id: str, names: Iterable[str]
             ) -> dict[str, list[Layer]]:
    """The layers of some nodes of a cluster, the lowest first."""
    found: dict[str, list[Layer]] = {}
    for row in session.scalars(
            sa.select(Layer).options(orm.defer(Layer.inputs)).where(
                Layer.cluster_id == cluster_id, Layer.node.in_(list(names)),
            ).order_by(Layer.position, Layer.id)):
        found.setdefault(row.node, []).append(row)
    return found
