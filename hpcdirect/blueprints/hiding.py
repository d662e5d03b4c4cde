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

"""Values that are marked secret, as they are kept and as they are shown.

What is kept of a secret is ``{"x-sealed": "<seal>", "x-mark": "<name>"}`` in
its place, which passes everywhere for the value that is in the box. Nobody
can ask for one: requests that hold such a mapping are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import Any

from hpcdirect.digests import canonical
from hpcdirect.digests import digest

#: In the place of a secret.
HIDDEN = '******'
#: The key of what is kept of a secret: its value is the seal.
SEALED = 'x-sealed'
#: Beside it: what the box is known by, whoever seals it anew.
MARK = 'x-mark'
#: Shorter ones could not be told from ordinary words in a log.
SHORTEST = 8


def is_secret(schema: Any) -> bool:
    """Whether a schema says ``x-secret``, or has the format ``password``."""
    return isinstance(schema, Mapping) and bool(
        schema.get('x-secret') or schema.get('format') == 'password')


def is_sealed(value: Any) -> bool:
    """Whether a value is what is kept of a secret."""
    return isinstance(value, Mapping) and SEALED in value


def hidden(schema: Any, value: Any) -> Any:
    """The value, with :data:`HIDDEN` for what is secret in it.

    That is what its schema marks, and whatever is sealed, at any depth of
    objects and lists.
    """
    return Mask(schema).hide(value)


class Mask:
    """Hides what one schema marks; looks through the schema only once."""

    def __init__(self, schema: Any) -> None:
        self._marks = _Marks.of(schema)

    def hide(self, value: Any) -> Any:
        """The value, with :data:`HIDDEN` for what is secret in it."""
        return _masked(value, self._marks)


@dataclasses.dataclass(frozen=True)
class _Marks:
    """Where a schema marks something; None where it marks nothing.

    :param whole: all that is in this place.
    :param names: in an object, by name.
    :param others: in an object, under any other name.
    :param items: in every entry of a list.
    """

    whole: bool = False
    names: Mapping[str, _Marks | None] = dataclasses.field(
        default_factory=dict)
    others: _Marks | None = None
    items: _Marks | None = None

    @classmethod
    def of(cls, schema: Any) -> _Marks | None:
        """What a schema marks, at any depth."""
        if not isinstance(schema, Mapping):
            return None
        if is_secret(schema):
            return cls(whole=True)
        names = {name: cls.of(inner) for name, inner
                 in schema.get('properties', {}).items()}
        others = cls.of(schema.get('additionalProperties'))
        items = cls.of(schema.get('items'))
        if others is None and items is None and not any(names.values()):
            return None
        return cls(False, names, others, items)


def _masked(value: Any, marks: _Marks | None) -> Any:
    if marks and marks.whole and value not in (None, ''):
        return HIDDEN
    # Most values are; to tell what a Mapping is takes ten times as long.
    if isinstance(value, _PLAIN):
        return value
    if is_sealed(value):
        return HIDDEN
    if isinstance(value, Mapping):
        if marks is None:
            return {name: _masked(inner, None)
                    for name, inner in value.items()}
        return {name: _masked(inner, marks.names.get(name, marks.others))
                for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        items = marks.items if marks else None
        return [_masked(inner, items) for inner in value]
    return value


_PLAIN = (str, int, float, type(None))


def about(mark: str) -> str:
    """What the seal of a box says it is of."""
    return f'box {mark}'


def digest_of(value: Any) -> str:
    """sha256 of a JSON value, hexadecimal.

    It stays the same when the secrets in it are sealed anew.
    """
    return digest(opened(value, _known) if MARK in canonical(value)
                  else value)


def opened(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value, with everything sealed in it changed."""
    if is_sealed(value):
        return change(value)
    if isinstance(value, Mapping):
        return {name: opened(inner, change) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [opened(inner, change) for inner in value]
    return value


def replaced(schema: Any, value: Any, change: Callable[[Any], Any]) -> Any:
    """The value, with everything in it changed that its schema marks secret.

    What is sealed, and what is empty, stays as it is.
    """
    if is_sealed(value) or not isinstance(schema, Mapping):
        return value
    if is_secret(schema):
        return change(value) if value not in (None, '') else value
    if isinstance(value, Mapping):
        known = schema.get('properties', {})
        others = schema.get('additionalProperties')
        return {name: replaced(known.get(name, others), inner, change)
                for name, inner in value.items()}
    if isinstance(value, list):
        return [replaced(schema.get('items'), inner, change)
                for inner in value]
    return value


def secrets(schema: Any, value: Any) -> Iterator[str]:
    """The texts in a value that its schema marks secret."""
    found: list[Any] = []
    replaced(schema, value, found.append)
    for one in found:
        yield from _texts(one)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str) and value:
        yield value




def _known(box: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a box is known by; one of an earlier release by its seal."""
    return {MARK: box[MARK]} if MARK in box else box
