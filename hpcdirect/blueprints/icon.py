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

"""A blueprint's icon: of SVG what can only draw, written anew.

An SVG file may run programs, fetch things and be styled from outside. So an
icon takes a handful of elements and attributes whose values are numbers,
colours and paths, and what is shown is not the file: it is written from what
was understood of it.
"""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
import re
from xml.parsers import expat

from hpcdirect.blueprints import wording
from hpcdirect.exception import Finding

FILE = 'icon.svg'
#: What a file may have at most; a list shows many.
MAX_BYTES = 8 * 1024

_SVG = 'http://www.w3.org/2000/svg'
_NUMBERS = r'[0-9eE+\-., \n]*'
_COLOUR = r'none|#[0-9a-fA-F]{3,8}|[a-z]{3,30}'
_MOVES = 'matrix|rotate|scale|skewX|skewY|translate'
#: Attribute -> pattern of its values.
_ATTRIBUTES: Mapping[str, str] = {
    **dict.fromkeys((
        'viewBox', 'width', 'height', 'x', 'y', 'x1', 'y1', 'x2', 'y2', 'cx',
        'cy', 'r', 'rx', 'ry', 'points', 'opacity', 'fill-opacity',
        'stroke-opacity', 'stroke-width', 'stroke-miterlimit',
        'stroke-dasharray', 'stroke-dashoffset'), _NUMBERS),
    'd': r'[MmLlHhVvCcSsQqTtAaZz0-9eE+\-., \n]*',
    'transform': rf'(\s*({_MOVES})\({_NUMBERS}\)\s*,?)*',
    'fill': _COLOUR, 'stroke': _COLOUR,
    'fill-rule': 'nonzero|evenodd',
    'stroke-linecap': 'butt|round|square',
    'stroke-linejoin': 'miter|round|bevel',
    'version': r'[0-9.]{1,9}',
}
_ELEMENTS = ('svg', 'g', 'path', 'rect', 'circle', 'ellipse', 'line',
             'polyline', 'polygon')


def read(folder: pathlib.Path) -> tuple[str, list[Finding]]:
    """The icon that lies in a blueprint's folder.

    :returns: SVG to be shown, '' when there is none; and all that is wrong.
    """
    file = folder / FILE
    if not file.is_file():
        return '', []
    try:
        with file.open('rb') as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as exc:
        return '', [Finding(f'Cannot be read: {exc.strerror}.', f'{file}:1')]
    if len(content) > MAX_BYTES:
        return '', [Finding(f'Larger than {MAX_BYTES // 1024} KiB.',
                            f'{file}:1')]
    return _Reader(file).read(content)


class _Refused(Exception):
    """Nothing behind this is looked at."""


class _Reader:
    """Takes one file apart, and writes down what it takes of it."""

    def __init__(self, file: pathlib.Path) -> None:
        self._file = file
        self._findings: list[Finding] = []
        self._parts: list[str] = []
        self._open: list[str] = []
        self._parser = parser = expat.ParserCreate(namespace_separator=' ')
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.ProcessingInstructionHandler = self._instruction
        # With it go entities, which can be made to grow without end.
        parser.StartDoctypeDeclHandler = self._doctype

    def read(self, content: bytes) -> tuple[str, list[Finding]]:
        """Text and findings of a file's content."""
        try:
            self._parser.Parse(content, True)
        except expat.ExpatError as exc:
            self._wrong('It is no XML: '
                        f'{expat.ErrorString(exc.code)}.', exc.lineno)
        except (_Refused, ValueError, LookupError) as exc:
            self._wrong(str(exc))
        return '' if self._findings else ''.join(self._parts), self._findings

    def _wrong(self, message: str, line: int = 0) -> None:
        self._findings.append(Finding(message, (
            f'{self._file}:{line or self._parser.CurrentLineNumber}')))

    def _begin(self, name: str, attributes: Mapping[str, str]) -> None:
        space, _, word = name.rpartition(' ')
        if space != _SVG:
            self._wrong(f'<{word}> is not of {_SVG}.')
        elif word not in _ELEMENTS:
            self._wrong(f'An icon takes no <{word}>'
                        f'{wording.similar(word, _ELEMENTS)}.')
        elif (word == 'svg') != (not self._open):
            self._wrong('<svg> is around all else, and nowhere inside.')
        elif word == 'svg' and 'viewBox' not in attributes:
            self._wrong('<svg> needs a viewBox, such as "0 0 64 64".')
        for key, value in attributes.items():
            self._attribute(word, key.rpartition(' ')[2] if key.startswith(
                f'{_SVG} ') else key, value)
        said = {'xmlns': _SVG, **attributes} if word == 'svg' else attributes
        self._parts.append(f'<{word}' + ''.join(
            f' {key}="{value}"' for key, value in said.items()) + '>')
        self._open.append(word)

    def _attribute(self, word: str, key: str, value: str) -> None:
        if key not in _ATTRIBUTES:
            self._wrong(f'<{word}> takes no {key.rpartition(" ")[2]}'
                        f'{wording.similar(key, _ATTRIBUTES)}.')
        elif not re.fullmatch(_ATTRIBUTES[key], value):
            self._wrong(f'{key} of <{word}> cannot be '
                        f'"{value[:40]}".')

    def _end(self, name: str) -> None:
        self._parts.append(f'</{self._open.pop()}>')

    def _text(self, text: str) -> None:
        if text.strip():
            self._wrong(f'An icon takes no text: "{text.strip()[:40]}".')

    def _instruction(self, *_said: object) -> None:
        self._wrong('An icon takes no <?...?>.')

    def _doctype(self, *_said: object) -> None:
        raise _Refused('An icon takes no <!DOCTYPE>.')
