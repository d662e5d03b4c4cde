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

from collections.abc import Sequence
from typing import Any

from sqlalchemy import orm

from hpcdirect.api.schemas.clusters import Around
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
    logins = _logins(catalogue, rows)
    up = nodes.named(session, logins, set(logins.values()))
    return {row.id: Around(
        ready={name: ready.get((row.id, name), 0)
               for name in row.desired['groups']},
        login=up.get((row.id, logins.get(row.id, ''))),
        deployment=latest.get(row.id),
        progress=progress.get(latest[row.id].id, Progress())
        if row.id in latest else Progress()) for row in rows}


def _logins(catalogue: Catalogue, rows: Sequence[Any]) -> dict[str, str]:
    """Cluster -> name of the node people log in to."""
    groups = {ref: _login(catalogue, ref) for ref in {
        f'{row.blueprint}@{row.blueprint_version}' for row in rows}}
    slots = {row.id: row.desired['groups'].get(
        groups[f'{row.blueprint}@{row.blueprint_version}'], [])
        for row in rows}
    return {ident: found[0]['name'] for ident, found in slots.items()
            if found}


def _login(catalogue: Catalogue, ref: str) -> str:
    try:
        return catalogue.blueprint(ref).login
    except NotFound:
        # The cluster goes on without its blueprint; only this is unknown.
        return ''
