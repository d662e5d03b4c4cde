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

"""Checks a folder that somebody is writing, without any service."""

from __future__ import annotations

from collections.abc import Iterable
import pathlib
import sys

from hpcdirect.blueprints import document
from hpcdirect.blueprints import folders
from hpcdirect.blueprints import layout
from hpcdirect.blueprints import load
from hpcdirect.blueprints.model import Element
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.exception import NotFound


def default_search(folder: pathlib.Path) -> list[pathlib.Path]:
    """Where elements are looked for: beside the blueprint, then installed."""
    return [folder.resolve().parent.parent / 'elements',
            pathlib.Path(__file__).resolve().parents[2] / 'elements',
            pathlib.Path(sys.prefix, 'share', 'hpcdirect', 'elements')]


def validate_folder(path: str | pathlib.Path,
                    search: Iterable[str | pathlib.Path] = ()
                    ) -> list[Finding]:
    """Everything that is wrong with a blueprint's or an element's folder.

    :param search: folders of elements to look in before the usual ones.
    """
    folder = pathlib.Path(path)
    parents = [*map(pathlib.Path, search), *default_search(folder)]
    try:
        if (folder / 'blueprint.yaml').is_file():
            load.load_blueprint(folder, Finder(parents))
            file = folder / 'blueprint.yaml'
        elif (folder / 'element.yaml').is_file():
            load.load_element(folder)
            file = folder / 'element.yaml'
        else:
            return [Finding('There is neither a blueprint.yaml nor an '
                            'element.yaml in this folder.', str(folder))]
        return list(layout.findings(document.read(file)))
    except BlueprintInvalid as exc:
        return list(exc.findings)


class Finder:
    """Finds elements in folders, those of the first folder first."""

    def __init__(self, parents: Iterable[pathlib.Path]) -> None:
        self._entries = [entry for parent in parents
                         for entry in folders.scan(parent, 'element')]

    def __call__(self, ref: str) -> Element:
        """The element of a ``name`` or ``name@version``."""
        entry = folders.pick(self._entries, *folders.split(ref))
        if entry is None:
            raise NotFound(resource='Element', ident=ref,
                           known=sorted({one.name for one in self._entries}))
        return load.load_element(entry.folder)
