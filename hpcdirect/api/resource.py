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

"""What every resource of the API is made of: a place in the tree of paths.

A resource has methods named after HTTP's; children, by the word that leads
to them; and perhaps an item, to which any other word leads. That word is
handed to the methods of the item and of all that is below it. The tree is
made once; what it looks like is what the OpenAPI document says.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools
import hashlib
import re
from typing import Any
import urllib.parse

import pecan
import webob

from hpcdirect.api.errors import ProtocolError
from hpcdirect.api.schemas.common import Fields
from hpcdirect.api.schemas.common import when
from hpcdirect.api.services import Services
from hpcdirect.context import RequestContext
from hpcdirect.db import clusters
from hpcdirect.db import models
from hpcdirect.db.models import LABELS
from hpcdirect.db.models import Cluster
from hpcdirect.db.paging import Listing
from hpcdirect.db.paging import Page
from hpcdirect.db.session import Session
from hpcdirect.digests import digest
from hpcdirect.exception import ChangedSince
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import whole
from hpcdirect.orders.wishes import Unless
from hpcdirect.policies import Target
from hpcdirect.policies import base

VERBS = ('get', 'post', 'patch', 'delete')

Method = Callable[..., Any]


class Resource:
    """One place; ``param`` names the word that leads to an item."""

    param = ''

    def __init__(self, services: Services,
                 children: Mapping[str, Resource] | None = None,
                 item: Resource | None = None) -> None:
        self.services = services
        self.children = dict(children or {})
        self.item = item

    def walk(self, path: str = '') -> Iterator[tuple[str, str, Method]]:
        """Every path template below, with verb and method."""
        for place, resource in self.places(path):
            for verb in VERBS:
                if hasattr(resource, verb):
                    yield place, verb, getattr(resource, verb)

    def places(self, path: str = '') -> Iterator[tuple[str, Resource]]:
        """Every path template, with the resource that is there."""
        yield path or '/', self
        for word, child in self.children.items():
            yield from child.places(f'{path}/{word}')
        if self.item is not None:
            yield from self.item.places(f'{path}/{{{self.item.param}}}')

    def find(self, words: Sequence[str], idents: Sequence[str] = ()
             ) -> tuple[Resource, Sequence[str]]:
        """What a path leads to, with the words that stand for items.

        :raises NotFound: nothing.
        """
        if not words:
            return self, idents
        if words[0] in self.children:
            return self.children[words[0]].find(words[1:], idents)
        if self.item is None or not words[0]:
            raise NotFound(resource='Path', ident='/'.join(words))
        return self.item.find(words[1:], [*idents, words[0]])

    # -- what methods use -------------------------------------------------

    @property
    def context(self) -> RequestContext:
        """Who asks."""
        found: RequestContext = pecan.request.environ['hpcdirect.context']
        return found

    @property
    def project(self) -> str | None:
        """The project whose things are listed; None for every project's.

        Only the operator's token for the whole system has none.
        """
        return self.context.project_id or None

    @property
    def reach(self) -> str | None:
        """The project the caller sees; None for all."""
        return self.services.policy.reach(self.context)

    def whose(self, query: Object) -> str | None:
        """The project whose things a query lists; None for every project's.

        :raises Forbidden: every project's are for the operator.
        """
        if not query.get('all_projects'):
            return self.project
        self.authorize(base.ALL_PROJECTS)
        return None

    def authorize(self, rule: str, project_id: str | None = None) -> None:
        """Pass, or raise Forbidden.

        :param project_id: whose it is that is acted on; the caller's own
            project's when not given.
        """
        self.services.policy.authorize(self.context, rule, Target(
            project_id=project_id or self.project))

    def cluster(self, ident: str, rule: str, gone: bool = False
                ) -> models.Cluster:
        """The cluster of an id or name, if the caller may do this to it.

        :param gone: it may have been deleted, if this is its id.
        :raises NotFound: there is none that the caller sees.
        """
        get = clusters.ever if gone else clusters.get
        with self.services.database.read() as session:
            found = get(session, self.context, self.reach, ident)
        self.context.resource_uuid = found.id
        self.authorize(rule, found.project_id)
        return found

    def matching(self, found: models.Cluster) -> Unless:
        """What the request's If-Match asks for, which holds at this moment.

        It is asked for again where the change is written.
        """
        matches = functools.partial(
            check_match, pecan.request.headers.get('If-Match'))
        with self.services.database.read() as session:
            matches(session, found)
        return matches

    def page(self, query: Object, filters: Mapping[str, str],
             sort: str, fields: Fields | None = None) -> Page:
        """The stretch of a list that a query asks for.

        :param filters: key of the query -> column that has to be equal.
        :param sort: the order when the query names none.
        :param fields: those that are shown; only their columns are read.
        """
        order = (part.partition(':')
                 for part in text(query.get('sort'), sort).split(',') if part)
        return Page(
            limit=min(whole(query.get('limit'), 100),
                      self.services.conf.api.max_limit),
            marker=str(query.get('marker', '')),
            sort=tuple((name, way == 'desc') for name, _, way in order),
            filters={column: query[key] for key, column in filters.items()
                     if key in query},
            columns=fields.columns if fields else frozenset(),
            reverse=bool(query.get('page_reverse')))

    def answer(self, name: str, listing: Listing,
               view: Callable[[Any], Object],
               query: Object) -> Object:
        """A page of a list, with the fields that were asked for."""
        entries = [view(row) for row in listing.rows]
        if 'fields' in query:
            fields = text(query['fields']).split(',')
            entries = [{key: value for key, value in entry.items()
                        if key in fields} for entry in entries]
        counted = {} if listing.count is None else {'count': listing.count}
        return {name: entries, 'links': _links(listing), **counted}


class Router:
    """What pecan calls; leads it to a method by the tree alone.

    pecan's own way, by attributes and by what a method takes, would pass a
    body's keys as arguments and find more than was meant to be found.
    """

    def __init__(self, root: Resource) -> None:
        self._root = root
        self._templates = {resource: path for path, resource in root.places()}

    @pecan.expose()
    def _route(self, args: Sequence[str], request: Any) -> Any:
        words = list(args[:-1] if args and not args[-1] else args)
        found, idents = self._root.find(words)
        request.environ['hpcdirect.route'] = self._templates[found]
        verb = 'get' if request.method == 'HEAD' else request.method.lower()
        if verb not in VERBS or not hasattr(found, verb):
            allowed = [name.upper() for name in VERBS if hasattr(found, name)]
            raise ProtocolError(
                405, f'{request.method} is not for {request.path}.',
                {'Allow': ', '.join(sorted(allowed))})
        request.environ['hpcdirect.call'] = functools.partial(
            getattr(found, verb), *idents)
        return self._answer, []

    @pecan.expose('json')
    def _answer(self) -> Any:
        return pecan.request.environ['hpcdirect.call']()


def _links(listing: Listing) -> list[dict[str, str]]:
    request = pecan.request
    pairs = [pair for pair in urllib.parse.parse_qsl(request.query_string)
             if pair[0] not in ('marker', 'page_reverse')]
    links = [{'rel': 'self', 'href': request.url}]
    for rel, marker, more in (
            ('next', listing.last, {}),
            ('previous', listing.first, {'page_reverse': 'true'})):
        if marker:
            rest = urllib.parse.urlencode([
                *pairs, ('marker', marker), *more.items()])
            links.append({'rel': rel, 'href': f'{request.path_url}?{rest}'})
    return links


# -- conditions -----------------------------------------------------------
#
# If-Match looks at what people can change about a cluster; If-None-Match at
# the whole answer, of which the last part of every ETag is a digest.

#: What If-Match may say: anything; an ETag, with the digest of the answer or
#: without; or a generation, whatever is said of the cluster besides.
PATTERN = r'^(\*|"[0-9]{1,18}(-[0-9a-f]{12}(-[0-9a-f]{16})?)?")$'


def tag(cluster: Cluster, tags: Iterable[str]) -> str:
    """What the ETag of a cluster begins with: all people can change of it.

    What the service changes (its status, its nodes) is not in it, or nobody
    could change a cluster that is being made.

    :returns: the generation and a digest of the labels, in quotes.
    """
    labels = digest({
        **{name: getattr(cluster, name) for name in LABELS},
        'tags': sorted(tags), 'expires_at': when(cluster.expires_at)})
    return f'"{cluster.generation}-{labels[:12]}"'


def check_match(said: str | None, session: Session, cluster: Cluster
                ) -> None:
    """Go on only when the cluster is as *said*.

    :param said: the header If-Match, None without one.
    :param cluster: read in this session, which holds its row when the change
        is to be of just this one.
    :raises ChangedSince: it is at another generation, or has other labels.
    :raises Invalid: it says nothing of the kind.
    """
    if said is None:
        return
    said = said.strip()
    if not re.fullmatch(PATTERN, said):
        raise Invalid([Finding(
            'it takes the ETag that GET gave, with its quotes; a generation '
            'such as "3"; or *', 'If-Match')])
    if said in ('*', f'"{cluster.generation}"'):
        return
    tags = clusters.tags_of(session, [cluster.id]).get(cluster.id, ())
    if '-'.join(said.strip('"').split('-')[:2]) != tag(
            cluster, tags).strip('"'):
        raise ChangedSince(ident=cluster.name, generation=cluster.generation)


def conditional(request: webob.Request, response: webob.Response
                ) -> webob.Response:
    """A response with its ETag; 304 without a body when the caller has it.

    An answer is made of many rows of many tables: nothing tells sooner than
    the answer itself whether it is another one. What is spared is bytes, and
    reading them.
    """
    if (request.method != 'GET' or response.status_int != 200
            or response.content_type != 'application/json'):
        return response
    whole = hashlib.sha256(response.body).hexdigest()[:16]
    response.etag = f'{response.etag}-{whole}' if response.etag else whole
    # It is the caller's alone, and asked for anew each time.
    response.headers['Cache-Control'] = 'private, no-cache'
    if response.etag not in request.if_none_match:
        return response
    return webob.Response(status=304, headerlist=[
        (name, value) for name, value in response.headerlist
        if name not in ('Content-Length', 'Content-Type')])
