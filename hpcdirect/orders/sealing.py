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

"""Secret parameters are sealed before anything is written.

A secret that is given again keeps its seal, so that it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import secrets
from typing import Any

from hpcdirect.blueprints import hiding
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.keys import KeyRing
from hpcdirect.orders.parts import Parts
from hpcdirect.planning.state import ElementChoice
from hpcdirect.planning.state import State


def refuse(body: Mapping[str, Any]) -> None:
    """Pass, or raise Invalid: what is kept of a secret is no secret."""
    found: list[Any] = []
    hiding.opened(body, found.append)
    if found:
        raise Invalid([Finding(
            f'"{hiding.SEALED}" cannot be given here', '$.parameters')])


def familiar(keys: KeyRing, state: State, body: Mapping[str, Any]
             ) -> dict[str, Any]:
    """A change, with secrets that the cluster has already as it has them."""
    return dict(_kept(keys, body, {
        'parameters': state.parameters, 'elements': {
            one.name: {'parameters': one.parameters}
            for one in state.elements}}))


def sealed(parts: Parts, state: State, before: State | None = None
           ) -> State:
    """A state with its secrets sealed, as they were if they were before.

    :param before: the state that it follows.
    """
    was, keys = before or State(), parts.keys
    return dataclasses.replace(
        state, parameters=_kept(keys, _closed(
            keys, parts.catalogue.blueprint(
                state.blueprint_ref).parameters,
            state.parameters), was.parameters),
        elements=tuple(dataclasses.replace(one, parameters=_kept(
            keys, _closed(keys, _schema(parts, state, one),
                          one.parameters), was.choice(one.name).parameters))
            for one in state.elements))


def boxed(keys: KeyRing, value: Any) -> dict[str, Any]:
    """What is kept of a secret."""
    mark = secrets.token_hex(12)
    return {hiding.SEALED: keys.encrypt_json(value, hiding.about(mark)),
            hiding.MARK: mark}


def unsealed(keys: KeyRing, value: Any) -> Any:
    """The value with every box in it opened."""
    return hiding.opened(value, lambda box: keys.decrypt_json(
        box[hiding.SEALED], hiding.about(box.get(hiding.MARK, ''))))


def _closed(keys: KeyRing, schema: Any, value: Any) -> Any:
    return hiding.replaced(schema, value, lambda one: boxed(keys, one))


def _kept(keys: KeyRing, new: Any, old: Any) -> Any:
    """*new*, with the old box wherever the same is in it."""
    if hiding.is_sealed(old):
        return old if unsealed(keys, new) == unsealed(keys, old) else new
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {name: _kept(keys, inner, old.get(name))
                for name, inner in new.items()}
    if isinstance(new, list) and isinstance(old, list):
        return [_kept(keys, inner, old[number] if number < len(old) else None)
                for number, inner in enumerate(new)]
    return new


def _schema(parts: Parts, state: State, choice: ElementChoice) -> Any:
    """The schema of an element's own parameters."""
    if not choice.parameters:
        return {}
    try:
        if choice.version:
            return parts.catalogue.element(choice.ref).parameters
        blueprint = parts.catalogue.blueprint(state.blueprint_ref)
    except NotFound:
        # It was sealed when it was given.
        return {}
    return next((use.element.parameters for use in blueprint.elements
                 if use.element.name == choice.name), {})
