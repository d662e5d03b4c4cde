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


"""From the author's HOT to the HOT that Heat gets. Pure: data in, data out.

An author writes a group of like machines as HOT writes it: one server, or a
ResourceGroup of servers or of a nested template. Heat gets one flat resource
for each slot, named by the slot, so that just that machine can go, nothing
is nested, and Heat's own bookkeeping does not grow with the depth.

What a slot's resources take from the stack's parameters is written into
them: a parameter that changes later is for machines that come later, and
none that is there is ever replaced for it. Hidden ones are left to Heat.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import pathlib

from hpcdirect.blueprints import hot
from hpcdirect.blueprints.hot import GROUP
from hpcdirect.blueprints.hot import SERVER
from hpcdirect.blueprints.hot import Template
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import text


@dataclasses.dataclass(frozen=True)
class TemplateSlot:
    """A slot to be written into a template.

    :param group: the template's resource that stands for its node group.
    """

    slot: str
    group: str

    @property
    def number(self) -> str:
        """The slot's number, what ``%index%`` stands for."""
        return self.slot.rpartition('-')[2]


def expand(template: Template, files: Mapping[str, str],
           places: Iterable[TemplateSlot], parameters: Object,
           groups: Iterable[str] = ()) -> Template:
    """The flat template.

    :param files: name -> text of nested templates, and what ``get_file``
        may get.
    :param parameters: values of the stack's parameters.
    :param groups: resources that stand for node groups, those that have no
        slot now among them.
    :raises Invalid: with all that cannot be made flat; places are
        ``resources.NAME``, or ``file:line`` of a nested template.
    """
    return _Expansion(template, files, list(places), parameters,
                      groups).made()


@dataclasses.dataclass(frozen=True)
class _Nested:
    """A slot's copy of a nested template.

    :param server: the resource that is the machine.
    :param names: its resources -> what they are called in the flat one.
    :param values: its parameters -> what they are.
    """

    file: pathlib.Path
    template: Template
    server: str
    names: Mapping[str, str]
    values: Object

    def taken(self, item: JSON) -> JSON:
        """A part of it, as it is in the flat template."""
        return hot.with_values(hot.renamed(item, self.names), self.values)


class _Expansion:
    """One template on its way."""

    def __init__(self, template: Template, files: Mapping[str, str],
                 places: list[TemplateSlot], parameters: Object,
                 groups: Iterable[str]) -> None:
        self._template = template
        self._files = files
        self._places = places
        self._findings: list[Finding] = []
        self._values = {
            name: hot.default(said, parameters.get(name,
                                                   said.get('default')))
            for name, said in template.parameters.items()
            if (name in parameters or 'default' in said)
            and not said.get('hidden')}
        #: group resource -> its slots, in order.
        self._slots: dict[str, list[str]] = {name: [] for name in groups}
        for place in places:
            self._slots.setdefault(place.group, []).append(place.slot)
        #: slot -> its nested template; None: there is none, or not yet.
        self._nested: dict[str, _Nested | None] = {}

    def made(self) -> Template:
        groups = self._groups()
        resources: dict[str, Object] = {}
        for place in self._places:
            if place.group in groups:
                resources |= self._of_slot(place, groups[place.group])
        for name, resource in self._template.resources.items():
            if name in resources and name not in groups:
                self._wrong(f'"{name}" is what a node is called; give this '
                            'resource another name.', name)
            elif name not in self._slots:
                resources[name] = self._resource(resource)
        outputs = members(self._rewritten(self._template.outputs))
        if self._findings:
            raise Invalid(dict.fromkeys(self._findings))
        return dataclasses.replace(self._template, resources=resources,
                                   outputs=outputs)

    def _groups(self) -> dict[str, Object]:
        """The resources that stand for node groups."""
        found = {}
        for name, slots in self._slots.items():
            resource = self._template.resources.get(name, {})
            kind = resource.get('type')
            if kind not in (SERVER, GROUP):
                self._wrong(f'There is no {SERVER} and no {GROUP} '
                            f'"{name}" for a node group.', name)
            elif kind == SERVER and len(slots) > 1:
                self._wrong(f'"{name}" is one server, but there may be more '
                            f'of them; write a {GROUP}.', name)
            else:
                found[name] = resource
        return found

    def _of_slot(self, place: TemplateSlot, resource: Object
                 ) -> dict[str, Object]:
        """The resources of one slot."""
        single = self._single(place, resource)
        if single['type'] == SERVER:
            return {place.slot: self._literal(self._resource(single))}
        nested = self._nested_of(place)
        if nested is None:
            return {}
        made = {}
        for key, value in nested.template.resources.items():
            body = dict(hot.depending(members(nested.taken(value)), (
                lambda names: [nested.names.get(one, one)
                               for one in names])))
            if key == nested.server and 'depends_on' in single:
                body['depends_on'] = [
                    *hot.listed(body.get('depends_on')),
                    *self._depends(hot.texts(single['depends_on']))]
            if 'condition' in single:
                body['condition'] = single['condition']
            made[nested.names[key]] = self._literal(self._filed(body))
        return made

    def _single(self, place: TemplateSlot, resource: Object) -> Object:
        """A slot's resource as the author wrote it, with its number."""
        if resource['type'] == SERVER:
            return resource
        said = hot.properties(resource)
        index = str(said.get('index_var', '%index%'))
        single = members(hot.in_strings(
            said['resource_def'],
            lambda one: one.replace(index, place.number)))
        return {**single, **{
            key: resource[key] for key in ('depends_on', 'condition')
            if key in resource and key not in single}}

    # -- nested templates -------------------------------------------------

    def _nested_of(self, place: TemplateSlot) -> _Nested | None:
        """A slot's nested template, None when it cannot be had."""
        if place.slot not in self._nested:
            self._nested[place.slot] = None  # for one that needs itself
            self._nested[place.slot] = self._nested_new(place)
        return self._nested[place.slot]

    def _nested_new(self, place: TemplateSlot) -> _Nested | None:
        single = self._single(place, self._template.resources[place.group])
        name = text(single['type'])
        if name not in self._files:
            self._wrong(f'What "{place.group}" is a group of is neither a '
                        f'{SERVER} nor a template beside this one: {name}.',
                        place.group)
            return None
        try:
            source = hot.read(self._files[name], name)
        except Invalid as exc:
            self._findings += exc.findings
            return None
        template = Template.of(source.data)
        servers = [key for key, value in template.resources.items()
                   if value['type'] == SERVER]
        if len(servers) != 1:
            self._findings.append(source.finding(
                ('resources',), f'It has to hold one {SERVER}.'))
            return None
        if template.rest.get('conditions'):
            self._findings.append(source.finding(
                ('conditions',), 'Conditions are for the template that is '
                'not nested.'))
        names = {key: place.slot if key == servers[0]
                 else f'{place.slot}.{key}' for key in template.resources}
        nested = _Nested(source.file, template, servers[0], names, {})
        return dataclasses.replace(nested, values=self._given(
            place, nested, hot.properties(single)))

    def _given(self, place: TemplateSlot, nested: _Nested, said: Object
               ) -> Object:
        """What the parameters of a nested template are."""
        known = nested.template.parameters
        for key in said.keys() - known.keys():
            self._wrong(f'{nested.file} has no parameter "{key}".',
                        place.group)
        values = {}
        for key, one in known.items():
            if key in said:
                values[key] = hot.default(one, hot.with_values(
                    self._rewritten(said[key]), self._values))
            elif 'default' in one:
                values[key] = hot.default(one, one['default'])
            else:
                self._wrong(f'{nested.file} needs a value for "{key}".',
                            place.group)
        return values

    # -- references to groups ---------------------------------------------

    def _literal(self, resource: JSON) -> Object:
        """A resource with the values of the stack's parameters in it."""
        return members(hot.with_values(resource, self._values))

    def _resource(self, resource: Object) -> Object:
        """A resource with what names a group naming its slots."""
        return hot.depending(members(self._rewritten(resource)),
                             self._depends)

    def _depends(self, names: Iterable[str]) -> list[str]:
        return [slot for one in names for slot in self._slots.get(one, [one])]

    def _rewritten(self, item: JSON) -> JSON:
        """With what names a group naming its slots."""
        return self._filed(hot.calls(item, lambda word, name, call: (
            self._of_group(word, hot.listed(call[word]))
            if word in ('get_resource', 'get_attr') and name in self._slots
            else call)))

    def _filed(self, item: JSON) -> JSON:
        """With the text of files for ``get_file``."""
        return hot.calls(item, lambda word, name, call: (
            self._files[name] if word == 'get_file' and name in self._files
            else call))

    def _of_group(self, word: str, path: list[JSON]) -> JSON:
        """What a name of a group stands for; None when nobody is there."""
        group, rest = text(path[0]), path[1:]
        slots = self._slots[group]
        if self._template.resources.get(group, {}).get('type') == SERVER:
            if not slots:
                return None
            return {word: slots[0] if word == 'get_resource'
                    else [slots[0], *rest]}
        every = [{'get_resource': slot} for slot in slots]
        if word == 'get_resource' or not rest:
            return every
        first, *more = str(rest[0]).split('.', 2)
        if first == 'resource' and more and more[0].isdigit():
            wanted = int(more[0])
            return self._member(group, slots[wanted], [
                *more[1:], *rest[1:]]) if wanted < len(slots) else None
        numbers = [TemplateSlot(slot, group).number for slot in slots]
        special: dict[str, JSON] = {
            'refs': every, 'refs_map': dict(zip(numbers, every, strict=True)),
            'removed_rsrc_list': []}
        if first in special:
            return hot.followed(special[first], rest[1:])[0]
        if first == 'attributes':
            return {number: self._member(group, slot, rest[1:])
                    for number, slot in zip(numbers, slots, strict=True)}
        return [self._member(group, slot, rest) for slot in slots]

    def _member(self, group: str, slot: str, path: list[JSON]) -> JSON:
        """Something of one machine of a ResourceGroup."""
        if not path:
            return {'get_resource': slot}
        said = self._template.resources.get(group, {})
        if said.get('type') != GROUP or members(hot.properties(said)[
                'resource_def'])['type'] == SERVER:
            return {'get_attr': [slot, *path]}
        nested = self._nested_of(TemplateSlot(slot, group))
        if nested is None:
            if not self._findings:
                self._wrong(f'"{group}" needs its own outputs.', group)
            return None
        output = members(nested.template.outputs.get(str(path[0])))
        found, well = hot.followed(
            self._filed(nested.taken(output.get('value'))),
            path[1:]) if output else (None, False)
        if not well:
            self._wrong(f'{nested.file} has no output '
                        f'{".".join(map(str, path))}.', group)
        return found

    def _wrong(self, message: str, where: str) -> None:
        self._findings.append(Finding(message, f'resources.{where}'))
