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

"""Whether the conductor may do what a deployment asks for.

What is in the database is not trusted because it is there: the API signed
the deployment with the key file's key, and the same policy that let the
request in is asked again with the roles it came with. That is looked at
whenever the cluster is, not once: the database may be written meanwhile.

Something that cannot be judged here is not a forgery. A conductor of another
release, or one with another key file, may know it; the work is left to it.
"""

from __future__ import annotations

from hpcdirect import signing
from hpcdirect.blueprints import parameters
from hpcdirect.db import models
from hpcdirect.db.ledger import Snapshot
from hpcdirect.digests import digest
from hpcdirect.exception import Forbidden
from hpcdirect.exception import NotForUs
from hpcdirect.exception import Refused
from hpcdirect.keys import KeyRing
from hpcdirect.policies import Enforcer
from hpcdirect.policies import Target
from hpcdirect.policies import clusters as policies
from hpcdirect.states import Operation
from hpcdirect.wishes import Wish

_RULES = {
    Operation.CREATE: policies.CREATE, Operation.SCALE: policies.UPDATE,
    Operation.UPDATE: policies.UPDATE, Operation.UPGRADE: policies.UPDATE,
    Operation.ROLLBACK: policies.UPDATE, Operation.RETRY: policies.UPDATE,
    Operation.CHECK: policies.UPDATE, Operation.REPAIR: policies.UPDATE,
    Operation.CANCEL: policies.UPDATE,
    Operation.DELETE: policies.DELETE,
}
#: Digits of a digest that nodes and backends keep of a wish.
_SHORT = 16


class Permit:
    """Judges the deployments of one cluster, look after look.

    What was judged once and is the same again costs a digest. No more than
    that is kept: a thousand clusters may be in flight.
    """

    def __init__(self, keys: KeyRing, policy: Enforcer) -> None:
        self._keys = keys
        self._policy = policy
        self._judged = ''
        #: What was judged last, as nodes and backends remember it.
        self.wish = Wish()

    def check(self, recorded: Snapshot) -> None:
        """Pass, or raise, for the newest deployment of a cluster.

        :raises Refused: it is not to be carried out.
        :raises NotForUs: that cannot be told here.
        """
        deployment, cluster = recorded.deployment, recorded.cluster
        if deployment is None:
            raise Refused(reason='There is no deployment.')
        seen = digest([deployment.signature, deployment.signed_part(2),
                       cluster.id, cluster.project_id, cluster.generation,
                       cluster.desired.to_json()])
        if seen != self._judged:
            signing.judge(self._keys, cluster, deployment)
            self._judged = seen
            # Whatever is sealed in it may be sealed anew meanwhile.
            self.wish = Wish(cluster.generation, digest(
                parameters.hidden(None, cluster.desired.to_json()))[:_SHORT])
        self._allowed(deployment, cluster)

    def _allowed(self, deployment: models.Deployment, cluster: models.Cluster
                 ) -> None:
        """Pass when the roles that it came with may do it."""
        try:
            self._policy.authorize(
                deployment.asker.context(deployment.project_id),
                _RULES[Operation(deployment.operation)],
                Target(project_id=cluster.project_id))
        except (KeyError, ValueError):
            raise NotForUs(
                reason=f'the operation "{deployment.operation[:16]}" is not '
                'known here') from None
        except Forbidden as exc:
            raise Refused(reason=str(exc)) from exc


def refusal(keys: KeyRing, policy: Enforcer, recorded: Snapshot) -> str:
    """Why a deployment is not to be carried out by us; '' when it is."""
    try:
        Permit(keys, policy).check(recorded)
    except (Refused, NotForUs) as exc:
        return str(exc)
    return ''
