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
from typing import Any

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
from hpcdirect.blueprints.model import ONLY_ROLE
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import ElementUse
from hpcdirect.blueprints.model import Exporter
from hpcdirect.blueprints.model import NodeGroup
from hpcdirect.blueprints.model import Output
from hpcdirect.blueprints.model import Role
from hpcdirect.blueprints.model import Secret
from hpcdirect.blueprints.model import TrialUse
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.blueprints.parents import none
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.exception import NotFound

Elements = Callable[[str], Element]
Parents = Callable[[str], Blueprint]

_FILE = folders.FILES['blueprint']


def load_element(folder: pathlib.Path) -> Element:
    """Read the element in a folder.

    :raises BlueprintInvalid: with every finding.
    """
    source = document.read(folder / 'element.yaml')
    _against(source, schema.element)
    data = source.data
    counted = content.digest(folder, {grading.FILE})
    element = Element(
        name=data['name'], version=data['version'], label=data['label'],
        description=data['description'], folder=folder,
        digest=counted, runner=data.get('runner', 'ansible'),
        parameters=data.get('parameters', _NO_PARAMETERS),
        requires=tuple(data.get('requires', ())),
        conflicts=tuple(data.get('conflicts', ())),
        needs=data.get('needs', 'node'), roles=_roles(data),
        secrets=tuple(Secret(name, **(said or {})) for name, said
                      in data.get('secrets', {}).items()),
        accounts=data.get('accounts', ''),
        system_accounts=tuple(data.get('system_accounts', ())),
        drain_with=tuple(data.get('drain_with', ())),
        rolling=data.get('rolling', False),
        data=tuple(data.get('data', ())),
        outputs=data.get('outputs', {}), exporters=_exporters(data),
        readme=_readme(folder),
        trial=_trial(data.get('trial', {})),
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
    ref = own.data['from']
    try:
        return parents(ref)
    except NotFound as exc:
        known: Any = exc.values.get('known', ())
        found = [f'There is no blueprint "{ref}"'
                 f'{wording.similar(ref, known)}.']
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
    data = source.data
    findings = list(_named(source, folder))
    groups = tuple(_group(name, said or {})
                   for name, said in data['node_groups'].items())
    uses = _uses(source, groups, elements, findings)
    counted = {**inherited, **content.files(folder)}
    paths = _beside(counted)
    files = {name: path.read_text(errors='replace')
             for name, path in paths.items()}
    drawn, wrong = icon.read(folder)
    findings += wrong
    blueprint = Blueprint(
        name=data['name'], version=data['version'], label=data['label'],
        description=data['description'], folder=folder,
        digest=_digest(data, counted, uses.values()),
        parameters=data.get('parameters', _NO_PARAMETERS),
        node_groups=groups, infrastructure=data['infrastructure'],
        volumes=tuple(VolumeUse(name, said['mount'], tuple(said['groups']))
                      for name, said in data.get('volumes', {}).items()),
        elements=tuple(uses.values()),
        outputs=tuple(_output(name, said) for name, said
                      in data.get('outputs', {}).items()),
        login=data.get('login', groups[0].name),
        fields=tuple(data.get('fields', ())), icon=drawn,
        readme=_readme(folder), files=files, templates={
            backend: files[section['template']] for backend, section
            in data['infrastructure'].items()
            if section.get('template') in files},
        paths=paths, source=source)
    findings.extend(check.blueprint(source, blueprint, uses))
    _raise(findings)
    return blueprint


_NO_PARAMETERS: Mapping[str, Any] = {
    'type': 'object', 'properties': {}, 'additionalProperties': False}


def _beside(files: Mapping[str, pathlib.Path]) -> dict[str, pathlib.Path]:
    """Those that are YAML files beside blueprint.yaml."""
    return {name: files[name] for name in sorted(files)
            if name.endswith('.yaml') and '/' not in name and name != _FILE}


def _digest(said: Any, files: Mapping[str, pathlib.Path],
            uses: Iterable[ElementUse]) -> str:
    """What a blueprint's digest covers: what it is when written whole."""
    own = content.total({name: content.meaning(file)
                         for name, file in files.items() if name != _FILE}
                        | {_FILE: content.spoken(said)})
    total = hashlib.sha256(own.encode())
    for use in uses:
        total.update(f'\0{use.element.name}\0{use.element.digest}'.encode())
    return total.hexdigest()


def _against(source: Document, wanted: Mapping[str, Any]) -> None:
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
    for key, outside in (('name', name), ('version', version)):
        if outside and source.data[key] != outside:
            yield source.finding((key,), (
                f'{key} is "{source.data[key]}"; by its folder it is '
                f'"{outside}".'))


def _readme(folder: pathlib.Path) -> str:
    for name in ('README.rst', 'README.md'):
        if (folder / name).is_file():
            return (folder / name).read_text('utf-8', 'replace')
    return ''


def _roles(data: Mapping[str, Any]) -> tuple[Role, ...]:
    said = data.get('roles') or {ONLY_ROLE: data}
    return tuple(_role(name, one or {}, 'roles' in data)
                 for name, one in said.items())


def _role(name: str, said: Mapping[str, Any], own: bool) -> Role:
    """A role; *own* when what is said is said of it, not of the element."""
    minded = said.get('parameters') if own else None
    return Role(name, said.get('scope', 'node'),
                tuple(said.get('watches', ())),
                None if minded is None else tuple(minded))


def _exporters(data: Mapping[str, Any]) -> tuple[Exporter, ...]:
    every = tuple(data.get('roles') or (ONLY_ROLE,))
    return tuple(Exporter(name, said['port'],
                          tuple(said.get('roles', every)))
                 for name, said in data.get('exporters', {}).items())


def _trial(said: Mapping[str, Any]) -> TrialUse:
    return TrialUse(
        said.get('parameters', {}),
        {role: tuple(groups) for role, groups
         in said.get('roles', {}).items()},
        tuple(said.get('with', ())), said.get('volumes', {}),
        tuple(said.get('state', ())))


def _group(name: str, said: Mapping[str, Any]) -> NodeGroup:
    count = said.get('count', 1)
    if isinstance(count, Mapping):
        count = count['parameter']
    return NodeGroup(name, said.get('label', name), count,
                     said.get('min_count', 0), said.get('max_count', 1000),
                     said.get('max_unavailable', '25%'))


def _output(name: str, said: Mapping[str, Any]) -> Output:
    return Output(name, said['title'], said['kind'], said['value'],
                  said.get('description', ''), said.get('with', {}),
                  said.get('when', {}))


def _uses(source: Document, groups: tuple[NodeGroup, ...],
          elements: Elements, findings: list[Finding]
          ) -> dict[int, ElementUse]:
    """Position -> element, of those that can be had; others are found."""
    uses = {}
    for number, said in enumerate(source.data.get('elements', ())):
        try:
            element = elements(said['name'])
        except NotFound as exc:
            known: Any = exc.values.get('known', ())
            findings.append(source.finding(
                ('elements', number, 'name'),
                f'There is no element "{said["name"]}"'
                f'{wording.similar(said["name"], known)}.'))
            continue
        except BlueprintInvalid as exc:
            findings.extend(exc.findings)
            continue
        every = said.get('groups', [group.name for group in groups])
        roles = said.get('roles', {ONLY_ROLE: every})
        uses[number] = ElementUse(
            element, {role: tuple(names) for role, names in roles.items()},
            said.get('variables', {}),
            said.get('when', {}).get('parameter', ''))
    return uses
