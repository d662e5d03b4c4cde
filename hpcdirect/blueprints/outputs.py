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

"""What a cluster offers people: something to open, to type or to know."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import re
import shlex
import string
from typing import Any
import urllib.parse

from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Output

#: Of a kind: what makes a value safe there, whatever it holds.
_FILLED: Mapping[str, Callable[[str], str]] = {
    'url': lambda value: urllib.parse.quote(value, safe=':[]._~-'),
    'command': shlex.quote, 'text': str}
#: A scheme that a browser runs nothing for, and a place.
_URL = re.compile(r'https?://[^\s/]')


def faults(output: Output) -> Iterator[str]:
    """What is wrong with an output by itself, a sentence each."""
    template = string.Template(output.value)
    if not template.is_valid():
        yield ('A "$" stands before what is not a name; write "$$" for a '
               'dollar.')
        return
    named = template.get_identifiers()
    for name in named:
        if name not in output.wires:
            yield f'"with" does not say what ${name} is.'
    for name in output.wires:
        if name not in named:
            yield f'There is no ${name} in it, which "with" names.'
    if output.kind == 'url' and not _URL.match(output.value):
        yield 'A url begins with http:// or https://.'
    if output.kind == 'command' and '\n' in output.value.strip():
        yield 'A command is one line.'


def told(outputs: Iterable[Output], given: Mapping[str, Any],
         known: Mapping[str, Any]) -> list[dict[str, str]]:
    """Those that have a value now, with it.

    :param given: the cluster's parameters.
    :param known: ``ELEMENT.NAME`` -> value, of elements that are on.
    """
    found = []
    for one in outputs:
        values = {name: parameters.resolve(wire, given, known)
                  for name, wire in one.wires.items()}
        if None in values.values() or (
                one.when and not parameters.resolve(one.when, given, known)):
            continue
        fill = _FILLED[one.kind]
        found.append({
            'name': one.name, 'title': one.title, 'kind': one.kind,
            'description': one.description,
            'value': string.Template(one.value).substitute({
                name: fill(str(value)) for name, value in values.items()
            }).strip()})
    return found
