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

"""What others wrote, shown as it is and with no power over who reads it.

Names, logs, READMEs and sentences come from people and machines. Two ways lead
to a page: :func:`exact` for what Django's own escaping would change, and
:func:`spans` for what a terminal would obey.
"""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import html
import re
import unicodedata

from django.utils.safestring import SafeString
from django.utils.safestring import mark_safe

#: An escape sequence of a terminal: CSI, OSC and its like up to their end, or
#: two letters. SGR is the CSI that ends in m.
_ESCAPE = re.compile(
    r'\x1b\[(?P<sgr>[0-9;:]*)m|\x1b\[[0-?]*[ -/]*[@-~]'
    r'|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|\x9b[0-?]*'
    r'[ -/]*[@-~]?')
_COLOURS = ('black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan',
            'white')
#: Letters of one line that are looked at; what comes after is said, not shown.
MOST = 20_000


def exact(text: object) -> SafeString:
    """Text as HTML that shows it to the letter.

    Horizon changes what Django escapes ("{$" becomes "{%"), so that AngularJS
    does not run it; below ``ng-non-bindable`` nothing is run.
    """
    return mark_safe(html.escape(visible(str(text))))  # noqa: S308


def visible(text: str) -> str:
    """Letters that nobody sees but that change a text, as ``<U+202E>``.

    Line ends and tabs stay; emoji keep what joins them.
    """
    return ''.join(_seen(letter) for letter in text)


def _seen(letter: str) -> str:
    kind = unicodedata.category(letter)
    if (kind in ('Cc', 'Cs') and letter not in '\n\r\t') or (
            kind == 'Cf' and letter not in '\u200c\u200d') \
            or letter in '\u2028\u2029':
        return f'<U+{ord(letter):04X}>'
    return letter


@dataclasses.dataclass(frozen=True)
class Span:
    """Letters of one look.

    :ivar classes: of the style sheet, such as ``sgr-bold sgr-red``.
    """

    text: str
    classes: str = ''


def spans(line: str) -> Iterator[Span]:
    """A line of a log, in the colours that its program gave it.

    Colours and bold letters are kept; every other order to a terminal is left
    out. Of a line that is too long the beginning is shown, and that it goes
    on.
    """
    look: dict[str, str] = {}
    place = 0
    shown = line[:MOST]
    for found in _ESCAPE.finditer(shown):
        yield from _span(shown[place:found.start()], look)
        place = found.end()
        if found['sgr'] is not None:
            _obey(look, found['sgr'])
    yield from _span(shown[place:], look)
    if len(line) > MOST:
        yield Span(f' … +{len(line) - MOST}', 'sgr-cut')


def _span(text: str, look: dict[str, str]) -> Iterator[Span]:
    if text:
        yield Span(visible(text), ' '.join(
            f'sgr-{name}' for name in look.values()))


def _obey(look: dict[str, str], orders: str) -> None:
    """Change the look as one SGR says (ECMA-48, 8.3.117)."""
    numbers = [int(number) for number in re.split('[;:]', orders)
               if number.isdecimal() and len(number) < 4] or [0]
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            look.clear()
        elif number == 1:
            look['weight'] = 'bold'
        elif number == 22:
            look.pop('weight', None)
        elif 30 <= number <= 37 or 90 <= number <= 97:
            look['colour'] = _COLOURS[number % 10]
        elif number == 39:
            look.pop('colour', None)
        elif number in (38, 48):
            # One of 256 or of millions: 5;N or 2;R;G;B. Not ours to show.
            del numbers[:{5: 2, 2: 4}.get((numbers or [0])[0], 1)]
