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
Then the ways to change that, and with what parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.exception import Finding
from hpcdirect.exception import Findings
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import texts
from hpcdirect.planning import accounts
from hpcdirect.planning.state import ElementChoice
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


#: Name -> what it is to be; None takes it off.
Changes = Mapping[str, Object | None]


@dataclasses.dataclass(frozen=True)
class Misfit(Finding):
    """Why an element does not fit onto a cluster, whatever it is given.

    :param kind: ``present``, ``missing``, ``nodes`` (what it needs is not on
        the same ones), ``conflict``, ``role`` or ``account``.
    :param other: the element that is missing or in the way; '' for none.
    """

    kind: str = ''
    other: str = ''


def changed(state: State, blueprint: Blueprint, changes: Changes,
            element_of: ElementOf) -> State:
    """The state with some elements put on, taken off, or changed.

    What a change does not speak of stays: parameters that were set before,
    the version, the roles. A parameter that is null has its default again.

    :param changes: name -> None, or ``parameters``, ``version``, ``roles``;
        an empty mapping just puts it on.
    :raises Invalid: with every finding, at ``$.elements.NAME``.
    """
    new, findings = tried(state, blueprint, changes, element_of)
    findings.check()
    return new


def tried(state: State, blueprint: Blueprint, changes: Changes,
          element_of: ElementOf) -> tuple[State, Findings]:
    """The same state, and all that is wrong with it."""
    choices = {one.name: one for one in state.elements}
    switches: dict[str, bool] = {}
    uses = {use.element.name: use for use in blueprint.elements}
    findings = Findings()
    known = set()
    for name, said in changes.items():
        with findings.gather():
            if said is None:
                _off(choices, uses, name)
            else:
                choices[name], wrong = _on(
                    state.choice(name), uses.get(name), blueprint, said,
                    element_of)
                findings += wrong
            known.add(name)
            switch = _switch(blueprint, name)
            if switch:
                # It has one of its own already, and one is enough.
                switches[switch] = said is not None
                choices[name] = dataclasses.replace(choices[name], off=False)
            elif said is not None and name in uses and uses[name].when:
                choices[name] = dataclasses.replace(choices[name], on=True)
    new = dataclasses.replace(
        state, parameters={**state.parameters, **switches},
        elements=tuple(one for one in choices.values()
                       if one != ElementChoice(one.name)))
    if len(known) == len(changes):
        findings += _together(new, blueprint, changes, element_of)
    return new, findings


def standing(state: State, blueprint: Blueprint, element_of: ElementOf
             ) -> Findings:
    """All that is wrong with what stands in a state about elements.

    For a blueprint that is another one than the state was made for.
    """
    uses = {use.element.name: use for use in blueprint.elements}
    findings = Findings()
    for one in state.elements:
        use = uses.get(one.name)
        with findings.gather():
            element = use.element if use is not None and not one.version \
                else _element(one, element_of)
            continue
        findings += [*_roles(element, blueprint, one.roles or {}),
                     *_values(element, use, one.parameters)]
    return findings or Findings(_together(
        state, blueprint, {one.name: {} for one in state.elements},
        element_of))


def _off(choices: dict[str, ElementChoice], uses: Mapping[str, ElementUse],
         name: str) -> None:
    """Take one off; nothing is kept of one that was added."""
    if name not in uses and name not in choices:
        known = [*uses, *(one for one in choices if one not in uses)]
        raise Invalid([Finding(f'The cluster has no element "{name}"'
                               f'{wording.similar(name, known)}.',
                               _where(name))])
    if name in uses:
        choices[name] = dataclasses.replace(
            choices.get(name, ElementChoice(name)), off=True, on=False)
    else:
        del choices[name]


def _switch(blueprint: Blueprint, name: str) -> str:
    """The parameter that switches this element and no other, or ''."""
    switches = [use.when for use in blueprint.elements]
    found = next((use.when for use in blueprint.elements
                  if use.element.name == name), '')
    return found if switches.count(found) == 1 else ''


def _on(choice: ElementChoice, use: ElementUse | None, blueprint: Blueprint,
        said: Object, element_of: ElementOf
        ) -> tuple[ElementChoice, list[Finding]]:
    """What is kept of one that is to be on, and what is wrong with it."""
    asked = dataclasses.replace(
        choice, version=text(said.get('version'), choice.version))
    if not asked.version and use is not None:
        element = use.element
    else:
        element = _element(asked, element_of)
    roles = {role: texts(groups) for role, groups in members(
        said.get('roles')).items()} or choice.roles
    if roles is None and use is None:
        roles = default_roles(element, blueprint)
    given = {**choice.parameters, **members(said.get('parameters'))}
    given = {key: value for key, value in given.items() if value is not None}
    findings = [*_roles(element, blueprint, roles or {}),
                *_values(element, use, given)]
    return dataclasses.replace(
        choice, off=False, parameters=given,
        version=element.version if use is None or 'version' in said
        else choice.version,
        roles=roles), findings


def _element(choice: ElementChoice, element_of: ElementOf) -> Element:
    try:
        return element_of(choice.ref)
    except NotFound as exc:
        raise Invalid([Finding(
            f'There is no element "{choice.ref}"'
            f'{wording.similar(choice.name, exc.known)}.',
            _where(choice.name))]) from exc


def default_roles(element: Element, blueprint: Blueprint
                  ) -> dict[str, tuple[str, ...]]:
    """Who plays an element's roles when nobody says.

    The role that one node plays is the login group's; the others are for
    the other groups then, and for every group when there is no such role.
    """
    every = tuple(group.name for group in blueprint.node_groups)
    others = tuple(name for name in every if name != blueprint.login)
    central = any(role.scope == 'cluster' for role in element.roles)
    return {role.name: (blueprint.login,) if role.scope == 'cluster'
            else others if central and others else every
            for role in element.roles}


def _roles(element: Element, blueprint: Blueprint,
           roles: Mapping[str, Iterable[str]]) -> Iterator[Finding]:
    if not roles:
        return
    known = {role.name: role for role in element.roles}
    groups = {group.name: group for group in blueprint.node_groups}
    for name in known.keys() - roles.keys():
        yield Finding(f'No group plays {name} of {element.name}.',
                      _where(element.name, 'roles'))
    for name, played in roles.items():
        where = _where(element.name, 'roles', name)
        if name not in known:
            yield Finding(f'{element.name} has no role "{name}"'
                          f'{wording.similar(name, known)}.', where)
            continue
        for group in played:
            if group not in groups:
                yield Finding(f'There is no node group "{group}"'
                              f'{wording.similar(group, groups)}.', where)
        if known[name].scope == 'cluster' and sum(
                groups[group].max_count for group in played
                if group in groups) != 1:
            yield Misfit(f'Exactly one node plays {name} of {element.name}; '
                         'give it one group whose max_count is 1.', where,
                         'role')


def required(element: Element, use: ElementUse | None) -> list[str]:
    """Parameters that have to be given, since a blueprint gives none."""
    wired = use.variables if use is not None else {}
    return [name for name in texts(element.parameters.get('required'))
            if name not in wired]


def _values(element: Element, use: ElementUse | None,
            given: Object) -> Iterator[Finding]:
    """What is wrong with parameters that were set for an element itself."""
    schema: Object = {**element.parameters,
                      'required': required(element, use)}
    filled = parameters.fill(schema, given)
    for path, message in wording.findings(schema, filled):
        yield Finding(message, _where(element.name, 'parameters', *path))


def _together(state: State, blueprint: Blueprint, changes: Changes,
              element_of: ElementOf) -> Iterator[Finding]:
    """What stands between elements that are to be on a cluster together."""
    listed = listing(blueprint, state, element_of)
    on = {one.use.element.name: one.use for one in listed if one.on}
    for one in listed:
        name = one.use.element.name
        if changes.get(name) is None or one.off:
            continue
        for other in one.missing:
            yield Misfit(f'{name} needs {other}, which is not on the '
                         'cluster; add that first.', _where(name),
                         'missing', other)
        for other in one.use.element.requires:
            short = _groups(one.use) - _groups(on[other]) \
                if other in on else set()
            if short:
                yield Misfit(
                    f'{name} needs {other} on the same nodes; it is not on: '
                    f'{", ".join(sorted(short))}.', _where(name, 'roles'),
                    'nodes', other)
        for rival in on:
            if rival != name and (
                    rival in one.use.element.conflicts
                    or name in on[rival].element.conflicts):
                yield Misfit(f'{name} and {rival} cannot be on one cluster; '
                             f'take {rival} off first.', _where(name),
                             'conflict', rival)


def _groups(use: ElementUse) -> set[str]:
    return {group for groups in use.roles.values() for group in groups}


def _where(name: str, *path: str | int) -> str:
    return wording.place((name, *path), '$.elements')
