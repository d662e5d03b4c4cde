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

"""The grade of an element, as it is kept in the element's own folder.

The file is no part of the element's content: it says of which content it is
true. So an element that was changed has no grade any more.
"""

from __future__ import annotations

import dataclasses
import pathlib

import yaml

from hpcdirect.blueprints import document
from hpcdirect.blueprints import schema
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.model import Grade
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import members
from hpcdirect.jsontypes import number
from hpcdirect.jsontypes import text
from hpcdirect.jsontypes import texts
from hpcdirect.jsontypes import whole

FILE = 'grade.yaml'

_HEAD = '''\
# What "openstack hpc element test --record" found. It holds for one digest of
# the other files; test again after a change of them.
'''


def read(folder: pathlib.Path, digest: str) -> Grade | None:
    """The grade of an element with that digest; None: there is none.

    :raises BlueprintInvalid: the file is not such a file.
    """
    if not (folder / FILE).is_file():
        return None
    source = document.read(folder / FILE)
    found = [source.finding(path, f'{".".join(map(str, path)) or "The file"} '
                                  f'{message}.')
             for path, message in wording.findings(schema.grade,
                                                   source.data)]
    if found:
        raise BlueprintInvalid(found)
    said = members(source.data)
    if said['digest'] != digest:
        return None
    return Grade(
        text(said['grade']), digest,
        {role: texts(lines)
         for role, lines in members(said.get('left')).items()},
        texts(said.get('data')),
        {group: whole(count)
         for group, count in members(said.get('nodes')).items()},
        texts(said.get('elements')), members(said.get('parameters')),
        {verb: number(seconds)
         for verb, seconds in members(said.get('seconds')).items()},
        whole(said.get('packages')), number(said.get('mib')),
        text(said.get('operating_system')), text(said.get('tested_at')))


def plain(grade: Grade) -> dict[str, JSON]:
    """A grade as JSON has it."""
    return {**dataclasses.asdict(grade), 'data': list(grade.data),
            'elements': list(grade.elements),
            'left': {role: list(lines)
                     for role, lines in grade.left.items()}}


def write(folder: pathlib.Path, grade: Grade) -> None:
    """Keep a grade in an element's folder, in one move.

    :raises OSError: the folder cannot be written to.
    """
    new = folder / f'.{FILE}.swp'  # a name that is no part of the content
    new.write_text(_HEAD + yaml.safe_dump(
        plain(grade), sort_keys=False, allow_unicode=True))
    new.replace(folder / FILE)
