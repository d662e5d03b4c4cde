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

"""People's accounts on a cluster, and on how many nodes they are."""

from __future__ import annotations

from hpcdirect.api.services import Services
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.db import layers
from hpcdirect.db import models
from hpcdirect.db import recorded
from hpcdirect.orders import change
from hpcdirect.planning import accounts
from hpcdirect.planning import presence
from hpcdirect.planning import wanted as wanting
from hpcdirect.planning.accounts import Person
from hpcdirect.planning.presence import Presences


def listed(services: Services, cluster: models.Cluster) -> list[Person]:
    """Every user, by name; those that are gone as well.

    :raises Conflict: what the cluster is made of is not in the catalogue.
    """
    return accounts.listed(_composed(services, cluster), cluster.desired)


def presences(services: Services, cluster: models.Cluster) -> Presences:
    """Tells on how many nodes accounts are.

    :raises Conflict: as above.
    """
    blueprint = _composed(services, cluster)
    makers = [use.element.name for use in accounts.makers(blueprint)]
    with services.database.read() as session:
        seen = [presence.Seen(*row) for row in layers.of_elements(
            session, cluster.id, makers)]
        kinds = presence.samples(seen)
        given = layers.variables(session, kinds.values())
        nodes = recorded.of_cluster(session, models.Node, cluster.id)
        secrets = recorded.of_cluster(session, models.Secret, cluster.id)
        wanted = wanting.build(
            blueprint, cluster.desired, recorded.members(nodes),
            recorded.secret_versions(secrets))
    return Presences(blueprint, wanted, seen, {
        kind: given[ident] for kind, ident in kinds.items()
        if ident in given})


def _composed(services: Services, cluster: models.Cluster) -> Blueprint:
    return change.composed(services, change.blueprint_of(services, cluster),
                           cluster.desired)
