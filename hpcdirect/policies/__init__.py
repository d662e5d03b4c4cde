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

"""Who may do what: rules in code, one module a resource."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import itertools

from oslo_config import cfg
from oslo_policy import policy

from hpcdirect.context import RequestContext
from hpcdirect.exception import Forbidden
from hpcdirect.exception import WrongScope
from hpcdirect.policies import base
from hpcdirect.policies import blueprints
from hpcdirect.policies import clusters
from hpcdirect.policies import deployments
from hpcdirect.policies import plans
from hpcdirect.policies import projects
from hpcdirect.policies import services


def list_rules() -> Iterable[policy.RuleDefault]:
    """Every rule, for oslopolicy-sample-generator and the enforcer."""
    return itertools.chain(base.RULES, blueprints.RULES, clusters.RULES,
                           deployments.RULES, plans.RULES, projects.RULES,
                           services.RULES)


class Target(Mapping[str, str]):
    """What is acted on, as rules see it.

    :ivar looked_at: whether a rule has looked at it. The answer of one that
        has not holds for everything.
    """

    def __init__(self, **values: str | None) -> None:
        # Written out, "no project" of the caller would be equal to "no
        # project" of the target.
        self._values = {name: value or '' for name, value in values.items()}
        self.looked_at = False

    def __getitem__(self, name: str) -> str:
        self.looked_at = True
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        self.looked_at = True
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Enforcer:
    """Asks the rules, as the operator's policy file changes them."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._enforcer = policy.Enforcer(conf)
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.register_defaults(list(list_rules()))
        self._scopes = {rule.name: rule.scope_types or ()
                        for rule in list_rules()}

    def allows(self, context: RequestContext, rule: str, target: Target
               ) -> bool:
        """Whether a rule lets *context* do it to *target*."""
        try:
            self.authorize(context, rule, target)
        except Forbidden:
            return False
        return True

    def authorize(self, context: RequestContext, rule: str, target: Target
                  ) -> None:
        """Pass, or raise Forbidden.

        :param target: it has a ``project_id`` at least.
        """
        # Not left to [oslo_policy] enforce_scope: what is made needs somebody
        # to belong to.
        if not context.project_id and 'system' not in self._scopes[rule]:
            raise WrongScope(rule=rule)
        try:
            allowed = self._enforcer.authorize(rule, target, context)
        except policy.InvalidScope as exc:
            raise WrongScope(rule=rule) from exc
        if not allowed:
            raise Forbidden(rule=rule)

    def reach(self, context: RequestContext) -> str | None:
        """The one project a caller sees; None for all of them."""
        if self.allows(context, base.ALL_PROJECTS,
                       Target(project_id=context.project_id)):
            return None
        return str(context.project_id)

    def strangers(self) -> list[str]:
        """Rules that the operator's policy file has and nothing asks."""
        self._enforcer.load_rules(force_reload=True)
        return sorted(set(self._enforcer.file_rules) - set(self._scopes))
