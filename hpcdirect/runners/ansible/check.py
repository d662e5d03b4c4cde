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

"""Finds what is wrong with an element's playbooks without playing them."""

from __future__ import annotations

from collections.abc import Iterator
import pathlib
import re

import yaml

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Element
from hpcdirect.exception import Finding
from hpcdirect.runners.ansible.folder import ansible_name
from hpcdirect.runners.base import Verb

_NEEDED = (Verb.APPLY, Verb.REVERT, Verb.VERIFY)
_Loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_LOCAL = ('localhost', '127.0.0.1', '::1')
_RESERVED = ('hpc', 'hpc_node', 'hpc_secrets', 'tags')
_VARIABLE = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')


def findings(element: Element) -> list[Finding]:
    """All that is wrong with an element's files, in their order."""
    found = list(_parameters(element))
    for verb in Verb:
        if element.can(verb):
            found += _playbook(element, element.playbook(verb))
        elif verb in _NEEDED:
            found.append(Finding(f'The element has no {verb}.yaml.',
                                 f'{verb}.yaml'))
    for path in sorted(element.folder.glob('roles/*/[th]a*/**/*.y*ml')):
        for node in _documents(element, path, found):
            found += _tasks(node, _name(element, path))
    return found


def _parameters(element: Element) -> Iterator[Finding]:
    for name in parameters.properties(element.parameters):
        if (name in _RESERVED or name.startswith('ansible_')
                or not _VARIABLE.fullmatch(name)):
            yield Finding(
                f'A parameter cannot be named {name}: Ansible or hpcdirect '
                'uses the name, or it is not the name of a variable.',
                f'element.yaml: $.parameters.properties.{name}')


def _playbook(element: Element, path: pathlib.Path) -> list[Finding]:
    found: list[Finding] = []
    name = _name(element, path)
    groups = {ansible_name(f'{element.name}_{role.name}')
              for role in element.roles}
    for node in _documents(element, path, found):
        if not isinstance(node, yaml.SequenceNode) or not all(
                isinstance(play, yaml.MappingNode) for play in node.value):
            found.append(Finding('A playbook is a list of plays.',
                                 _where(name, node)))
            continue
        for play in node.value:
            found += _play(play, name, groups)
        found += _tasks(node, name)
    return found


def _play(play: yaml.MappingNode, name: str, groups: set[str]
          ) -> Iterator[Finding]:
    hosts = _value(play, 'hosts')
    if hosts is None:
        yield Finding('A play of an element names its hosts and imports no '
                      'other playbook.', _where(name, play))
        return
    items = (hosts.value if isinstance(hosts, yaml.SequenceNode)
             else [hosts])
    for item in items:
        for word in re.split(r'[,:]', str(item.value)):
            if word.strip().lstrip('&!') not in groups:
                yield Finding(
                    f'hosts {word.strip()!r} is none of the groups of this '
                    f'element ({", ".join(sorted(groups))}).',
                    _where(name, item))


def _tasks(node: yaml.Node, name: str) -> Iterator[Finding]:
    """What a play or task must not say, wherever in it."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _tasks(each, name)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            reason = _refused(str(key.value), value)
            if reason:
                yield Finding(reason, _where(name, key))
            yield from _tasks(value, name)


def _refused(key: str, value: yaml.Node) -> str:
    said = str(value.value) if isinstance(value, yaml.ScalarNode) else ''
    if key in ('connection', 'ansible_connection') and said:
        return ('Elements work on nodes over ssh: connection must not be '
                'set.')
    if key in ('local_action', 'ansible.builtin.local_action'):
        return 'local_action would run on the conductor.'
    if key == 'delegate_to' and said.strip() in _LOCAL:
        return 'delegate_to localhost would run on the conductor.'
    if key == 'ansible_shell_executable':
        return 'ansible_shell_executable is what fences off older runs.'
    if key == 'async' and said.strip() != '0':
        return ('async work goes on when a run was ended and a newer one '
                'begins; let the task wait.')
    return ''


def _documents(element: Element, path: pathlib.Path, found: list[Finding]
               ) -> list[yaml.Node]:
    try:
        text = path.read_text(encoding='utf-8')
        return [node for node in yaml.compose_all(
            text, Loader=_Loader) if node is not None]
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 1
        found.append(Finding(f'This is no YAML: {exc.problem}.',
                             f'{_name(element, path)}:{line}'))
    except (OSError, ValueError, yaml.YAMLError) as exc:
        found.append(Finding(f'This cannot be read: {exc}.',
                             _name(element, path)))
    return []


def _value(node: yaml.MappingNode, name: str) -> yaml.Node | None:
    return next((value for key, value in node.value if key.value == name),
                None)


def _name(element: Element, path: pathlib.Path) -> str:
    return str(path.relative_to(element.folder))


def _where(name: str, node: yaml.Node) -> str:
    return f'{name}:{node.start_mark.line + 1}'
