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
"""From something else that is wanted of a cluster to a deployment of it."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

import pecan
from sqlalchemy import orm

from hpcdirect.api import change
from hpcdirect.api import matching
from hpcdirect.api import surroundings
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import clusters as schema
from hpcdirect.db import clusters
from hpcdirect.db import models


def carry_out(resource: Resource, found: models.Cluster,
              body: dict[str, Any], labels: Mapping[str, Any] | None = None,
              said: str | None = None) -> dict[str, Any]:
    """Want what a PATCH of this body wants; the cluster as it is then.

    :param labels: what is said of the cluster besides; both or none.
    :param said: the header If-Match, when it counts.

    The answer's status is 200 when nothing is to be done for it.
    """
    services = resource.services
    wanted = change.wanted(services, found, body)
    if wanted != found.desired or 'name' in (labels or {}):
        # Of clusters made by an earlier release the name is kept only now.
        wanted = dataclasses.replace(wanted, name=wanted.name or found.name)
    same = wanted == found.desired
    if not same:
        wanted = services.pins.pinned(wanted)
    order = None if same else resource.order(
        change.operation(services, found, body, wanted), wanted)

    def write(session: orm.Session) -> None:
        matching.check(session, clusters.locked(session, found.id), said)
        if labels:
            clusters.label(session, found.id, labels)
        if order is not None:
            clusters.change(session, found, order)

    if labels or order is not None:
        services.database.change(write)
    if same:
        pecan.response.status = 200
    else:
        services.conductor.advance(found.id)
    return show(resource, found.id)


def show(resource: Resource, ident: str) -> dict[str, Any]:
    """The cluster's view as it is now, even if it was deleted meanwhile."""
    with resource.services.database.read() as session:
        row = session.get_one(models.Cluster, ident)
        around = surroundings.of(session, resource.services.catalogue,
                                 resource.allowed(), [row], schema.FIELDS)
    return schema.FIELDS.view(row, around[row.id],
                              pecan.request.application_url)
