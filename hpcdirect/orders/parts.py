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

"""What it takes to give an order."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import datetime
import secrets
from typing import Any

from oslo_config import cfg
from oslo_utils import timeutils

from hpcdirect import digests
from hpcdirect import signing
from hpcdirect.backends.base import Backend
from hpcdirect.blueprints import parameters
from hpcdirect.context import Asker
from hpcdirect.context import RequestContext
from hpcdirect.db import expiry
from hpcdirect.db import orders
from hpcdirect.db.models import Cluster
from hpcdirect.db.models import now
from hpcdirect.db.session import Database
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.keys import KeyRing
from hpcdirect.planning.state import ElementChoice
from hpcdirect.planning.state import Pins
from hpcdirect.planning.state import State
from hpcdirect.policies import Enforcer
from hpcdirect.policies import Target
from hpcdirect.policies import clusters as policies
from hpcdirect.sources.catalogue import Catalogue
from hpcdirect.states import Operation


@dataclasses.dataclass(frozen=True)
class Parts:
    """Where clusters are kept, what they are made of, and who may."""

    conf: cfg.ConfigOpts
    database: Database
    keys: KeyRing
    policy: Enforcer
    catalogue: Catalogue
    backends: Mapping[str, Backend]

    @property
    def pins(self) -> Pins:
        """Names what of the catalogue something is ordered from."""
        return Pins(self.catalogue.blueprint, self.catalogue.element)

    def order(self, asker: Asker, operation: Operation, desired: State
              ) -> orders.Order:
        """An order in somebody's name, of the catalogue as it is now."""
        return orders.Order(asker, signing.Pen(self.keys), operation,
                            self.pins.pinned(desired))

    def expiry(self, context: RequestContext, cluster: Cluster,
               body: Mapping[str, Any]) -> dict[str, Any]:
        """When a cluster is to go by itself, and who wants that.

        :returns: columns of its row; {} when a request does not speak of it.
        :raises Invalid: it is not a time, or not one to come.
        :raises Forbidden: who may not delete the cluster may not have it
            deleted later.
        """
        if 'expires_at' not in body:
            return {}
        self.policy.authorize(context, policies.DELETE,
                              Target(project_id=cluster.project_id))
        asked = body['expires_at']
        until = None if asked is None else moment_of(asked, '$.expires_at')
        if until is not None and until <= now():
            raise Invalid([Finding('that time is past', '$.expires_at')])
        by = None if until is None else expiry.signed(
            self.keys.sign, cluster, until, Asker.of(context))
        return {'expires_at': until, 'expires_by': by, 'expiry_told': None}

    def sealed(self, state: State, before: State | None = None) -> State:
        """A state with its secrets sealed.

        One that is given again keeps its seal, so that it changes nothing.

        :param before: the state that it follows.
        """
        was = before or State()
        schema = self.catalogue.blueprint(state.blueprint_ref).parameters
        return dataclasses.replace(
            state, parameters=self._sealed(
                schema, state.parameters, was.parameters),
            elements=tuple(dataclasses.replace(one, parameters=self._sealed(
                self._schema(state, one), one.parameters,
                was.choice(one.name).parameters))
                for one in state.elements))

    def with_known_seals(self, state: State, body: Mapping[str, Any]
                 ) -> dict[str, Any]:
        """A change, with secrets that the cluster has already as it has them.

        :raises Invalid: what is kept of a secret is no secret.
        """
        refuse_seals(body)
        return dict(_kept(self.keys, body, {
            'parameters': state.parameters, 'elements': {
                one.name: {'parameters': one.parameters}
                for one in state.elements}}))

    def _sealed(self, schema: Any, value: Any, before: Any) -> Any:
        return _kept(self.keys, parameters.replaced(
            schema, value, lambda one: boxed(self.keys, one)), before)

    def _schema(self, state: State, choice: ElementChoice) -> Any:
        """The schema of an element's own parameters."""
        if not choice.parameters:
            return {}
        try:
            if choice.version:
                return self.catalogue.element(choice.ref).parameters
            blueprint = self.catalogue.blueprint(state.blueprint_ref)
        except NotFound:
            # It was sealed when it was given.
            return {}
        return next((use.element.parameters for use in blueprint.elements
                     if use.element.name == choice.name), {})



def moment_of(text: str, where: str) -> datetime.datetime:
    """A time that somebody wrote, as the database has it: UTC.

    :param where: JSON path of it.
    :raises Invalid: it is not a time.
    """
    try:
        return timeutils.normalize_time(datetime.datetime.fromisoformat(text))
    except (ValueError, OverflowError) as exc:
        raise Invalid([Finding(
            'it takes a time such as 2026-12-01T00:00:00Z', where)]) from exc


# -- secrets ----------------------------------------------------------------

def refuse_seals(body: Mapping[str, Any]) -> None:
    """Pass, or raise Invalid: what is kept of a secret is no secret."""
    found: list[Any] = []
    digests.opened(body, found.append)
    if found:
        raise Invalid([Finding(
            f'"{digests.SEALED}" cannot be given here', '$.parameters')])


def boxed(keys: KeyRing, value: Any) -> dict[str, Any]:
    """What is kept of a secret."""
    mark = secrets.token_hex(12)
    return {digests.SEALED: keys.encrypt_json(value, digests.about(mark)),
            digests.MARK: mark}


def unsealed(keys: KeyRing, value: Any) -> Any:
    """The value with every box in it opened."""
    return digests.opened(value, keys.unboxed)


def _kept(keys: KeyRing, new: Any, old: Any) -> Any:
    """*new*, with the old box wherever the same is in it."""
    if digests.is_sealed(old):
        return old if unsealed(keys, new) == unsealed(keys, old) else new
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {name: _kept(keys, inner, old.get(name))
                for name, inner in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_kept(keys, inner, old[number] if number < len(old) else None)
                for number, inner in enumerate(new)]
    return new
