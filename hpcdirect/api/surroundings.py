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

"""What is shown of clusters and lies elsewhere; what a change answers with.

A constant number of queries, however many clusters there are; none for
fields that are not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import pecan
from sqlalchemy import orm

from hpcdirect.api.allowed import Allowed
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import clusters as schema
from hpcdirect.api.schemas.clusters import Around
from hpcdirect.api.schemas.common import Fields
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.db import models
from hpcdirect.db import surroundings
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unread
from hpcdirect.orders import wishes
from hpcdirect.orders.wishes import Unless
from hpcdirect.sources.catalogue import Catalogue


def of(session: orm.Session, catalogue: Catalogue, caller: Allowed,
       rows: Sequence[Any], fields: Fields) -> dict[str, Around]:
    """The surroundings of each of these clusters, by id.

    :param caller: who they are shown to.
    :param fields: those of the clusters that are shown.
    """
    wanted = fields.around
    known = _blueprints(catalogue, rows) \
        if wanted & {'mask', 'login', 'titled'} else {}
    logins = _logins(rows, known) if 'login' in wanted else {}
    found = surroundings.of(
        session, {row.id: logins.get(row.id, '') for row in rows}, wanted)
    around = {}
    for row in rows:
        blueprint = known[_ref(row)] if known else None
        around[row.id] = Around(
            found[row.id], caller.of(row) if 'allowed' in wanted else {},
            blueprint.login if blueprint else '',
            blueprint.outputs if blueprint else (),
            blueprint.mask if blueprint else None)
    return around


def _ref(row: Any) -> str:
    return f'{row.blueprint}@{row.blueprint_version}'


def _blueprints(catalogue: Catalogue, rows: Sequence[Any]
                ) -> dict[str, Blueprint | None]:
    """Reference -> blueprint, None for what is in no source (just now).

    The cluster goes on without its blueprint.
    """
    found: dict[str, Blueprint | None] = {}
    for ref in {_ref(row) for row in rows}:
        try:
            found[ref] = catalogue.blueprint(ref)
        except (NotFound, Unread):
            found[ref] = None
    return found


def _logins(rows: Sequence[Any], known: Mapping[str, Blueprint | None]
            ) -> dict[str, str]:
    """Cluster -> name of the node people log in to."""
    found = {}
    for row in rows:
        blueprint = known[_ref(row)]
        slots = row.desired.groups.get(blueprint.login, ()) \
            if blueprint else ()
        if slots:
            found[row.id] = slots[0].name
    return found


def carry_out(resource: Resource, found: models.Cluster,
              body: dict[str, Any], unless: Unless = wishes.whatever
              ) -> dict[str, Any]:
    """Want what a PATCH of this body wants; the cluster as it is then.

    :param unless: of the cluster as it is just before.

    The answer's status is 200 when nothing is to be done for it.
    """
    services = resource.services
    if wishes.want(services, resource.context, found, body, unless):
        services.conductor.advance(found.id)
    else:
        pecan.response.status = 200
    return show(resource, found.id)


def show(resource: Resource, ident: str) -> dict[str, Any]:
    """The cluster's view as it is now, even if it was deleted meanwhile."""
    with resource.services.database.read() as session:
        row = session.get_one(models.Cluster, ident)
        around = of(session, resource.services.catalogue,
                                 resource.allowed(), [row], schema.FIELDS)
    return schema.FIELDS.view(row, around[row.id],
                              pecan.request.application_url)
