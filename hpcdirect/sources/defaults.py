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

"""What a site's operator gives for parameters that people leave open.

Blueprints come from elsewhere and know neither a site's images nor its file
systems. With a default of the site's nobody has to know them.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import pathlib

from hpcdirect.blueprints import document
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import wording
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.exception import BlueprintInvalid
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import members

_OPTION = '[blueprints] default'


@dataclasses.dataclass(frozen=True)
class _Default:
    """One of them.

    :param blueprint: whose parameter; empty is whichever has it.
    """

    blueprint: str
    parameter: str
    value: JSON


class Defaults:
    """The defaults of a site, put into blueprints as they are read.

    :param lines: ``PARAMETER: VALUE`` or ``BLUEPRINT.PARAMETER: VALUE`` in
        YAML; the narrower one counts, then the later one.
    :raises Invalid: with every line that is neither.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        findings: list[Finding] = []
        self._all = sorted(
            (one for line in lines for one in _read(line, findings)),
            key=lambda one: bool(one.blueprint))
        if findings:
            raise Invalid(findings)

    def put(self, blueprint: Blueprint) -> Blueprint:
        """The blueprint with the site's defaults instead of its own.

        :raises BlueprintInvalid: a default is not a value of its parameter.
        """
        known = parameters.properties(blueprint.parameters)
        values = {one.parameter: one.value for one in self._all
                  if one.blueprint == blueprint.name
                  or (not one.blueprint and one.parameter in known)}
        if not values:
            return blueprint
        findings = [
            Finding(f'has no parameter {name}'
                    f'{wording.similar(name, known)}',
                    f'{_OPTION}: {blueprint.name}.{name}')
            for name in values.keys() - known.keys()]
        findings += [
            Finding(message, f'{_OPTION}: {".".join(map(str, path))}')
            for path, message in wording.findings(
                {'type': 'object', 'properties': known}, values)]
        if findings:
            raise BlueprintInvalid(findings)
        return dataclasses.replace(blueprint, parameters={
            **blueprint.parameters, 'properties': {
                **known, **{name: {**members(known[name]), 'default': value}
                            for name, value in values.items()}}})


def _read(line: str, findings: list[Finding]) -> Iterator[_Default]:
    """The defaults of one line; what is wrong with it goes to *findings*."""
    try:
        said = document.parse(line.encode(), pathlib.Path(_OPTION)).data
    except BlueprintInvalid:
        said = None
    if not isinstance(said, dict):
        findings.append(Finding(
            f'is "{line}"; PARAMETER: VALUE or BLUEPRINT.PARAMETER: VALUE '
            'is meant', _OPTION))
        return
    for name, value in said.items():
        blueprint, _, parameter = str(name).rpartition('.')
        yield _Default(blueprint, parameter, value)
