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

from typing import Any

import pecan

from hpcdirect.api import surroundings
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import clusters as schema
from hpcdirect.db import models
from hpcdirect.orders import wishes
from hpcdirect.orders.wishes import Unless


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
        around = surroundings.of(session, resource.services.catalogue,
                                 resource.allowed(), [row], schema.FIELDS)
    return schema.FIELDS.view(row, around[row.id],
                              pecan.request.application_url)
