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

"""What is shown of clusters and lies in other tables.

A constant number of queries, however many clusters there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from sqlalchemy import orm

from hpcdirect.api.schemas.clusters import Around
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.db import clusters
from hpcdirect.db import deployments
from hpcdirect.db import nodes
from hpcdirect.db.deployments import Progress
from hpcdirect.exception import NotFound
from hpcdirect.sources.catalogue import Catalogue


def of(session: orm.Session, catalogue: Catalogue, rows: Sequence[Any]
       ) -> dict[str, Around]:
    """The surroundings of each of these clusters, by id."""
    idents = [row.id for row in rows]
    ready = nodes.ready(session, idents)
    latest = deployments.latest(session, idents)
    progress = deployments.progress(
        session, [deployment.id for deployment in latest.values()])
    known = _blueprints(catalogue, rows)
    logins = _logins(rows, known)
    up = nodes.named(session, logins, set(logins.values()))
    tags = clusters.tags_of(session, idents)
    return {row.id: Around(
        ready={name: ready.get((row.id, name), 0)
               for name in row.desired['groups']},
        login=up.get((row.id, logins.get(row.id, ''))),
        schema=blueprint.parameters if (blueprint := known[_ref(row)])
        else None, deployment=latest.get(row.id), tags=tags.get(row.id, ()),
        progress=progress.get(latest[row.id].id, Progress())
        if row.id in latest else Progress()) for row in rows}


def _ref(row: Any) -> str:
    return f'{row.blueprint}@{row.blueprint_version}'


def _blueprints(catalogue: Catalogue, rows: Sequence[Any]
                ) -> dict[str, Blueprint | None]:
    """Reference -> blueprint, None for what is in no source any more.

    The cluster goes on without its blueprint.
    """
    found: dict[str, Blueprint | None] = {}
    for ref in {_ref(row) for row in rows}:
        try:
            found[ref] = catalogue.blueprint(ref)
        except NotFound:
            found[ref] = None
    return found


def _logins(rows: Sequence[Any], known: Mapping[str, Blueprint | None]
            ) -> dict[str, str]:
    """Cluster -> name of the node people log in to."""
    found = {}
    for row in rows:
        blueprint = known[_ref(row)]
        slots = row.desired['groups'].get(blueprint.login, []) \
            if blueprint else []
        if slots:
            found[row.id] = slots[0]['name']
    return found
