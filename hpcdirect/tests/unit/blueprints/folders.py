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

"""Writes blueprint and element folders for tests."""

from collections.abc import Callable
from collections.abc import Collection
import copy
import itertools
import pathlib
import time
from typing import Any

import yaml

MUNGE: dict[str, Any] = {
    'name': 'munge', 'version': '1.0.0', 'label': 'Munge',
    'description': 'Trust.', 'secrets': {'key': {'kind': 'random',
                                                 'bytes': 128}},
    'outputs': {'port': 1234},
}
SLURM: dict[str, Any] = {
    'name': 'slurm', 'version': '1.0.0', 'label': 'Slurm',
    'description': 'Scheduler.',
    'parameters': {
        'type': 'object', 'additionalProperties': False,
        'properties': {'partition': {'type': 'string', 'default': 'all'},
                       'slots': {'type': 'integer', 'minimum': 1}}},
    'requires': ['munge'],
    'roles': {'controller': {'scope': 'cluster',
                             'watches': ['compute.names']},
              'compute': {'watches': ['controller.addresses']}},
    'drain_with': ['controller'],
    'outputs': {'address': {'role': 'controller', 'fact': 'address'}},
}
BLUEPRINT: dict[str, Any] = {
    'name': 'small', 'version': '1.2.0', 'label': 'Small',
    'description': 'A small cluster.',
    'parameters': {
        'type': 'object', 'additionalProperties': False,
        'properties': {
            'compute_count': {'type': 'integer', 'minimum': 1,
                              'maximum': 64, 'default': 2},
            'memory': {'type': 'integer', 'default': 512},
            'partition': {'type': 'string'},
            'scheduler': {'type': 'boolean', 'default': True},
            'users': {
                'type': 'array', 'default': [], 'items': {
                    'type': 'object', 'additionalProperties': False,
                    'required': ['name'], 'properties': {
                        'name': {'type': 'string',
                                 'pattern': '^[a-z]+$'},
                        'sudo': {'type': 'boolean', 'default': False}}}},
        }},
    'node_groups': {
        'head': {'label': 'Head', 'count': 1, 'min_count': 1,
                 'max_count': 1},
        'compute': {'count': {'parameter': 'compute_count'},
                    'min_count': 1, 'max_count': 64}},
    'login': 'head',
    'infrastructure': {'local': {'groups': {
        'head': {'memory_mib': {'parameter': 'memory'}},
        'compute': {'memory_mib': 256}}}},
    'volumes': {'home': {'mount': '/home', 'groups': ['head', 'compute']}},
    'elements': [
        {'name': 'munge'},
        {'name': 'slurm', 'when': {'parameter': 'scheduler'},
         'roles': {'controller': ['head'], 'compute': ['compute']},
         'variables': {'partition': {'parameter': 'partition'},
                       'slots': 4}}],
}
#: One that is made from BLUEPRINT.
CHILD: dict[str, Any] = {
    'name': 'child', 'version': '2.0.0', 'from': 'small@1',
    'label': 'Child', 'description': 'A small cluster with a difference.',
    'parameters': {'properties': {
        'memory': {'default': 1024},
        'scheduler': None,
        'words': {'type': 'string', 'default': ''}}},
    'elements': [{'name': 'slurm', 'when': None, 'variables': {
        'partition': 'all', 'slots': 8}}],
}
VERBS = ('apply', 'revert', 'verify')


def write_element(parent: pathlib.Path, data: dict[str, Any],
                  verbs: tuple[str, ...] = VERBS) -> pathlib.Path:
    """Write an element's folder below *parent*."""
    folder = parent / data['name']
    folder.mkdir(parents=True)
    (folder / 'element.yaml').write_text(
        yaml.safe_dump(data, sort_keys=False))
    for verb in verbs:
        (folder / f'{verb}.yaml').write_text('[]\n')
    return folder


def write_tree(root: pathlib.Path, blueprint: dict[str, Any] = BLUEPRINT,
               elements: tuple[dict[str, Any], ...] = (MUNGE, SLURM)
               ) -> pathlib.Path:
    """Write a blueprint and its elements; the blueprint's folder."""
    for element in elements:
        write_element(root / 'elements', element)
    folder = write_blueprint(root, blueprint)
    (folder / 'README.rst').write_text('Read me.\n')
    return folder


def write_blueprint(root: pathlib.Path, data: dict[str, Any],
                    called: str = '') -> pathlib.Path:
    """Write a blueprint's folder below *root*, called by its name or so."""
    folder = root / 'blueprints' / (called or data['name'])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'blueprint.yaml').write_text(
        yaml.safe_dump(data, sort_keys=False))
    return folder


def noticed(root: pathlib.Path, names: Callable[[], Collection[str]]
            ) -> None:
    """Wait until what is in *root* now is what others know of it.

    :param names: the elements that they know; one that is written here is
        waited for, since nobody sees it before what was written earlier.
    """
    name = next(name for number in itertools.count()
                if not (root / 'elements' / (
                    name := f'noticed{number}')).exists())
    write_element(root / 'elements', {**MUNGE, 'name': name})
    end = time.monotonic() + 60
    while name not in names():
        if time.monotonic() > end:
            raise AssertionError(f'Nobody sees what is in {root}.')
        time.sleep(0.02)


def changed(data: dict[str, Any], *path: Any, to: Any) -> dict[str, Any]:
    """A copy of *data* in which one thing is different."""
    new = copy.deepcopy(data)
    here = new
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = to
    return new
