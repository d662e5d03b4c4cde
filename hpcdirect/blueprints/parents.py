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

"""The blueprints that others are made from: found, and no circle of them."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Generic
from typing import TypeVar

from hpcdirect.blueprints import folders
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.exception import NotFound

#: Blueprints that are each made from the next one; real ones are two.
MOST = 8

#: What tells blueprints apart to whoever reads them.
Key = TypeVar('Key')
#: Name and version.
Ident = tuple[str, str]


class Parents(Generic[Key]):
    """Gives the blueprint that is meant by ``NAME@VERSION``.

    :param found: name and version of every blueprint -> what it is read by.
    :param load: reads the blueprint of that, with the parents for it.
    :param chain: the blueprints, each made from the next one, of which the
        last one asks.
    """

    def __init__(self, found: Mapping[Ident, Key],
                 load: Callable[[Key, Parents[Key]], Blueprint],
                 chain: tuple[Ident, ...] = ()) -> None:
        self._found = found
        self._load = load
        self._chain = chain

    def of(self, name: str, version: str) -> Parents[Key]:
        """The same, for a blueprint that asks."""
        return Parents(self._found, self._load,
                       (*self._chain, (name, version)))

    def __call__(self, ref: str) -> Blueprint:
        """The blueprint of ``name@version``; ``name@1`` is the highest 1.x.

        :raises NotFound: there is none.
        :raises BlueprintInvalid: it cannot be used.
        """
        name, wanted = folders.split(ref)
        ident = name, folders.newest(
            (version for other, version in self._found if other == name),
            wanted)
        if ident not in self._found:
            raise NotFound(resource='Blueprint', ident=ref, known=sorted(
                f'{other}@{version}' for other, version in self._found
                if version))
        if ident in self._chain:
            raise BlueprintInvalid([Finding(
                'It is made from itself: '
                + ' from '.join(map('@'.join, (*self._chain, ident))))])
        if len(self._chain) >= MOST:
            raise BlueprintInvalid([Finding(
                f'At most {MOST} blueprints can be made from each other.')])
        return self._load(self._found[ident], self.of(*ident))


def none(ref: str) -> Blueprint:
    """For blueprints that are all by themselves."""
    raise NotFound(resource='Blueprint', ident=ref, known=())
