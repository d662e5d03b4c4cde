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

"""What is otherwise, of plans and of generations, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cliff import columns

from hpcdirect.client import errors
from hpcdirect.client.osc import base
from hpcdirect.client.osc import values


def sides(one: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """How something was and is; None for what is not there.

    Of what has members a line for each that is otherwise, and of what comes
    or goes for each that says something.

    :param one: one of the differences that the API tells.
    """
    return (_side(one['before'], one['after']),
            _side(one['after'], one['before']))


def _side(value: Any, other: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return values.written(value)
    known = other if isinstance(other, Mapping) else {}
    return '\n'.join(
        f'{name}: {values.written(each)}' for name, each in value.items()
        if (each != known[name] if name in known else each))


class Side(columns.FormattableColumn[Any]):
    """One side: what the API tells in JSON, what is otherwise in a table."""

    def __init__(self, value: Any, other: Any) -> None:
        super().__init__(value)
        self._other = other

    def human_readable(self) -> str:
        """``-`` for what is not there."""
        said = _side(self._value, self._other)
        return '-' if said is None else base.Text(
            errors.clean(said)).human_readable()
