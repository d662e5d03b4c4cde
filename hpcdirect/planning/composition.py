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


"""Which elements a cluster has: its blueprint's, less some, and others.

What stands on an element that is off is off as well, and comes back with it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses

from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.planning import accounts
from hpcdirect.planning.state import State

#: ``name@version`` -> element; raises NotFound.
ElementOf = Callable[[str], Element]


@dataclasses.dataclass(frozen=True)
class Listed:
    """An element of a cluster and how it stands.

    :param added: it is not of the blueprint.
    :param off: it was switched off, by its owner or by a parameter.
    :param missing: what it needs and is not there.
    """

    use: ElementUse
    added: bool = False
    off: bool = False
    missing: tuple[str, ...] = ()

    @property
    def on(self) -> bool:
        """Whether it is to be on the machines."""
        return not self.off and not self.missing


def composed(blueprint: Blueprint, state: State, element_of: ElementOf
             ) -> Blueprint:
    """The blueprint with just the elements that a cluster is to have.

    :raises NotFound: an element is not in the catalogue.
    """
    return accounts.all_told(chosen(blueprint, state, element_of), state)


def chosen(blueprint: Blueprint, state: State, element_of: ElementOf
           ) -> Blueprint:
    """The same, and nothing has been told of accounts yet.

    :raises NotFound: an element is not in the catalogue.
    """
    return dataclasses.replace(blueprint, elements=tuple(
        one.use for one in listing(blueprint, state, element_of) if one.on))


def listing(blueprint: Blueprint, state: State, element_of: ElementOf
            ) -> list[Listed]:
    """Every element that a cluster has or could be given back, in order.

    :raises NotFound: an element is not in the catalogue.
    """
    own = {use.element.name for use in blueprint.elements}
    return _cascaded([
        *(_of_blueprint(use, state, element_of)
          for use in blueprint.elements),
        *(Listed(ElementUse(element_of(one.ref), one.roles or {},
                            one.parameters), added=True)
          for one in state.elements if one.name not in own)])


def _of_blueprint(use: ElementUse, state: State, element_of: ElementOf
                  ) -> Listed:
    """A line of the blueprint, with what its owner says of it."""
    choice = state.choice(use.element.name)
    element = use.element
    if choice.version not in ('', element.version):
        element = element_of(choice.ref)
    return Listed(ElementUse(
        element, use.roles if choice.roles is None else choice.roles,
        {**use.variables, **choice.parameters}),
        off=choice.off or bool(
            use.when and not choice.on
            and not state.parameters.get(use.when)))


def _cascaded(found: Iterable[Listed]) -> list[Listed]:
    """The same, each told what it needs and is not there."""
    told: list[Listed] = []
    on: set[str] = set()
    for one in found:
        missing = tuple(name for name in one.use.element.requires
                        if name not in on)
        told.append(dataclasses.replace(one, missing=missing))
        if told[-1].on:
            on.add(one.use.element.name)
    return told
