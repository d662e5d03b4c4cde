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

"""Lists by the page: where the last page ended, not how many came before."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
import functools
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid

#: Later than any moment that is kept.
_NEVER = datetime.datetime(9999, 12, 31)


@dataclasses.dataclass(frozen=True)
class Page:
    """Which stretch of a list is asked for.

    :param marker: id of the last entry of the page before, or ''.
    :param sort: column name and whether it descends; the id decides between
        entries that are equal otherwise.
    :param filters: column name -> value it has to have.
    :param columns: names of those that are read; all when there are none.
    :param reverse: the page that ends before the marker, in the same order;
        without a marker, the last page.
    """

    limit: int = 100
    marker: str = ''
    sort: tuple[tuple[str, bool], ...] = ()
    filters: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    columns: frozenset[str] = frozenset()
    reverse: bool = False


@dataclasses.dataclass(frozen=True)
class Scope:
    """Which entries of a table the list is of.

    :param equal: column name -> value it has to have.
    :param where: conditions besides. They are parts of statements that are
        kept: each has to be one object for good, with its values bound.
    :param values: of the parameters bound in *where*.
    :param along: column -> index of just these entries, in the order of that
        column. A page without filters is read along it: MariaDB, left to
        itself, at times reads all the entries before the page, too.
    """

    equal: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    where: tuple[sa.ColumnElement[bool], ...] = ()
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    along: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Listing:
    """One page, and whether there are others.

    :param last: the marker of the next page; '' when this is the last.
    :param first: that of the page before; '' when this is the first.
    :param count: entries on all pages; None when nobody asked.
    """

    rows: Sequence[Any]
    last: str = ''
    first: str = ''
    count: int | None = None

    def map(self, change: Callable[[Any], Any]) -> Listing:
        """The same page with every row changed."""
        return dataclasses.replace(
            self, rows=[change(row) for row in self.rows])


def fetch(session: orm.Session, model: type[Any], page: Page, scope: Scope
          ) -> Listing:
    """One page of a table, as rows of its columns.

    :raises Invalid: the marker is none of the entries.
    """
    equal = {**scope.equal, **page.filters}
    plain = not page.filters and len(page.sort) <= 1
    shape = _Shape(
        model, page.columns, tuple(equal), scope.where,
        tuple((name, descends != page.reverse)
              for name, descends in page.sort or (('id', False),)),
        bool(page.marker),
        scope.along.get(page.sort[0][0] if page.sort else 'id', '')
        if plain else '')
    values = {**scope.values, 'page_limit': page.limit + 1,
              **{f'is_{name}': value for name, value in equal.items()}}
    if page.marker:
        values.update(_seen(session, dataclasses.replace(
            shape, equal=tuple(scope.equal), index=''), page, values))
    rows = session.connection().execute(_select(shape), values).all()
    kept = rows[:page.limit]
    # Where the page ends, and where it began: there the marker is.
    end = str(kept[-1].id) if len(rows) > len(kept) else ''
    begin = str(kept[0].id) if page.marker and kept else ''
    return Listing(kept[::-1], begin, end) if page.reverse \
        else Listing(kept, end, begin)


def count(session: orm.Session, model: type[Any], page: Page, scope: Scope
          ) -> int:
    """How many entries all pages have together."""
    equal = {**scope.equal, **page.filters}
    shape = _Shape(model, frozenset(), tuple(equal), scope.where, (), False,
                   '')
    return int(session.connection().execute(_count(shape), {
        **scope.values,
        **{f'is_{name}': value for name, value in equal.items()},
    }).scalar_one())


@dataclasses.dataclass(frozen=True)
class _Shape:
    """What a statement is made of, but for values."""

    model: type[Any]
    names: frozenset[str]
    equal: tuple[str, ...]
    where: tuple[sa.ColumnElement[bool], ...]
    sort: tuple[tuple[str, bool], ...]
    marked: bool
    index: str

    def columns(self) -> dict[str, Any]:
        """The model's columns by the names the rest of the code knows."""
        return {one.key: getattr(self.model, one.key)
                for one in sa.inspect(self.model).column_attrs}

    def order(self) -> list[tuple[Any, bool]]:
        """Columns and whether each descends; the last one is the id."""
        columns = self.columns()
        return [*((_known(columns[name]), descends)
                  for name, descends in self.sort),
                (columns['id'], self.sort[-1][1])]

    def conditions(self) -> Iterable[sa.ColumnElement[bool]]:
        """Which entries the list is of."""
        columns = self.columns()
        return (*self.where, *(columns[name] == sa.bindparam(f'is_{name}')
                               for name in self.equal))


def _known(column: Any) -> Any:
    """A column to sort by; nothing is later than any moment.

    What is compared with NULL is neither before nor after it, and no page
    would begin there.
    """
    if isinstance(column.type, sa.DateTime) and column.nullable:
        return sa.func.coalesce(column, _NEVER)
    return column


@functools.lru_cache(maxsize=512)
def _count(shape: _Shape) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(shape.model).where(
        *shape.conditions())


@functools.lru_cache(maxsize=512)
def _select(shape: _Shape) -> sa.Select[Any]:
    """The statement; made once, since that takes longer than the answer."""
    order = shape.order()
    query = sa.select(*(
        column.label(name) for name, column in shape.columns().items()
        if not shape.names or name in {'id', *shape.names})).where(
            *shape.conditions())
    if shape.marked:
        query = query.where(_after(order))
    if shape.index:
        for dialect in ('mysql', 'mariadb'):
            query = query.with_hint(
                shape.model, f'FORCE INDEX ({shape.index})', dialect)
    return query.order_by(*(
        column.desc() if descends else column.asc()
        for column, descends in order)).limit(sa.bindparam(
            'page_limit', type_=sa.Integer))


@functools.lru_cache(maxsize=512)
def _place(shape: _Shape) -> sa.Select[Any]:
    return sa.select(*(
        column.label(f'seen_{number}')
        for number, (column, _) in enumerate(shape.order()))).where(
            shape.model.id == sa.bindparam('page_marker'),
            *shape.conditions())


def _seen(session: orm.Session, shape: _Shape, page: Page,
          values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where in the order the marker stands."""
    found = session.connection().execute(
        _place(shape), {**values, 'page_marker': page.marker}
    ).mappings().one_or_none()
    if found is None:
        raise Invalid([Finding(
            f'{page.marker} is no entry of this list; use the id of the '
            'last entry of the page before.', '$.marker')])
    return {str(name): value for name, value in found.items()}


def _after(order: Sequence[tuple[Any, bool]]) -> sa.ColumnElement[bool]:
    """What comes after an entry: equal in the first columns, then beyond.

    That says all there is to say; but only what is said of the first column
    by itself makes a database begin in the middle of an index.
    """
    seen = [sa.bindparam(f'seen_{number}', type_=column.type)
            for number, (column, _) in enumerate(order)]
    beyond = sa.or_(*(
        sa.and_(*(column == value for (column, _), value
                  in zip(order[:place], seen, strict=False)),
                column < seen[place] if descends else column > seen[place])
        for place, (column, descends) in enumerate(order)))
    first, descends = order[0]
    return sa.and_(first <= seen[0] if descends else first >= seen[0],
                   beyond)
