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

"""One way to turn a value into text, so that equal values digest equally.

What is kept of a secret is a box, ``{"x-sealed": "<seal>", "x-mark":
"<name>"}``, which passes everywhere for the value that is in it. It counts by
its name, since a seal is another one each time. Nobody can ask for a box:
requests that hold such a mapping are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import hashlib
import json
from typing import TypeGuard

from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object

#: The key of what is kept of a secret: its value is the seal.
SEALED = 'x-sealed'
#: Beside it: what the box is known by, whoever seals it anew.
MARK = 'x-mark'


def canonical(value: object) -> str:
    """JSON with sorted keys and no white space that carries no meaning."""
    return json.dumps(value, sort_keys=True, separators=(',', ':'),
                      ensure_ascii=False)


def digest(value: object) -> str:
    """sha256 of the canonical JSON of *value*, hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_of(value: JSON) -> str:
    """sha256 of a JSON value, hexadecimal.

    It stays the same when the secrets in it are sealed anew.
    """
    return digest(opened(value, _known) if MARK in canonical(value)
                  else value)


def is_sealed(value: object) -> TypeGuard[Object]:
    """Whether a value is what is kept of a secret."""
    return isinstance(value, Mapping) and SEALED in value


def about(mark: str) -> str:
    """What the seal of a box says it is of."""
    return f'box {mark}'


def opened(value: JSON, change: Callable[[Object], JSON]) -> JSON:
    """The value, with everything sealed in it changed."""
    if is_sealed(value):
        return change(value)
    if isinstance(value, Mapping):
        return {name: opened(inner, change) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [opened(inner, change) for inner in value]
    return value


def _known(box: Object) -> Object:
    """What a box is known by; one of an earlier release by its seal."""
    return {MARK: box[MARK]} if MARK in box else box
