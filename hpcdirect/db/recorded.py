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


"""From rows of the database to what the planner looks at."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import models
from hpcdirect.db.held_layers import Layer
from hpcdirect.digests import digest
from hpcdirect.planning.plan import Observed
from hpcdirect.planning.plan import SeenLayer
from hpcdirect.planning.plan import SeenNode
from hpcdirect.planning.state import State
from hpcdirect.planning.wanted import Member
from hpcdirect.states import LayerState
from hpcdirect.states import NodeStatus

_Row = TypeVar('_Row', models.Node, models.Layer, models.Secret)


def of_cluster(session: orm.Session, table: type[_Row], cluster_id: str
               ) -> list[_Row]:
    """The rows of a table that are a cluster's."""
    return list(session.scalars(sa.select(table).where(
        table.cluster_id == cluster_id)))


def member(node: models.Node) -> Member:
    """What is known of a machine."""
    return Member(node.name, node.group, node.incarnation, node.address,
                  (node.ssh or {}).get('host_key', ''))


def members(nodes: Iterable[models.Node]) -> dict[str, Member]:
    """What is known of machines, by name."""
    return {node.name: member(node) for node in nodes}


def expected(known: Mapping[str, Member], state: State
             ) -> dict[str, Member]:
    """What will be known of machines once those that go have come again.

    For a backend that keeps addresses; host keys are new ones in any case.
    """
    incarnations = {name: slot.incarnation
                    for name, (_, slot) in state.slots.items()}
    return {name: one if incarnations.get(name, one.incarnation)
            == one.incarnation else dataclasses.replace(
                one, incarnation=incarnations[name], host_key='')
            for name, one in known.items()}


def observed(nodes: Iterable[models.Node],
             layers: Iterable[models.Layer | Layer], exists: bool
             ) -> Observed:
    """What is known to be there.

    :param exists: the backend has anything at all of the cluster.
    """
    return Observed(
        {row.name: SeenNode(row.name, row.group, row.incarnation,
                            NodeStatus(row.status),
                            closed=row.before is not None) for row in nodes},
        {(row.node, row.element, row.role): SeenLayer(
            row.node, row.incarnation, row.element, row.role, row.position,
            row.digest, LayerState(row.state), row.verified,
            tuple(row.inputs.get('requires', ())),
            row.inputs.get('base', ''),
            row.inputs.get('rolling', False), row.note or '')
            for row in layers},
        exists=exists)


def secret_versions(rows: Iterable[models.Secret]
                    ) -> Mapping[tuple[str, str], int]:
    """(element, secret) -> the version in force."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.element, row.name)
        found[key] = max(found.get(key, 0), row.version)
    return found


def fingerprint(nodes: Iterable[models.Node],
                layers: Iterable[models.Layer | Layer]) -> str:
    """Stands for all that a plan was made from and its owner did not say.

    :returns: sha256, hexadecimal; another one when a machine is another one
        or fares otherwise, or a layer does.
    """
    return digest({
        'nodes': sorted([row.name, row.incarnation, row.ref, row.status]
                        for row in nodes),
        'layers': sorted([row.node, row.element, row.role, row.digest,
                          row.state] for row in layers)})
