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

"""The states of things as the API shows them, and what a cluster's allows."""

from __future__ import annotations

from collections.abc import Callable
import enum
import functools
from typing import Any

from hpcdirect.exception import ClusterBusy
from hpcdirect.exception import ClusterProtected
from hpcdirect.exception import Conflict


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


class ErrorKind(enum.StrEnum):
    """What the ERROR of a cluster is.

    FAILED: a change of it failed. CANCELLED: its owner ended a change, and
    part of it is done. DISAGREES: a check found it otherwise than it is
    wanted, and changed nothing.
    """

    FAILED = 'failed'
    CANCELLED = 'cancelled'
    DISAGREES = 'disagrees'


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


class DeploymentPhase(enum.StrEnum):
    """What a deployment that is RUNNING does.

    PUTTING_BACK: it has failed, and nodes that it took out of service get
    back what they had before it ends.
    """

    CONVERGING = 'converging'
    PUTTING_BACK = 'putting_back'


def phase_of(status: str, failed: bool) -> DeploymentPhase | None:
    """What a deployment does; None when it is not under way.

    :param failed: something of it has failed already.
    """
    if status != DeploymentStatus.RUNNING:
        return None
    return DeploymentPhase.PUTTING_BACK if failed \
        else DeploymentPhase.CONVERGING


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


# -- what a cluster allows as it stands ------------------------------------

def refusal(cluster: Any, operation: Operation) -> Conflict | None:
    """Why a cluster as it stands does not allow an operation; None if it does.

    :param cluster: its row, or one of :data:`STANDING`.
    """
    refused = refused_for(operation, *standing(cluster))
    return refused(cluster.name) if refused else None


def check_allowed(cluster: Any, operation: Operation) -> None:
    """Pass, or raise Conflict: it does not allow an operation."""
    refused = refusal(cluster, operation)
    if refused is not None:
        raise refused


def leaving(cluster: Any) -> Conflict | None:
    """The same for what a cluster that is to go does not allow."""
    return going(cluster.name) if cluster.desired.deleted else None


#: The columns that :func:`refusal` reads.
STANDING = ('name', 'status', 'protected', 'desired')
#: Makes what is raised, of a cluster's name.
Refusal = Callable[[str], Conflict]


def standing(cluster: Any) -> tuple[str, bool, bool]:
    """What decides which operations a cluster allows.

    :returns: its status, whether it is protected, whether it is to go.
    """
    return cluster.status, cluster.protected, cluster.desired.deleted


@functools.cache
def refused_for(operation: Operation, status: str, protected: bool,
                leaving: bool) -> Refusal | None:
    """The same as :func:`refusal` for all clusters that stand alike."""
    busy = ClusterStatus(status).busy
    if operation == Operation.DELETE:
        return _protected if protected and not leaving else None
    if operation == Operation.CANCEL:
        return going if leaving else None if busy else _idle
    if busy:
        return functools.partial(_busy, status)
    # What is to go and did not can be tried again.
    return going if leaving and operation not in (
        Operation.RETRY, Operation.REPAIR) else None


def going(name: str) -> Conflict:
    """What is raised for a cluster that is to go."""
    return Conflict(reason=f'Cluster {name} is to be deleted; delete it '
                    'again, or retry.')


def _busy(status: str, name: str) -> Conflict:
    return ClusterBusy(ident=name, status=status)


def _idle(name: str) -> Conflict:
    return Conflict(reason=f'Nothing is under way on cluster {name}.')


def _protected(name: str) -> Conflict:
    return ClusterProtected(ident=name)
