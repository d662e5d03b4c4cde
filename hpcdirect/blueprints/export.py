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

"""Takes a blueprint away whole: what it is made from, and its elements."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
import shutil
import tempfile

import yaml

from hpcdirect.blueprints import content
from hpcdirect.blueprints import folders
from hpcdirect.blueprints import load
from hpcdirect.blueprints import validate
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.jsontypes import JSON

#: Line breaks to YAML 1.1 that not every quoting keeps.
_BREAKS = '\x85\u2028\u2029'
_HEAD = """\
# {name}@{version}, written whole: with all that it was made from.

"""


def write(blueprint: Blueprint, target: pathlib.Path) -> None:
    """Write a blueprint and its elements to a new folder.

    ``blueprints/NAME`` and ``elements/...`` in it need nothing else: no
    parent, no element and no module that lies elsewhere.

    :param target: is not there, or is an empty folder.
    :raises OSError: it cannot be written to, or there is something in it.
    :raises BlueprintInvalid: it is in what is copied; or what was written
        is not what was read, since a file was changed in between.
    """
    for folder in (blueprint.folder, *(
            use.element.folder for use in blueprint.elements)):
        if folder.resolve() in target.resolve().parents:
            raise BlueprintInvalid([Finding(
                'It would be written into a folder that is copied; choose '
                'another one.', str(target))])
    with tempfile.TemporaryDirectory(prefix='.', dir=target.parent) as made:
        whole = pathlib.Path(made, 'whole')
        for use in blueprint.elements:
            folder = use.element.folder
            _copy(folder, whole / 'elements' / folder.resolve().name,
                  content.files(folder))
        place = whole / 'blueprints' / blueprint.name
        _copy(blueprint.folder, place, blueprint.paths)
        if blueprint.source.parents:
            (place / folders.FILES['blueprint']).write_text(_HEAD.format(
                name=blueprint.name, version=blueprint.version)
                + plain(blueprint.source.data))
        _check(blueprint, whole)
        whole.rename(target)


def plain(said: JSON) -> str:
    """What a blueprint says, as YAML without anchors and aliases."""
    return yaml.dump(said, Dumper=_Dumper, sort_keys=False,
                     allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Write what comes twice out twice."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Text that is read again as it was."""
        breaks = any(letter in data for letter in _BREAKS)
        return self.represent_scalar('tag:yaml.org,2002:str', data,
                                     style='"' if breaks else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def _copy(folder: pathlib.Path, target: pathlib.Path,
          more: Mapping[str, pathlib.Path]) -> None:
    """Copy a folder and those files that it has from elsewhere."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(
        *content.IGNORED))
    for name, file in more.items():
        if not (target / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target / name)


def _check(blueprint: Blueprint, whole: pathlib.Path) -> None:
    """Have what was written mean what was read, by itself alone."""
    found = load.load_blueprint(whole / 'blueprints' / blueprint.name,
                                validate.Finder([whole / 'elements']))
    if found.digest != blueprint.digest:
        raise BlueprintInvalid([Finding(
            'A file was changed while it was copied; try again.',
            str(blueprint.folder))])
