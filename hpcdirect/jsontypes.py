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

"""JSON as types, and how to read what somebody wrote in it.

A file or a body that fits its schema is still of one type to Python. Each
function here gives a part of it as one kind of value, and the value that
means nothing when it is of another one; what is wrong with it, the schema
has told before.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TypeAlias

#: Any value that JSON has; objects and lists are not to be changed.
JSON: TypeAlias = ('Mapping[str, JSON] | Sequence[JSON] | str | int | float'
                   ' | bool | None')
#: An object, such as a JSON Schema.
Object: TypeAlias = Mapping[str, JSON]


def members(value: JSON) -> Object:
    """The members of an object; of anything else there are none."""
    return value if isinstance(value, Mapping) else {}


def entries(value: JSON) -> Sequence[JSON]:
    """The entries of a list; of anything else there are none."""
    return value if isinstance(value, (list, tuple)) else ()


def text(value: JSON, default: str = '') -> str:
    """A text; *default* for anything else."""
    return value if isinstance(value, str) else default


def texts(value: JSON) -> tuple[str, ...]:
    """Those entries of a list that are texts."""
    return tuple(one for one in entries(value) if isinstance(one, str))


def number(value: JSON) -> float:
    """A number; 0 for anything else."""
    return value if isinstance(value, (int, float)) else 0


def whole(value: JSON, default: int = 0) -> int:
    """A whole number, also one written as 3.0; *default* for all else."""
    return int(value) if isinstance(value, (int, float)) else default
