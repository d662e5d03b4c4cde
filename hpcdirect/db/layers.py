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
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import paging
from hpcdirect.db.models import Layer
from hpcdirect.db.models import Run
from hpcdirect.states import WorkStatus


def listing(session: orm.Session, cluster_id: str, page: paging.Page
            ) -> paging.Listing:
    """One page of a cluster's layers."""
    return paging.fetch(session, Layer, page, paging.Scope(
        {'cluster_id': cluster_id}))


def of_elements(session: orm.Session, cluster_id: str,
                elements: Iterable[str]) -> list[Any]:
    """All layers of some elements on a cluster, each with ``sure``.

    That is whether the run that touched it last went well as a whole.
    """
    return list(session.execute(sa.select(
        *(getattr(Layer, name) for name in (
            'id', 'node', 'incarnation', 'element', 'role', 'state',
            'digest')),
        sa.func.coalesce(Run.status == WorkStatus.SUCCEEDED.value,
                         sa.false()).label('sure'),
    ).outerjoin(Run, Run.id == Layer.run_id).where(
        Layer.cluster_id == cluster_id, Layer.element.in_(list(elements)))))


def variables(session: orm.Session, idents: Iterable[str]
              ) -> dict[str, dict[str, Any]]:
    """Id of a layer -> what its element was given when it was applied."""
    return {ident: inputs.get('variables', {})
            for ident, inputs in session.execute(sa.select(
                Layer.id, Layer.inputs).where(Layer.id.in_(list(idents)))
            ).tuples()}


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
