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

"""From what somebody names to trials of it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import pathlib
from typing import TypeVar

from oslo_config import cfg

from hpcdirect.blueprints import folders
from hpcdirect.blueprints import load
from hpcdirect.blueprints import validate
from hpcdirect.blueprints.model import Element
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.jsontypes import Object
from hpcdirect.runners.ansible import check
from hpcdirect.sources.package import PackageSource
from hpcdirect.trials.layout import Wish

T = TypeVar('T')


@dataclasses.dataclass(frozen=True)
class Asked:
    """Which elements are to be tried out, and how.

    :param elements: their folders or names; ``NAME@VERSION`` is a name too.
    :param search: folders of elements to look in before the usual ones.
    :param below: names of what they stand on, besides what they require.
    :param parameters: NAME or ELEMENT.NAME -> value; without an element
        it is of the one that is tried.
    :param roles: ROLE or ELEMENT.ROLE -> node groups, likewise.
    :param together: all of them in one trial.
    :param compute: nodes of group compute.
    :param record: keep the grade of each in its folder.
    """

    elements: Sequence[str]
    search: Sequence[str] = ()
    below: Sequence[str] = ()
    parameters: Object = dataclasses.field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict)
    together: bool = False
    compute: int = 1
    record: bool = False


class Selection:
    """The elements that were named, found.

    They are looked for beside those that were named by their folders, here,
    and in what is installed.
    """

    def __init__(self, asked: Asked) -> None:
        given = [*map(pathlib.Path, asked.elements)]
        there = {path: (path / folders.FILES['element']).is_file()
                 for path in given}
        roots = PackageSource(cfg.ConfigOpts()).roots()
        self._find = validate.Finder(dict.fromkeys((
            *map(pathlib.Path, asked.search),
            *(path.resolve().parent for path in given if there[path]),
            pathlib.Path('elements').resolve(),
            *(root / 'elements' for root in roots),
            *validate.default_search(pathlib.Path('x/x')))))
        self.elements = tuple(
            self._checked(load.load_element(path) if there[path]
                          else self.find(str(path))) for path in given)

    def find(self, name: str) -> Element:
        """The element of that name.

        :raises Invalid: there is none.
        :raises BlueprintInvalid: it is written wrongly.
        """
        try:
            return self._checked(self._find(name))
        except NotFound as exc:
            raise Invalid([Finding(
                f'There is no element "{name}", and no folder of that name '
                f'with an element.yaml. Known: {", ".join(exc.known)}.')
            ]) from exc

    def wishes(self, asked: Asked) -> list[Wish]:
        """A trial of each element, or one of all of them."""
        wishes = []
        for several in ([self.elements] if asked.together
                        else [(one,) for one in self.elements]):
            only = several[0].name if len(several) == 1 else ''
            wishes.append(Wish(
                several, tuple(asked.below),
                _parted(asked.parameters, only),
                _parted(asked.roles, only)))
        return wishes

    @staticmethod
    def _checked(one: Element) -> Element:
        """One whose playbooks can be played as well."""
        found = check.findings(one) if one.runner == 'ansible' else [
            Finding(f'Its runner is {one.runner}; only elements of the '
                    'ansible runner can be tried.', str(one.folder))]
        if found:
            raise BlueprintInvalid(found)
        return one


def _parted(given: Mapping[str, T], only: str) -> dict[str, dict[str, T]]:
    """ELEMENT.NAME by element, then by name."""
    parted: dict[str, dict[str, T]] = {}
    for key, value in given.items():
        element, dot, name = key.rpartition('.')
        if not dot and not only:
            raise Invalid([Finding(
                f'Of which element is {key}? Write ELEMENT.{key}.')])
        parted.setdefault(element or only, {})[name] = value
    return parted
