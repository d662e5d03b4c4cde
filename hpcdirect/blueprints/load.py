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

"""From a folder to an element or a blueprint."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import hashlib
import pathlib

from hpcdirect.blueprints import check
from hpcdirect.blueprints import content
from hpcdirect.blueprints import document
from hpcdirect.blueprints import element_check
from hpcdirect.blueprints import folders
from hpcdirect.blueprints import grading
from hpcdirect.blueprints import icon
from hpcdirect.blueprints import merging
from hpcdirect.blueprints import schema
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.document import Document
from hpcdirect.blueprints.folders import none
from hpcdirect.blueprints.model import ONLY_ROLE
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.blueprints.model import Exporter
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.blueprints.model import NodeGroup
from hpcdirect.blueprints.model import Output
from hpcdirect.blueprints.model import Role
from hpcdirect.blueprints.model import Secret
from hpcdirect.blueprints.model import TrialUse
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.jsontypes import entries
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import texts
from hpcdirect.jsontypes import whole

Elements = Callable[[str], Element]
Parents = Callable[[str], Blueprint]

_FILE = folders.FILES['blueprint']


def load_element(folder: pathlib.Path) -> Element:
    """Read the element in a folder.

    :raises BlueprintInvalid: with every finding.
    """
    source = document.read(folder / 'element.yaml')
    _against(source, schema.element)
    said = members(source.data)
    counted = content.digest(folder, {grading.FILE})
    element = Element(
        name=text(said['name']), version=text(said['version']),
        label=text(said['label']), description=text(said['description']),
        folder=folder, digest=counted,
        runner=text(said.get('runner'), 'ansible'),
        parameters=members(said.get('parameters')) or _NO_PARAMETERS,
        requires=texts(said.get('requires')),
        conflicts=texts(said.get('conflicts')),
        needs=text(said.get('needs'), 'node'), roles=_roles(said),
        secrets=tuple(_secret(name, members(one)) for name, one
                      in members(said.get('secrets')).items()),
        accounts=text(said.get('accounts')),
        system_accounts=texts(said.get('system_accounts')),
        drain_with=texts(said.get('drain_with')),
        rolling=said.get('rolling') is True, data=texts(said.get('data')),
        outputs=members(said.get('outputs')), exporters=_exporters(said),
        readme=_readme(folder), trial=_trial(members(said.get('trial'))),
        grade=grading.read(folder, counted))
    _raise([*_named(source, folder), *element_check.element(source, element)])
    return element


def load_blueprint(folder: pathlib.Path, elements: Elements,
                   parents: Parents = none) -> Blueprint:
    """Read the blueprint in a folder, whole: merged into its parent, if any.

    :param elements: gives the element of a ``name`` or ``name@version``;
        raises NotFound or BlueprintInvalid.
    :param parents: gives the blueprint of ``name@version`` that another one
        is made from; raises the same.
    :raises BlueprintInvalid: with every finding, those of its elements
        among them.
    """
    own = document.read(folder / _FILE)
    if not isinstance(own.data, Mapping) or 'from' not in own.data:
        return _blueprint(own, folder, elements, {})
    _against(own, schema.composed)
    parent = _parent(own, parents)
    source, findings = merging.merged(parent.source, own)
    try:
        blueprint = _blueprint(source, folder, elements, parent.paths)
    except BlueprintInvalid as exc:
        findings.extend(map(source.told, exc.findings))
        raise BlueprintInvalid(dict.fromkeys(findings)) from exc
    _raise(findings)
    return blueprint


def _parent(own: Document, parents: Parents) -> Blueprint:
    """The blueprint that one is made from."""
    ref = text(members(own.data)['from'])
    try:
        return parents(ref)
    except NotFound as exc:
        found = [f'There is no blueprint "{ref}"'
                 f'{wording.similar(ref, exc.known)}.']
    except BlueprintInvalid as exc:
        found = [f'{ref} cannot be used: {one}' for one in exc.findings]
    raise BlueprintInvalid(
        [own.finding(('from',), message) for message in found])


def _blueprint(source: Document, folder: pathlib.Path, elements: Elements,
               inherited: Mapping[str, pathlib.Path]) -> Blueprint:
    """The blueprint of a document.

    :param inherited: the YAML files that lie beside its parents.
    """
    _against(source, schema.blueprint)
    said = members(source.data)
    findings = list(_named(source, folder))
    groups = tuple(_group(name, members(one))
                   for name, one in members(said['node_groups']).items())
    uses = _uses(source, groups, elements, findings)
    counted = {**inherited, **content.files(folder)}
    paths = _beside(counted)
    files = {name: path.read_text(errors='replace')
             for name, path in paths.items()}
    drawn, wrong = icon.read(folder)
    findings += wrong
    infrastructure = {backend: _infrastructure(members(one)) for backend, one
                      in members(said['infrastructure']).items()}
    blueprint = Blueprint(
        name=text(said['name']), version=text(said['version']),
        label=text(said['label']), description=text(said['description']),
        folder=folder, digest=_digest(said, counted, uses.values()),
        parameters=members(said.get('parameters')) or _NO_PARAMETERS,
        node_groups=groups, infrastructure=infrastructure,
        volumes=tuple(_volume(name, members(one)) for name, one
                      in members(said.get('volumes')).items()),
        elements=tuple(uses.values()),
        outputs=tuple(_output(name, members(one)) for name, one
                      in members(said.get('outputs')).items()),
        login=text(said.get('login'), groups[0].name),
        fields=texts(said.get('fields')), icon=drawn,
        readme=_readme(folder), files=files, templates={
            backend: files[one.template]
            for backend, one in infrastructure.items()
            if one.template in files},
        paths=paths, source=source)
    findings.extend(check.blueprint(source, blueprint, uses))
    _raise(findings)
    return blueprint


_NO_PARAMETERS: Object = {
    'type': 'object', 'properties': {}, 'additionalProperties': False}


def _beside(files: Mapping[str, pathlib.Path]) -> dict[str, pathlib.Path]:
    """Those that are YAML files beside blueprint.yaml."""
    return {name: files[name] for name in sorted(files)
            if name.endswith('.yaml') and '/' not in name and name != _FILE}


def _digest(said: Object, files: Mapping[str, pathlib.Path],
            uses: Iterable[ElementUse]) -> str:
    """What a blueprint's digest covers: what it is when written whole."""
    own = content.total({name: content.meaning(file)
                         for name, file in files.items() if name != _FILE}
                        | {_FILE: content.spoken(said)})
    total = hashlib.sha256(own.encode())
    for use in uses:
        total.update(f'\0{use.element.name}\0{use.element.digest}'.encode())
    return total.hexdigest()


def _against(source: Document, wanted: Object) -> None:
    """Hold a document to its schema; all else builds on that."""
    findings = []
    for path, message in wording.findings(wanted, source.data):
        name = '.'.join(map(str, path)) or 'The file'
        findings.append(source.finding(path, f'{name} {message}.'))
    _raise(findings)


def _raise(findings: list[Finding]) -> None:
    if findings:
        raise BlueprintInvalid(dict.fromkeys(findings))


def _named(source: Document, folder: pathlib.Path) -> Iterator[Finding]:
    """A folder is NAME or NAME@VERSION, and says the same inside."""
    name, _, version = folder.resolve().name.partition('@')
    said = members(source.data)
    for key, outside in (('name', name), ('version', version)):
        if outside and said[key] != outside:
            yield source.finding((key,), (
                f'{key} is "{said[key]}"; by its folder it is '
                f'"{outside}".'))


def _readme(folder: pathlib.Path) -> str:
    for name in ('README.rst', 'README.md'):
        if (folder / name).is_file():
            return (folder / name).read_text('utf-8', 'replace')
    return ''


def _roles(said: Object) -> tuple[Role, ...]:
    if not said.get('roles'):
        return (Role(ONLY_ROLE, text(said.get('scope'), 'node'),
                     texts(said.get('watches'))),)
    return tuple(_role(name, members(one))
                 for name, one in members(said['roles']).items())


def _role(name: str, said: Object) -> Role:
    return Role(name, text(said.get('scope'), 'node'),
                texts(said.get('watches')),
                texts(said['parameters']) if 'parameters' in said else None)


def _secret(name: str, said: Object) -> Secret:
    return Secret(name, text(said.get('kind'), Secret.kind),
                  whole(said.get('bytes'), Secret.bytes))


def _exporters(said: Object) -> tuple[Exporter, ...]:
    every = tuple(members(said.get('roles'))) or (ONLY_ROLE,)
    return tuple(_exporter(name, members(one), every) for name, one
                 in members(said.get('exporters')).items())


def _exporter(name: str, said: Object, every: tuple[str, ...]) -> Exporter:
    return Exporter(name, whole(said['port']),
                    texts(said.get('roles')) or every)


def _trial(said: Object) -> TrialUse:
    return TrialUse(
        members(said.get('parameters')), _lists(said.get('roles')),
        texts(said.get('with')),
        {name: text(mount)
         for name, mount in members(said.get('volumes')).items()},
        texts(said.get('state')))


def _lists(said: JSON) -> dict[str, tuple[str, ...]]:
    """Lists of names, by name."""
    return {name: texts(one) for name, one in members(said).items()}


def _group(name: str, said: Object) -> NodeGroup:
    most, count = said.get('max_unavailable'), said.get('count', 1)
    return NodeGroup(
        name, text(said.get('label'), name),
        text(count['parameter']) if isinstance(count, Mapping)
        else whole(count),
        whole(said.get('min_count')), whole(said.get('max_count'), 1000),
        text(most) or whole(most) or NodeGroup.max_unavailable)


def _infrastructure(said: Object) -> Infrastructure:
    return Infrastructure(
        {name: members(one)
         for name, one in members(said.get('groups')).items()},
        text(said.get('template')),
        {name: one for name, one in said.items()
         if name not in ('groups', 'template')})


def _volume(name: str, said: Object) -> VolumeUse:
    return VolumeUse(name, text(said['mount']), texts(said['groups']))


def _output(name: str, said: Object) -> Output:
    return Output(
        name, text(said['title']), text(said['kind']), text(said['value']),
        text(said.get('description')),
        {name: _wire(wire)
         for name, wire in members(said.get('with')).items()},
        _wire(said.get('when')))


def _wire(said: JSON) -> Mapping[str, str]:
    return {kind: text(end) for kind, end in members(said).items()}


def _uses(source: Document, groups: tuple[NodeGroup, ...],
          elements: Elements, findings: list[Finding]
          ) -> dict[int, ElementUse]:
    """Position -> element, of those that can be had; others are found."""
    uses = {}
    every = tuple(group.name for group in groups)
    for number, one in enumerate(entries(
            members(source.data).get('elements'))):
        said = members(one)
        name = text(said['name'])
        try:
            element = elements(name)
        except NotFound as exc:
            findings.append(source.finding(
                ('elements', number, 'name'),
                f'There is no element "{name}"'
                f'{wording.similar(name, exc.known)}.'))
            continue
        except BlueprintInvalid as exc:
            findings.extend(exc.findings)
            continue
        roles = _lists(said['roles']) if 'roles' in said else {
            ONLY_ROLE: texts(said.get('groups')) or every}
        uses[number] = ElementUse(
            element, roles, members(said.get('variables')),
            text(members(said.get('when')).get('parameter')))
    return uses
