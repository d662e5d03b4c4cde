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


"""What a caller may do with a cluster now, as the API itself would answer."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import functools
from typing import Any

from hpcdirect.api.services import Services
from hpcdirect.context import RequestContext
from hpcdirect.db import clusters
from hpcdirect.exception import Forbidden
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unread
from hpcdirect.planning import revisions
from hpcdirect.planning.desired import State
from hpcdirect.planning.desired import blueprint_ref
from hpcdirect.policies import clusters as policies
from hpcdirect.states import Operation


def _state(operation: Operation) -> Callable[[Any], Exception | None]:
    return functools.partial(clusters.refusal, operation=operation)


#: What is done -> the rules that are asked, and what stands in its way.
_ASKED: Mapping[str, tuple[
    tuple[str, ...], Callable[[Any], Exception | None]]] = {
    'update': ((policies.UPDATE,), _state(Operation.UPDATE)),
    'retry': ((policies.UPDATE,), _state(Operation.RETRY)),
    'check': ((policies.UPDATE,), _state(Operation.CHECK)),
    'repair': ((policies.UPDATE,), _state(Operation.REPAIR)),
    'cancel': ((policies.UPDATE,), _state(Operation.CANCEL)),
    'label': ((policies.UPDATE,), lambda row: None),
    'protect': ((policies.UPDATE,), clusters.leaving),
    'expire': ((policies.UPDATE, policies.DELETE), lambda row: None),
    'delete': ((policies.DELETE,), _state(Operation.DELETE)),
}
WORDS = (*_ASKED, 'clone')


class Allowed:
    """What one caller may do, of any number of clusters.

    :param context: who asks.
    """

    def __init__(self, services: Services, context: RequestContext) -> None:
        self._services, self._context = services, context
        # Rules look at the project alone: a list asks once for each, and for
        # each blueprint.
        self._forbidden = functools.cache(self._refused)
        self._missing = functools.cache(self._not_found)

    def of(self, cluster: Any) -> dict[str, str]:
        """What is done -> why it would be refused, a sentence; or ''.

        :param cluster: a row with what :func:`clusters.refusal` reads.
        """
        found = {}
        for word, (rules, refusal) in _ASKED.items():
            refused = [self._forbidden(rule, cluster.project_id)
                       for rule in rules]
            found[word] = next(filter(None, refused), '') or str(
                refusal(cluster) or '')
        found['clone'] = self.clone(cluster.project_id, cluster.desired)
        return found

    def clone(self, project_id: str | None, state: State) -> str:
        """Why no cluster may be made as one was wanted, a sentence; or ''.

        :param project_id: in which it would be made.
        """
        return self.create(project_id) or (
            revisions.GOING if state['deleted'] else
            self._missing(blueprint_ref(state)))

    def create(self, project_id: str | None) -> str:
        """Why no cluster may be made in a project, a sentence; or ''."""
        return self._forbidden(policies.CREATE, project_id or '')

    def _refused(self, rule: str, project_id: str) -> str:
        try:
            self._services.policy.authorize(self._context, rule,
                                   {'project_id': project_id})
        except Forbidden as exc:
            return str(exc)
        return ''

    def _not_found(self, blueprint: str) -> str:
        try:
            self._services.catalogue.blueprint(blueprint)
        except (NotFound, Unread) as exc:
            return str(exc)
        return ''
