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

"""Queries about clusters, and the three ways to change what is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import datetime
import functools
import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from hpcdirect.context import RequestContext
from hpcdirect.db import paging
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Tag
from hpcdirect.exception import NotFound
from hpcdirect.planning.state import State

_OWN = {'created_at': 'ix_clusters_list',
        'name': 'uniq_clusters_project_name'}
_EVERY = {'created_at': 'ix_clusters_all', 'name': 'ix_clusters_names',
          'updated_at': 'ix_clusters_updated'}

@dataclasses.dataclass(frozen=True)
class Filters:
    """Which clusters a list is of, besides those equal in a column.

    :param tags: they carry all of these.
    :param statuses: they are in one of these; () for any.
    :param part: their names hold it, in any case.
    :param expiring: they go by themselves before it.
    :param user: id of who made them; '' for anybody.
    """

    tags: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    part: str = ''
    expiring: datetime.datetime | None = None
    user: str = ''

    def scope(self, project_id: str | None) -> paging.Scope:
        """The same for a query, in one project or (None) in all."""
        values: dict[str, Any] = {
            f'tag_{number}': tag for number, tag in enumerate(self.tags)}
        where = _carrying(len(self.tags))
        for name, value in (('statuses', self.statuses),
                            ('expiring', self.expiring),
                            ('part', _pattern(self.part)),
                            ('user', self.user)):
            if value:
                where += (_WANTED[name],)
                values[name] = value
        own = {} if project_id is None else {'project_id': project_id}
        return paging.Scope(
            {'deleted': '', **own}, where, values,
            {} if values else _EVERY if project_id is None else _OWN)


_WANTED: Mapping[str, sa.ColumnElement[bool]] = {
    'statuses': Cluster.status.in_(sa.bindparam('statuses', expanding=True)),
    'expiring': Cluster.expires_at < sa.bindparam('expiring'),
    'part': sa.func.lower(Cluster.name).like(sa.bindparam('part'),
                                             escape='/'),
    'user': Cluster.user_id == sa.bindparam('user')}


def _pattern(part: str) -> str:
    """What LIKE takes for a text that holds this one."""
    return part and '%{}%'.format(re.sub('([%_/])', r'/\1', part.lower()))


def listing(session: orm.Session, project_id: str | None, page: paging.Page,
            wanted: Filters) -> paging.Listing:
    """One page of clusters."""
    return paging.fetch(session, Cluster, page, wanted.scope(project_id))


def count(session: orm.Session, project_id: str | None, page: paging.Page,
          wanted: Filters) -> int:
    """How many clusters all pages have together."""
    return paging.count(session, Cluster, page, wanted.scope(project_id))


def counts(session: orm.Session, project_id: str | None) -> dict[str, int]:
    """Status -> how many clusters are in it, but for none."""
    own = [] if project_id is None else [Cluster.project_id == project_id]
    return dict(session.execute(sa.select(
        Cluster.status, sa.func.count()).where(
            Cluster.deleted == '', *own).group_by(Cluster.status)
    ).tuples().all())


@functools.lru_cache(maxsize=64)
def _carrying(number: int) -> tuple[sa.ColumnElement[bool], ...]:
    """That a cluster carries so many tags."""
    return tuple(Cluster.id.in_(sa.select(Tag.cluster_id).where(
        Tag.tag == sa.bindparam(f'tag_{one}'))) for one in range(number))


def tags_of(session: orm.Session, idents: Iterable[str]
            ) -> dict[str, list[str]]:
    """Cluster's id -> its tags, in order; only of those that have any."""
    found: dict[str, list[str]] = {}
    for ident, tag in session.execute(
            sa.select(Tag.cluster_id, Tag.tag).where(
                Tag.cluster_id.in_(list(idents))).order_by(Tag.tag)):
        found.setdefault(ident, []).append(tag)
    return found


def get(session: orm.Session, context: RequestContext,
        project_id: str | None, ident: str) -> Cluster:
    """The cluster of an id or, within the caller's own project, a name.

    :param project_id: the project that is seen; None for all.
    :raises NotFound: there is none, or it is another project's.
    """
    found: Cluster = _first(session.scalars(
        _named(project_id is None), _names(context, project_id, ident)
    ).all(), ident)
    return found


def desired(session: orm.Session, cluster_id: str) -> State | None:
    """What is wanted of the cluster of an id; None when there was none."""
    return session.scalars(sa.select(Cluster.desired).where(
        Cluster.id == cluster_id)).one_or_none()


def has_name(session: orm.Session, project_id: str, name: str) -> bool:
    """Whether a project has a cluster of this name."""
    return session.scalar(sa.select(Cluster.id).where(
        Cluster.project_id == project_id, Cluster.name == name,
        Cluster.deleted == '')) is not None


def row(session: orm.Session, context: RequestContext,
        project_id: str | None, ident: str, columns: frozenset[str]) -> Any:
    """The same, but only these columns of it, as a row."""
    return _first(session.connection().execute(
        _named(project_id is None, columns),
        _names(context, project_id, ident)).all(), ident)


@functools.lru_cache(maxsize=64)
def _named(everywhere: bool, columns: frozenset[str] = frozenset()
           ) -> sa.Select[Any]:
    """Clusters by id or name; whole, or as rows of some columns."""
    what = [getattr(Cluster, name) for name in sorted(columns | {'id'})] \
        if columns else [Cluster]
    reach = () if everywhere else (
        Cluster.project_id == sa.bindparam('reach'),)
    return sa.select(*what).where(Cluster.deleted == '', *reach, sa.or_(
        Cluster.id == sa.bindparam('ident'),
        sa.and_(Cluster.name == sa.bindparam('ident'),
                Cluster.project_id == sa.bindparam('own'))))


def _names(context: RequestContext, project_id: str | None, ident: str
           ) -> dict[str, str | None]:
    return {'ident': ident, 'own': context.project_id, 'reach': project_id}


def _first(found: Iterable[Any], ident: str) -> Any:
    # A cluster may carry another one's id as its name; the id wins.
    for cluster in sorted(found, key=lambda one: one.id != ident):
        return cluster
    raise NotFound(resource='Cluster', ident=ident)


def known(session: orm.Session, context: RequestContext,
          project_id: str | None, ident: str) -> str:
    """The id of a cluster by its id, or by its name while it is there.

    :raises NotFound: there is none, and there was none of that id.
    """
    return str(ever(session, context, project_id, ident).id)


def ever(session: orm.Session, context: RequestContext,
         project_id: str | None, ident: str) -> Cluster:
    """The same cluster, as it is or, when it is gone, as it was at its end."""
    try:
        return get(session, context, project_id, ident)
    except NotFound:
        mine = [] if project_id is None else [
            Cluster.project_id == project_id]
        found = session.scalars(sa.select(Cluster).where(
            Cluster.id == ident, *mine)).one_or_none()
        if found is None:
            raise
        return found


def alive(session: orm.Session, idents: Iterable[str]) -> set[str]:
    """Those of some ids that are clusters which have not been deleted."""
    return set(session.scalars(sa.select(Cluster.id).where(
        Cluster.id.in_(list(idents)), Cluster.deleted == '')))


def gone(session: orm.Session, idents: Iterable[str]) -> set[str]:
    """Those of some ids that were clusters of ours, and were deleted."""
    return set(session.scalars(sa.select(Cluster.id).where(
        Cluster.id.in_(list(idents)), Cluster.deleted != '')))
