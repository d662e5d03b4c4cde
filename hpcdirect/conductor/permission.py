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
request in is asked again with the roles it came with.
"""

from __future__ import annotations

from hpcdirect.context import RequestContext
from hpcdirect.db.ledger import Snapshot
from hpcdirect.digests import digest
from hpcdirect.exception import Forbidden
from hpcdirect.keys import KeyRing
from hpcdirect.policies import Enforcer
from hpcdirect.policies import clusters as policies
from hpcdirect.states import Operation

_RULES = {
    Operation.CREATE: policies.CREATE, Operation.SCALE: policies.UPDATE,
    Operation.UPDATE: policies.UPDATE, Operation.UPGRADE: policies.UPDATE,
    Operation.ROLLBACK: policies.UPDATE, Operation.RETRY: policies.UPDATE,
    Operation.CHECK: policies.UPDATE, Operation.REPAIR: policies.UPDATE,
    Operation.CANCEL: policies.UPDATE,
    Operation.DELETE: policies.DELETE,
}


def refusal(keys: KeyRing, policy: Enforcer, recorded: Snapshot) -> str:
    """Why the newest deployment is not to be carried out; '' when it is."""
    deployment, cluster = recorded.deployment, recorded.cluster
    if deployment is None:
        return 'There is no deployment.'
    if not keys.verify(deployment.signed_part(), deployment.signature):
        return ('The deployment was not signed by this service\'s API, or '
                'was changed afterwards.')
    if (deployment.cluster_id != cluster.id
            or deployment.project_id != cluster.project_id
            or deployment.generation != cluster.generation
            or deployment.desired_digest != digest(cluster.desired)):
        return 'What is wanted of the cluster is not what was signed.'
    context = RequestContext(
        user_id=deployment.user_id, project_id=deployment.project_id,
        roles=list(deployment.roles), overwrite=False)
    try:
        policy.authorize(context, _RULES[Operation(deployment.operation)],
                         {'project_id': cluster.project_id})
    except Forbidden as exc:
        return str(exc)
    return ''
