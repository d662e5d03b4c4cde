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

from collections.abc import Mapping
import functools
from typing import Any

from hpcdirect import states
from hpcdirect.api.services import Services
from hpcdirect.context import RequestContext
from hpcdirect.exception import Forbidden
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unread
from hpcdirect.planning import revisions
from hpcdirect.planning.state import State
from hpcdirect.policies import Target
from hpcdirect.policies import clusters as policies
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
WORDS = (*_ASKED, 'clone')


class Allowed:
    """What one caller may do, of any number of clusters.

    Nothing is asked twice in a list: rules look at the project at most, and
    clusters that stand alike allow the same.

    :param context: who asks.
    """

    def __init__(self, services: Services, context: RequestContext) -> None:
        self._services, self._context = services, context
        self._everywhere: dict[str, str] = {}
        self._forbidden = functools.cache(self._refused)
        self._missing = functools.cache(self._not_found)
        self._alike = functools.cache(self._of)

    def of(self, cluster: Any) -> dict[str, str]:
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
            self._services.policy.authorize(self._context, rule, target)
        except Forbidden as exc:
            sentence = str(exc)
        if not target.looked_at:
            self._everywhere[rule] = sentence
        return sentence

    def _not_found(self, blueprint: str) -> str:
        try:
            self._services.catalogue.blueprint(blueprint)
        except (NotFound, Unread) as exc:
            return str(exc)
        return ''
