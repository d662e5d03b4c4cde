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


"""What was wanted of clusters before, for those who want it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpcdirect import signing
from hpcdirect.context import RequestContext
from hpcdirect.db import clusters
from hpcdirect.db import generations
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.exception import found_at
from hpcdirect.orders.parts import Parts
from hpcdirect.planning import revisions
from hpcdirect.planning.state import State
from hpcdirect.policies import Target
from hpcdirect.policies import clusters as policies


def kept(parts: Parts, cluster: Cluster, number: int,
         where: str = '$.generation') -> State:
    """What was wanted of a cluster at a generation.

    :raises Invalid: nothing is known of it, or it was not signed so.
    """
    with parts.database.read() as session:
        try:
            desired = generations.get(session, cluster.id, number).desired
        except NotFound as exc:
            raise Invalid([Finding(
                f'nothing is known of generation {number}; the newest is '
                f'{cluster.generation}', where)]) from exc
        deployments = generations.deployments(session, cluster.id, number)
    _signed(parts, number, desired, deployments, where)
    return desired


def _signed(parts: Parts, number: int, desired: State,
            deployments: list[Deployment], where: str) -> None:
    """Pass, or raise Invalid: nobody asked for that."""
    if not signing.attested(parts.keys, number, desired, deployments):
        raise Invalid([Finding(
            f'generation {number} is not recorded as it was signed', where)])


def standing(parts: Parts, cluster: Cluster) -> State:
    """What stands on a cluster, to go back from.

    That is what is wanted now. When nobody signed that, it was never carried
    out: then it is the newest generation that somebody did sign.

    :raises Invalid: there is none.
    """
    with parts.database.read() as session:
        now = generations.deployments(session, cluster.id,
                                      cluster.generation)
        if signing.attested(parts.keys, cluster.generation,
                            cluster.desired, now):
            return cluster.desired
        for number, desired in generations.backwards(session, cluster.id):
            if signing.attested(
                    parts.keys, number, desired,
                    generations.deployments(session, cluster.id, number)):
                return desired
    raise Invalid([Finding('no generation is recorded as it was signed',
                           '$.generation')])


def highest(parts: Parts, cluster: Cluster, aim: State
            ) -> dict[str, int]:
    """Slot -> the highest incarnation that was ever wanted of it.

    :param aim: only slots of it that the cluster has not now are looked for.
    """
    missing = aim.slots.keys() - cluster.desired.slots.keys()
    with parts.database.read() as session:
        return generations.highest(session, cluster.id, missing)


def model(parts: Parts, context: RequestContext,
          asked: Mapping[str, Any]) -> tuple[Cluster, State]:
    """The cluster that a new one is to be like, and as of when.

    :param asked: ``cluster`` and perhaps ``generation``.
    :raises Invalid: there is no such cluster, or generation.
    """
    with parts.database.read() as session:
        get = clusters.ever if 'generation' in asked else clusters.get
        with found_at('$.clone.cluster'):
            found = get(session, context, parts.policy.reach(context),
                        asked['cluster'])
    parts.policy.authorize(context, policies.SHOW,
                              Target(project_id=found.project_id))
    if 'generation' not in asked:
        with parts.database.read() as session:
            deployments = generations.deployments(session, found.id,
                                                  found.generation)
        _signed(parts, found.generation, found.desired, deployments,
                '$.clone.cluster')
        state, where = found.desired, '$.clone.cluster'
    else:
        where = '$.clone.generation'
        state = kept(parts, found, asked['generation'], where)
    revisions.alive(state, where)
    return found, state
