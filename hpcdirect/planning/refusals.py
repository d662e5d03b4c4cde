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

"""What a cluster as it stands does not allow."""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import Any

from hpcdirect.exception import ClusterBusy
from hpcdirect.exception import ClusterProtected
from hpcdirect.exception import Conflict
from hpcdirect.states import ClusterStatus
from hpcdirect.states import Operation


def refusal(cluster: Any, operation: Operation) -> Conflict | None:
    """Why a cluster as it stands does not allow an operation; None if it does.

    :param cluster: its row, or one of :data:`STANDING`.
    """
    refused = refused_for(operation, *standing(cluster))
    return refused(cluster.name) if refused else None


def check(cluster: Any, operation: Operation) -> None:
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
