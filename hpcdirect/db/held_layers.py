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

"""The layers of a cluster that is held, read and written in bulk.

There are nine thousand on a cluster of a thousand nodes, and most of a run
concerns the layers of one element.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import json
import threading
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.db import models
from hpcdirect.states import LayerState


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """A row of :class:`models.Layer`: some clusters have thousands.

    :param inputs: what it was applied with.
    """

    id: str
    node: str
    incarnation: int
    element: str
    role: str
    version: str
    position: int
    digest: str
    state: str
    verified: bool
    run_id: str
    note: str
    inputs: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Closing:
    """Nodes that are closed to be changed, and to work again.

    :param sign: of a node's name and incarnation, and the layers that stand
        there, makes what is kept of them.
    """

    nodes: Collection[str] = ()
    sign: Callable[[str, int, list[dict[str, Any]]],
                   list[dict[str, Any]]] = (
        lambda node, incarnation, entries: entries)


#: No node is closed.
NOBODY = Closing()

#: Its columns as they are read; ``inputs``, which is last, apart.
_COLUMNS = [models.Layer.__table__.c[field.name]
            for field in dataclasses.fields(Layer) if field.name != 'inputs']
#: So many layers are cheaper to read again than to keep: a conductor holds a
#: thousand small clusters.
_SMALL = 64
#: So many are read one by one; all of them at once when there are more.
_FEW = 500
#: Stands for every element.
_ALL = ''


class Layers:
    """The layers of one cluster; nobody writes them but who holds it.

    So those of a large cluster are read once, and again where they were
    written since. Batches write in threads of their own; one thread reads.
    """

    def __init__(self, cluster_id: str) -> None:
        self._cluster_id = cluster_id
        self._mine = models.Layer.cluster_id == cluster_id
        # Element -> its layers as they were read.
        self._kept: dict[str, list[Layer]] = {}
        self._lock = threading.Lock()
        # Elements to be read again.
        self._stale = {_ALL}

    def read(self, session: orm.Session) -> list[Layer]:
        """All of them."""
        with self._lock:
            stale, self._stale = self._stale, set()
        try:
            found = self._read(session, stale) if stale else {}
        except BaseException:
            self._spoil(stale)
            raise
        old = {} if _ALL in stale else {
            element: layers for element, layers in self._kept.items()
            if element not in stale}
        kept = {**old, **found}
        layers = [layer for part in kept.values() for layer in part]
        if len(layers) <= _SMALL:
            kept = {}
            self._spoil({_ALL})
        self._kept = kept
        return layers

    def _read(self, session: orm.Session, stale: set[str]
              ) -> dict[str, list[Layer]]:
        """The layers of some elements, by element."""
        where = [self._mine] if _ALL in stale else [
            self._mine, models.Layer.element.in_(stale)]
        rows: Sequence[Any] = session.execute(
            sa.select(*_COLUMNS).where(*where)).all()
        # Inputs are most of what there is to read, and change with the run
        # only. A layer that no run has touched yet has none.
        known = {layer.id: layer for element, part in self._kept.items()
                 if element in stale or _ALL in stale for layer in part}
        fresh = [row.id for row in rows if row.run_id and (
            row.id not in known or known[row.id].run_id != row.run_id)]
        some = [models.Layer.id.in_(fresh)] if len(fresh) < _FEW else where
        inputs: dict[str, dict[str, Any]] = dict(session.execute(sa.select(
            models.Layer.id, models.Layer.inputs).where(*some)
        ).tuples().all()) if fresh else {}
        found: dict[str, list[Layer]] = {}
        for row in rows:
            given = {} if not row.run_id else inputs[row.id] \
                if row.id in inputs else known[row.id].inputs
            found.setdefault(row.element, []).append(
                Layer(*(*row, given)))
        return found

    def _spoil(self, elements: Collection[str]) -> None:
        with self._lock:
            self._stale |= set(elements)

    def _written(self, session: orm.Session, elements: Collection[str]
                 ) -> None:
        """These are to be read again, also by who reads before the commit."""
        self._spoil(elements)
        sa.event.listen(session, 'after_commit', lambda _: self._spoil(
            elements), once=True)

    def drop(self, session: orm.Session, node: str) -> None:
        """A machine is gone, and all that was on it."""
        session.execute(sa.delete(models.Layer).where(
            self._mine, models.Layer.node == node))
        self._written(session, {_ALL})

    def interrupted(self, session: orm.Session) -> None:
        """What was under way is dirty."""
        session.execute(sa.update(models.Layer).where(
            self._mine, models.Layer.state.in_((
                LayerState.APPLYING, LayerState.REVERTING)),
        ).values(state=LayerState.DIRTY, verified=False))
        self._written(session, {_ALL})

    def mark(self, session: orm.Session, marks: list[Mapping[str, Any]]
             ) -> None:
        """Make the layers that are not there yet, change the others.

        :param marks: columns of each, node, element and role among them.
        """
        elements = {one['element'] for one in marks}
        there = set(session.execute(sa.select(
            models.Layer.node, models.Layer.element, models.Layer.role,
        ).where(self._mine, models.Layer.element.in_(elements))
        ).tuples()) if marks else set()
        self._written(session, elements)
        made: dict[tuple[str, str, str], dict[str, Any]] = {}
        for values in marks:
            key = (values['node'], values['element'], values['role'])
            if key in there:
                self._update(session, self._where(*key[1:], [key[0]]), values)
            else:
                made.setdefault(key, {
                    'cluster_id': self._cluster_id, 'digest': '',
                    'inputs': {}}).update(values)
        if made:
            session.execute(sa.insert(models.Layer), list(made.values()))

    def change(self, session: orm.Session,
               layers: Iterable[Mapping[str, Any]]) -> None:
        """Change layers that are there; those that are not stay away.

        One statement for all nodes to which the same happened.

        :param layers: node, element and role of each, and what is new; a
            state of REVERTED removes it.
        """
        alike: dict[tuple[str, str, str], list[str]] = {}
        changes: dict[tuple[str, str, str], dict[str, Any]] = {}
        for values in layers:
            new = {name: value for name, value in values.items()
                   if name not in ('node', 'element', 'role')}
            key = (values['element'], values['role'],
                   json.dumps(new, sort_keys=True))
            alike.setdefault(key, []).append(values['node'])
            changes[key] = new
        self._written(session, {element for element, _, _ in alike})
        for key, nodes in alike.items():
            where, new = self._where(*key[:2], nodes), changes[key]
            if new.get('state') == LayerState.REVERTED:
                session.execute(sa.delete(models.Layer).where(*where))
            elif new:
                self._update(session, where, new)

    def kept(self, session: orm.Session, closing: Closing
             ) -> dict[str, list[dict[str, Any]]]:
        """What stands on some nodes, as it is written down for later."""
        found: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in session.scalars(sa.select(models.Layer).where(
                self._mine, models.Layer.node.in_(list(closing.nodes)))):
            found.setdefault((row.node, row.incarnation), []).append({
                'element': row.element, 'role': row.role,
                'position': row.position, 'version': row.version,
                'digest': row.digest, 'inputs': row.inputs})
        return {node: closing.sign(node, incarnation, entries)
                for (node, incarnation), entries in found.items()}

    @staticmethod
    def _update(session: orm.Session,
                where: tuple[sa.ColumnElement[bool], ...],
                values: Mapping[str, Any]) -> None:
        session.execute(sa.update(models.Layer).where(*where).values(values),
                        execution_options={'synchronize_session': False})

    def _where(self, element: str, role: str, nodes: Iterable[str]
               ) -> tuple[sa.ColumnElement[bool], ...]:
        """An element's layers on some nodes."""
        return (self._mine, models.Layer.element == element,
                models.Layer.role == role,
                models.Layer.node.in_(list(nodes)))
