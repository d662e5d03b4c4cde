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

"""What of the catalogue was ordered, by its digests.

A version of a blueprint or an element should never change; nothing enforces
that, and what elements share changes with a release. So an order names what
it was made from. Who gives one takes what is in the catalogue then, which is
what a plan shows; who carries it out does so with just that, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

from hpcdirect.blueprints.model import Blueprint
from hpcdirect.exception import NotFound
from hpcdirect.planning.composition import ElementOf
from hpcdirect.planning.state import State


@dataclasses.dataclass(frozen=True)
class Pins:
    """Names and compares what states are made from.

    :param blueprint_of: ``name@version`` -> blueprint; raises NotFound.
    """

    blueprint_of: Callable[[str], Blueprint]
    element_of: ElementOf

    def pinned(self, state: State) -> State:
        """The state, made from what is in the catalogue now.

        It is as it was where that is not all there; whoever carries it out
        will say so.
        """
        if state.deleted:
            return state
        try:
            return dataclasses.replace(
                state, blueprint_digest=self.blueprint_of(
                    state.blueprint_ref).digest,
                element_digests={one.ref: self.element_of(one.ref).digest
                                 for one in state.elements if one.version})
        except NotFound:
            return state

    def moved(self, state: State, blueprint: Blueprint) -> str:
        """What is not as it was ordered, a clause; '' when all is.

        :param blueprint: the one of the state as it is here.
        :raises NotFound: an element is not here at all.
        """
        found = [] if state.blueprint_digest in ('', blueprint.digest) \
            else [f'blueprint {state.blueprint_ref}']
        found += [f'element {ref}' for ref, digest
                  in state.element_digests.items()
                  if self.element_of(ref).digest != digest]
        return f'{" and ".join(found)} ' + (
            'is not what it was' if len(found) == 1
            else 'are not what they were') if found else ''
