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

"""Orders for a cluster that is there; each is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
from typing import Any

from hpcdirect.context import Asker
from hpcdirect.context import RequestContext
from hpcdirect.db import orders
from hpcdirect.db.models import LABELS
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import Deployment
from hpcdirect.db.session import Session
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import found_at
from hpcdirect.orders import change
from hpcdirect.orders import plans
from hpcdirect.orders.parts import Parts
from hpcdirect.states import Operation

#: Passes, or raises, for a cluster as it is when it is about to be changed.
Unless = Callable[[Session, Cluster], None]


def whatever(session: Session, cluster: Cluster) -> None:
    """Passes however the cluster is."""


def want(parts: Parts, context: RequestContext, found: Cluster,
         body: Mapping[str, Any], unless: Unless) -> bool:
    """Want of a cluster what a PATCH of this body wants; all of it or nothing.

    :param found: the cluster as it was when it was asked for.
    :returns: whether there is something to do for it.
    :raises Invalid: with all that is wrong.
    """
    if 'plan' in body:
        body = _planned(parts, found, body)
    labels = {**{name: body[name] for name in (*LABELS, 'tags')
                 if name in body},
              **parts.expiry(context, found, body)}
    wanted = change.wanted(parts, found, body)
    if wanted != found.desired or 'name' in labels:
        # Of clusters made by an earlier release the name is kept only now.
        wanted = dataclasses.replace(wanted, name=wanted.name or found.name)
    order = None if wanted == found.desired else parts.order(
        Asker.of(context), change.operation(parts, found, body, wanted),
        wanted)

    def write(session: Session) -> None:
        unless(session, orders.locked(session, found.id))
        if labels:
            orders.label(session, found.id, labels)
        if order is not None:
            orders.change(session, found, order)

    if labels or order is not None:
        parts.database.change(write)
    return order is not None


def _planned(parts: Parts, found: Cluster, body: Mapping[str, Any]
             ) -> Mapping[str, Any]:
    """The body that a plan was shown of."""
    if len(body) > 1:
        raise Invalid([Finding('goes alone; the plan says it all', '$.plan')])
    with found_at('$.plan'):
        return plans.asked_by(parts, found, body['plan'])


def again(parts: Parts, asker: Asker, found: Cluster, operation: Operation
          ) -> Deployment:
    """Try once more, check, repair or cancel: nothing else is wanted."""
    order = parts.order(asker, operation, found.desired)
    ask = orders.cancel if operation == Operation.CANCEL else orders.retry
    return parts.database.change(lambda session: ask(session, found, order))


def delete(parts: Parts, asker: Asker, found: Cluster, unless: Unless
           ) -> None:
    """Want a cluster gone, whatever goes on with it."""
    order = parts.order(asker, Operation.DELETE, dataclasses.replace(
        found.desired, deleted=True))

    def write(session: Session) -> None:
        unless(session, orders.locked(session, found.id))
        orders.delete(session, found.id, order)

    parts.database.change(write)
