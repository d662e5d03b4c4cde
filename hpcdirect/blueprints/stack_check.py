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


"""What must hold between a blueprint and its template for Heat."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

from hpcdirect.blueprints import flat
from hpcdirect.blueprints import hot
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.document import Document
from hpcdirect.blueprints.document import Path
from hpcdirect.blueprints.hot import Template
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import members

#: The section of blueprint.yaml whose template is HOT.
BACKEND = 'heat'
SECTION = ('infrastructure', BACKEND)
#: The author's parameter for the key that opens the machines.
PUBLIC_KEY = 'public_key'

_KIND = {'get_resource': 'resource', 'get_attr': 'resource',
         'depends_on': 'resource', 'get_param': 'parameter'}


def blueprint(source: Document, one: Blueprint) -> Iterator[Finding]:
    """Everything that is wrong with a blueprint's template.

    :param source: its blueprint.yaml.
    """
    section = one.infrastructure.get(BACKEND)
    if section is None:
        return
    if not section.template:
        yield source.finding(SECTION, 'Say which file is the template.')
        return
    if not isinstance(section.settings.get('parameters', {}), Mapping):
        yield source.finding((*SECTION, 'parameters'), (
            "parameters has a line for each of the template's."))
        return
    if BACKEND not in one.templates:  # which is told elsewhere
        return
    try:
        written = hot.read(one.templates[BACKEND],
                           _file(one, section.template))
    except Invalid as exc:
        yield from exc.findings
        return
    for group in one.node_groups:
        if group.name not in section.groups:
            yield source.finding((*SECTION, 'groups'), (
                f'Say which resource of {section.template} is node group '
                f'"{group.name}".'))
    template = Template.of(written.data)
    for path, message in rules(template, one.files, section):
        where = source if path[:1] == SECTION[:1] else written
        yield where.finding(path, message)
    places = list(_places(one, section.groups))
    try:
        found = flat.expand(template, one.files, places, {})
    except Invalid as exc:
        for finding in exc.findings:
            yield _located(finding, source, written, one)
    else:
        yield from _nested(template, one)
        for place in places:
            for message in user_data(found.resources[place.slot]):
                yield written.finding(('resources', place.group), message)


def resource_of(groups: Mapping[str, Object], group: str) -> str:
    """The template's resource for a node group.

    :param groups: the section's lines for node groups.
    """
    return str(groups.get(group, {}).get('resource', group))


def _places(one: Blueprint, groups: Mapping[str, Object]
            ) -> Iterator[flat.TemplateSlot]:
    """A slot of each group, two where there may be two."""
    for group in one.node_groups:
        for number in range(min(group.max_count, 2)):
            yield flat.TemplateSlot(f'{group.name}-{number}',
                                    resource_of(groups, group.name))


def _file(one: Blueprint, name: str) -> str:
    """Where a template lies: beside the blueprint, or beside a parent."""
    return str(one.paths.get(name, one.folder / name))


def _located(finding: Finding, source: Document, template: Document,
             one: Blueprint) -> Finding:
    """A finding of the expansion, with file and line."""
    kind, _, name = finding.where.partition('.')
    if kind != 'resources':
        name, _, line = finding.where.partition(':')
        return Finding(finding.message, f'{_file(one, name)}:{line}')
    for group, said in one.infrastructure[BACKEND].groups.items():
        if name not in Template.of(template.data).resources \
                and said.get('resource') == name:
            return source.finding((*SECTION, 'groups', group, 'resource'),
                                  finding.message)
    return template.finding(('resources', name), finding.message)


def user_data(server: Object) -> Iterator[str]:
    """What is wrong with a server's user data.

    It becomes a part of a MIME message that Heat puts together, where
    nothing can be encoded; cloud-init mistakes other letters there.
    """
    letters = {letter for text in hot.texts(
        hot.properties(server).get('user_data'))
        for letter in text if not letter.isascii()}
    if letters:
        yield (f'User data has to be ASCII; it has '
               f'{", ".join(sorted(letters)[:5])} in it.')


def _nested(template: Template, one: Blueprint) -> Iterator[Finding]:
    """What nested templates name must be in them."""
    names = {str(_single(resource).get('type'))
             for resource in template.resources.values()
             if resource['type'] == hot.GROUP}
    for name in sorted(names & one.files.keys()):
        nested = hot.read(one.files[name], _file(one, name))
        for path, message in _dangling(Template.of(nested.data), one.files):
            yield nested.finding(path, message)


def _single(group: Object) -> Object:
    """What a ResourceGroup is a group of."""
    return members(hot.properties(group).get('resource_def'))


def rules(template: Template, files: Mapping[str, str],
          section: Infrastructure) -> Iterator[tuple[Path, str]]:
    """What a template lacks, or has too much.

    :param section: what blueprint.yaml says for Heat.
    :returns: path and sentence; paths of blueprint.yaml begin with
        ``infrastructure``, others are the template's own.
    """
    known = template.parameters
    given = members(section.settings.get('parameters'))
    if 'heat_template_version' not in template.rest:
        yield (), 'A HOT template has a heat_template_version.'
    if PUBLIC_KEY not in known:
        yield ('parameters',), (
            f'The template has no parameter "{PUBLIC_KEY}"; it is what '
            "brings the cluster's key to the machines.")
    for name in given:
        if name not in known:
            yield (*SECTION, 'parameters', name), (
                f'The template has no parameter "{name}"'
                f'{wording.similar(name, known)}.')
    for name, said in known.items():
        if 'default' not in said and name not in (*given, PUBLIC_KEY):
            yield ('parameters', name), (
                f'Parameter "{name}" has no default, and the blueprint '
                'gives it no value.')
    outputs = template.outputs
    for group, said in section.groups.items():
        entry = said.get('entry')
        if entry is not None and entry not in outputs:
            yield (*SECTION, 'groups', group, 'entry'), (
                f'The template has no output "{entry}"'
                f'{wording.similar(str(entry), outputs)}.')
    yield from _nesting(template, section.groups)
    yield from _dangling(template, files)


def _nesting(template: Template, groups: Mapping[str, Object]
             ) -> Iterator[tuple[Path, str]]:
    """A nested template can only be made flat where it is a node."""
    nodes = {resource_of(groups, group) for group in groups}
    for name, resource in template.resources.items():
        single = _single(resource) \
            if resource['type'] == hot.GROUP and name not in nodes \
            else resource
        if str(single.get('type')).endswith(('.yaml', '.template')):
            yield ('resources', name), (
                f'{single["type"]} is not a node group; only those may be '
                'nested templates.')


def _dangling(template: Template, files: Mapping[str, str]
              ) -> Iterator[tuple[Path, str]]:
    """What is named must be there."""
    resources = template.resources
    ends: dict[str, Iterable[str]] = {
        'get_resource': resources, 'get_attr': resources,
        'get_param': [*template.parameters, *hot.PSEUDO],
        'get_file': files}
    for path, word, name in hot.references(template.plain()):
        # What "repeat" and "%index%" name is known to Heat alone.
        if name in ends[word] or 'repeat' in path or '%' in name:
            continue
        if word == 'get_file':
            yield path, f'There is no YAML file "{name}" beside this one.'
        else:
            yield path, (f'There is no {_KIND[word]} "{name}"'
                         f'{wording.similar(name, ends[word])}.')
    for name, resource in resources.items():
        for other in hot.texts(resource.get('depends_on')):
            if other not in resources:
                yield ('resources', name, 'depends_on'), (
                    f'There is no resource "{other}"'
                    f'{wording.similar(other, resources)}.')
