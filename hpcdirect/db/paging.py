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
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid


@dataclasses.dataclass(frozen=True)
class Page:
    """Which stretch of a list is asked for.

    :param marker: id of the last entry of the page before, or ''.
    :param sort: column name and whether it descends; the id decides between
        entries that are equal otherwise.
    :param filters: column name -> value it has to have.
    """

    limit: int = 100
    marker: str = ''
    sort: tuple[tuple[str, bool], ...] = ()
    filters: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Listing:
    """One page, and whether there is another.

    :param last: the marker of the next page; '' when this is the last.
    """

    rows: Sequence[Any]
    last: str = ''

    def map(self, change: Callable[[Any], Any]) -> Listing:
        """The same page with every row changed."""
        return Listing([change(row) for row in self.rows], self.last)


def fetch(session: orm.Session, model: type[Any], page: Page,
          *where: sa.ColumnElement[bool],
          without: Collection[str] = (),
          along: Mapping[str, str] | None = None) -> Listing:
    """One page of a table, as rows of its columns.

    :param where: who may see what; the filters of the page come on top.
    :param without: columns that are large and not needed.
    :param along: column -> index of just what *where* leaves, in the order
        of that column. A page without filters is read along it: MariaDB,
        left to itself, at times reads all the entries before the page, too.
    :raises Invalid: the marker is none of the entries.
    """
    columns = _columns(model)
    order = [(columns[name], descends) for name, descends in page.sort]
    order.append((columns['id'], order[-1][1] if order else False))
    query = sa.select(*(column.label(name)
                        for name, column in columns.items()
                        if name not in without)).where(
        *where, *(columns[name] == value
                  for name, value in page.filters.items()))
    if page.marker:
        query = query.where(_after(order, _seen(session, model, page, order,
                                                *where)))
    query = query.order_by(*(column.desc() if descends else column.asc()
                             for column, descends in order))
    index = (along or {}).get(order[0][0].key)
    if index and not page.filters and len(page.sort) <= 1:
        for name in ('mysql', 'mariadb'):
            query = query.with_hint(model, f'FORCE INDEX ({index})', name)
    rows = session.execute(query.limit(page.limit + 1)).all()
    kept = rows[:page.limit]
    return Listing(kept, str(kept[-1].id) if len(rows) > len(kept) else '')


def _columns(model: type[Any]) -> dict[str, Any]:
    """The model's columns by the names the rest of the code knows."""
    return {name: getattr(model, name)
            for name in sa.inspect(model).column_attrs.keys()}  # noqa: SIM118


def _seen(session: orm.Session, model: type[Any], page: Page,
          order: Sequence[tuple[Any, bool]],
          *where: sa.ColumnElement[bool]) -> Sequence[Any]:
    """Where in the order the marker stands."""
    row = session.execute(sa.select(*(column for column, _ in order)).where(
        model.id == page.marker, *where)).one_or_none()
    if row is None:
        raise Invalid([Finding(
            f'{page.marker} is no entry of this list; use the id of the '
            'last entry of the page before.', '$.marker')])
    return row


def _after(order: Sequence[tuple[Any, bool]], seen: Sequence[Any]
           ) -> sa.ColumnElement[bool]:
    """What comes after an entry: equal in the first columns, then beyond.

    That says all there is to say; but only what is said of the first column
    by itself makes a database begin in the middle of an index.
    """
    beyond = sa.or_(*(
        sa.and_(*(column == value for (column, _), value
                  in zip(order[:place], seen, strict=False)),
                column < seen[place] if descends else column > seen[place])
        for place, (column, descends) in enumerate(order)))
    first, descends = order[0]
    return sa.and_(first <= seen[0] if descends else first >= seen[0],
                   beyond)
