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
import functools

import pecan

from hpcdirect import states
from hpcdirect.api.resource import Resource
from hpcdirect.api.schemas import clusters as schema
from hpcdirect.api.schemas.clusters import Around
from hpcdirect.api.schemas.common import Fields
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.db import models
from hpcdirect.db import surroundings
from hpcdirect.db.models import Cluster
from hpcdirect.db.session import Session
from hpcdirect.exception import Forbidden
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unread
from hpcdirect.jsontypes import Object
from hpcdirect.orders import wishes
from hpcdirect.orders.wishes import Unless
from hpcdirect.planning import revisions
from hpcdirect.planning.state import State
from hpcdirect.policies import Target
from hpcdirect.policies import clusters as policies
from hpcdirect.sources.catalogue import Catalogue
from hpcdirect.states import Operation

#: What is done -> the rules that are asked, and what the cluster is asked for.
_ASKED: Mapping[str, tuple[tuple[str, ...], Operation | None]] = {
    'update': ((policies.UPDATE,), Operation.UPDATE),
    'retry': ((policies.UPDATE,), Operation.RETRY),
    'check': ((policies.UPDATE,), Operation.CHECK),
    'repair': ((policies.UPDATE,), Operation.REPAIR),
    'cancel': ((policies.UPDATE,), Operation.CANCEL),
    'label': ((policies.UPDATE,), None),
    'protect': ((policies.UPDATE,), None),
    'expire': ((policies.UPDATE, policies.DELETE), None),
    'delete': ((policies.DELETE,), Operation.DELETE),
}


class Allowed:
    """What one caller may do, of any number of clusters.

    Nothing is asked twice in a list: rules look at the project at most, and
    clusters that stand alike allow the same.

    :param asked: what the caller asks, now.
    """

    def __init__(self, asked: Resource) -> None:
        self.services, self._context = asked.services, asked.context
        self._everywhere: dict[str, str] = {}
        self._forbidden = functools.cache(self._refused)
        self._missing = functools.cache(self._not_found)
        self._alike = functools.cache(self._of)

    def of(self, cluster: Cluster) -> dict[str, str]:
        """What is done -> why it would be refused, a sentence; or ''.

        :param cluster: a row with what :func:`states.refusal` reads.
        """
        sentences, refused = self._alike(
            cluster.project_id, *states.standing(cluster))
        return {**sentences,
                **{word: str(refusal(cluster.name))
                   for word, refusal in refused.items()},
                'clone': self.clone(cluster.project_id, cluster.desired)}

    def clone(self, project_id: str | None, state: State) -> str:
        """Why no cluster may be made as one was wanted, a sentence; or ''.

        :param project_id: in which it would be made.
        """
        return self.create(project_id) or (
            revisions.GOING if state.deleted else
            self._missing(state.blueprint_ref))

    def create(self, project_id: str | None) -> str:
        """Why no cluster may be made in a project, a sentence; or ''."""
        return self._forbidden(policies.CREATE, project_id or '')

    def _of(self, project_id: str, status: str, protected: bool,
            leaving: bool) -> tuple[
                dict[str, str], dict[str, states.Refusal]]:
        """Of all clusters of a project that stand alike.

        :returns: sentences, and what makes those that name the cluster.
        """
        sentences, refused = {}, {}
        for word, (rules, operation) in _ASKED.items():
            sentences[word] = next(filter(None, (
                self._forbidden(rule, project_id) for rule in rules)), '')
            refusal: states.Refusal | None = None
            if operation is not None:
                refusal = states.refused_for(operation, status, protected,
                                               leaving)
            elif word == 'protect' and leaving:
                refusal = states.going
            if refusal and not sentences[word]:
                refused[word] = refusal
        return sentences, refused

    def _refused(self, rule: str, project_id: str) -> str:
        if rule in self._everywhere:
            return self._everywhere[rule]
        target, sentence = Target(project_id=project_id), ''
        try:
            self.services.policy.authorize(self._context, rule, target)
        except Forbidden as exc:
            sentence = str(exc)
        if not target.looked_at:
            self._everywhere[rule] = sentence
        return sentence

    def _not_found(self, blueprint: str) -> str:
        try:
            self.services.catalogue.blueprint(blueprint)
        except (NotFound, Unread) as exc:
            return str(exc)
        return ''


def of(session: Session, caller: Allowed, rows: Sequence[Cluster],
       fields: Fields) -> dict[str, Around]:
    """The surroundings of each of these clusters, by id.

    :param caller: who they are shown to.
    :param fields: those of the clusters that are shown.
    """
    wanted = fields.around
    known = _blueprints(caller.services.catalogue, rows) \
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


def _ref(row: Cluster) -> str:
    return f'{row.blueprint}@{row.blueprint_version}'


def _blueprints(catalogue: Catalogue, rows: Sequence[Cluster]
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


def _logins(rows: Sequence[Cluster], known: Mapping[str, Blueprint | None]
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
              body: Object, unless: Unless = wishes.whatever
              ) -> Object:
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


def show(resource: Resource, ident: str) -> Object:
    """The cluster's view as it is now, even if it was deleted meanwhile."""
    with resource.services.database.read() as session:
        row = session.get_one(models.Cluster, ident)
        around = of(session, Allowed(resource), [row], schema.FIELDS)
    return schema.FIELDS.view(row, around[row.id],
                              pecan.request.application_url)
