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

"""Which elements there are could be put on a cluster, and why not the others.

It is tried with each, by what a change of the cluster goes through as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.exception import Invalid
from hpcdirect.planning import elements
from hpcdirect.planning import users
from hpcdirect.planning.elements import ElementOf
from hpcdirect.planning.elements import Misfit
from hpcdirect.planning.state import State


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An element, and whether a cluster could have it.

    :param element: of the version that it would have.
    :param roles: role -> node groups that would play it.
    :param asks: its parameters that have to be given a value.
    :param reasons: all that is in the way.
    """

    element: Element
    roles: Mapping[str, tuple[str, ...]]
    asks: tuple[str, ...] = ()
    reasons: tuple[Misfit, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it can be put on now."""
        return not self.reasons


def of(state: State, blueprint: Blueprint, known: Iterable[Element],
       element_of: ElementOf) -> list[Candidate]:
    """Every element that is known, as it would be on a cluster.

    :param blueprint: the cluster's, with all elements of its own.
    :param known: the elements to try, one version of each.
    :raises NotFound: an element of the cluster is not in the catalogue.
    """
    there = {one.use.element.name: one.use for one in elements.listing(
        blueprint, state, element_of) if one.on}
    before = elements.chosen(blueprint, state, element_of)
    return [
        Candidate(there[one.name].element, there[one.name].roles, reasons=(
            Misfit(f'{one.name} is on the cluster already.',
                   kind='present'),))
        if one.name in there
        else _tried(state, blueprint, one.name, before, element_of)
        for one in known]


def _tried(state: State, blueprint: Blueprint, name: str, before: Blueprint,
           element_of: ElementOf) -> Candidate:
    """What comes of putting one on.

    :param before: the blueprint with just the elements that are there.
    """
    new, findings = elements.tried(state, blueprint, {name: {}}, element_of)
    reasons = [one for one in findings if isinstance(one, Misfit)]
    use = next(one.use for one in elements.listing(
        blueprint, new, element_of) if one.use.element.name == name)
    if not reasons:
        try:
            users.remembered(state, new, before, elements.chosen(
                blueprint, new, element_of))
        except Invalid as exc:
            reasons = [Misfit(f'{one.where}: {one.message}', kind='account')
                       for one in exc.findings]
    return Candidate(use.element, use.roles, _asks(use), tuple(reasons))


def _asks(use: ElementUse) -> tuple[str, ...]:
    """Parameters that nothing gives a value yet."""
    given = parameters.fill(use.element.parameters, {})
    return tuple(name for name in elements.required(use.element, use)
                 if name not in given)
