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

"""The states of things, one enumeration each, as the API shows them."""

import enum


class ClusterStatus(enum.StrEnum):
    """What a cluster's owner sees at a glance.

    DEGRADED: it was ACTIVE, and machines have been lost or ail since.
    """

    CREATING = 'CREATING'
    UPDATING = 'UPDATING'
    ACTIVE = 'ACTIVE'
    DEGRADED = 'DEGRADED'
    ERROR = 'ERROR'
    CHECKING = 'CHECKING'
    DELETING = 'DELETING'
    DELETED = 'DELETED'

    @property
    def busy(self) -> bool:
        """Whether a deployment is under way."""
        return self in (ClusterStatus.CREATING, ClusterStatus.UPDATING,
                        ClusterStatus.CHECKING, ClusterStatus.DELETING)


#: Statuses of clusters that nothing is done to; their machines are looked at
#: now and then.
RESTING = (ClusterStatus.ACTIVE, ClusterStatus.DEGRADED, ClusterStatus.ERROR)


class DeploymentStatus(enum.StrEnum):
    """How one attempt to converge a cluster stands."""

    QUEUED = 'QUEUED'
    RUNNING = 'RUNNING'
    SUCCEEDED = 'SUCCEEDED'
    FAILED = 'FAILED'
    SUPERSEDED = 'SUPERSEDED'

    @property
    def over(self) -> bool:
        """Whether nothing will change it any more."""
        return self not in (DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)


class Operation(enum.StrEnum):
    """What was asked for, in the owner's words."""

    CREATE = 'create'
    SCALE = 'scale'
    UPDATE = 'update'
    UPGRADE = 'upgrade'
    ROLLBACK = 'rollback'
    RETRY = 'retry'
    CHECK = 'check'
    REPAIR = 'repair'
    CANCEL = 'cancel'
    DELETE = 'delete'


class FailureCode(enum.StrEnum):
    """Kinds of failures of a deployment, words that never change.

    ELEMENT_FAILED: of a task; the failure's class tells more.
    PLUGIN_FAILED: of a backend or a runner. NODE_FAILED: of a machine.
    DISAGREES: a check found something otherwise than it is wanted.
    The others are hpcdirect's own.
    """

    ELEMENT_FAILED = 'element_failed'
    PLUGIN_FAILED = 'plugin_failed'
    NODE_FAILED = 'node_failed'
    DISAGREES = 'disagrees'
    CATALOGUE_CHANGED = 'catalogue_changed'
    REFUSED = 'refused'
    REPLAYED = 'replayed'
    INTERNAL = 'internal'


class StepKind(enum.StrEnum):
    """The verbs a plan is written in."""

    PROVISION = 'provision'
    APPLY = 'apply'
    VERIFY = 'verify'
    DRAIN = 'drain'
    RESUME = 'resume'
    REVERT = 'revert'
    RELEASE = 'release'


class Verdict(enum.StrEnum):
    """What a change does to what is there, in a plan."""

    ADD_NODE = 'add node'
    REPLACE_NODE = 'replace node'
    REMOVE_NODE = 'remove node'
    PUT_ON = 'put on'
    IN_PLACE = 'in place'
    AGAIN = 'apply again'
    REVERT_AND_APPLY = 'revert and apply'
    TAKE_OFF = 'take off'
    REFUSED = 'refused'


class WorkStatus(enum.StrEnum):
    """How a step or a run stands."""

    WAITING = 'WAITING'
    RUNNING = 'RUNNING'
    SUCCEEDED = 'SUCCEEDED'
    FAILED = 'FAILED'
    INTERRUPTED = 'INTERRUPTED'


class NodeStatus(enum.StrEnum):
    """How a machine stands, as its backend and its owner know it."""

    BUILDING = 'BUILDING'
    UP = 'UP'
    DRAINED = 'DRAINED'
    LEAVING = 'LEAVING'
    FAILED = 'FAILED'


class LayerState(enum.StrEnum):
    """How an element stands on one node."""

    APPLYING = 'applying'
    APPLIED = 'applied'
    REVERTING = 'reverting'
    REVERTED = 'reverted'
    DIRTY = 'dirty'
