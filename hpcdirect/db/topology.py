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

"""All nodes of a cluster with what stands on them, in few rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db.models import Layer
from hpcdirect.db.models import Node
from hpcdirect.states import LayerState


class Standing(NamedTuple):
    """A layer as it stands on some node.

    :param state: ``verified`` when it is applied and was verified since.
    """

    position: int
    element: str
    role: str
    version: str
    state: str


Stack = tuple[Standing, ...]

#: None of its parts holds ";" or ",".
_TEXT = (sa.cast(Layer.position, sa.String(20)) + ';' + Layer.element + ';'
         + Layer.role + ';' + Layer.version + ';' + sa.case(
             (sa.and_(Layer.verified, Layer.state
                      == LayerState.APPLIED.value), 'verified'),
             else_=Layer.state))
_TOLD = ('name', 'group', 'incarnation', 'status', 'closed', 'address',
         'fault')


def nodes(session: orm.Session, cluster_id: str) -> list[Any]:
    """The nodes of a cluster."""
    return list(session.execute(sa.select(
        *(getattr(Node, name) for name in _TOLD)).where(
            Node.cluster_id == cluster_id)))


def stacks(session: orm.Session, cluster_id: str) -> dict[str, Stack]:
    """Node -> what stands on it, the lowest first.

    One row for each node: a driver written in Python takes long over rows.
    """
    read: dict[str, Stack] = {}
    found = {}
    for name, text in session.execute(sa.select(
            Layer.node, sa.func.aggregate_strings(_TEXT, ',')).where(
                Layer.cluster_id == cluster_id,
                Layer.state != LayerState.REVERTED.value,
            ).group_by(Layer.node)):
        if text not in read:
            read[text] = _read(text.split(','))
        found[name] = read[text]
    return found


def _read(parts: Iterable[str]) -> Stack:
    split = (part.split(';') for part in parts)
    return tuple(sorted(Standing(int(position), *rest)
                        for position, *rest in split))
