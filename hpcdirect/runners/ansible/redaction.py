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

"""Takes issued secrets out of text, by their value.

``no_log`` has failed often enough: whatever leaves a run passes here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
import json
import re
import shlex
import urllib.parse

_SHORTEST = 6
_LEAST = 3
_STARS = '***'
#: Where the runner cut a text short, maybe in the middle of a secret.
_CUT = re.compile(r'…|\n\[\.\.\. \d+ characters\]')


class Redaction:
    """Replaces secret values, in the forms that programs print them in."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            forms |= _forms(secret)
        words = sorted((form for form in forms if len(form) >= _SHORTEST),
                       key=len, reverse=True)
        self._words = words
        self._pattern = re.compile('|'.join(map(re.escape, words))
                                   ) if words else None

    def __call__(self, text: str) -> str:
        """*text* with every secret replaced by ``***``."""
        if self._pattern is None or not text:
            return text
        return self._halves(self._pattern.sub(_STARS, text))

    def _halves(self, text: str) -> str:
        """Without what is left of a secret that was cut through."""
        for cut in reversed(list(_CUT.finditer(text))):
            before = text[:cut.start()]
            part = max((_overlap(before, word) for word in self._words),
                       default=0)
            if part:
                text = before[:-part] + _STARS + text[cut.start():]
        return text


def _overlap(text: str, word: str) -> int:
    """How many of a word's first characters the text ends with."""
    return next((size for size in range(len(word) - 1, _LEAST - 1, -1)
                 if text.endswith(word[:size])), 0)


def _forms(secret: str) -> set[str]:
    """A secret, its lines, and both as others write them."""
    found = set()
    for text in {secret, secret.strip(), *map(str.strip,
                                              secret.splitlines())}:
        found |= {text, json.dumps(text)[1:-1], repr(text)[1:-1],
                  json.dumps(json.dumps(text)[1:-1])[1:-1],
                  json.dumps(text, ensure_ascii=False)[1:-1],
                  ' '.join(text.split()), text.encode().hex(),
                  urllib.parse.quote(text, safe=''), shlex.quote(text),
                  base64.b64encode(text.encode()).decode(),
                  base64.b64encode(f'{text}\n'.encode()).decode()}
    # Markers that every key of a kind has are no secrets.
    return {form for form in found if not form.startswith('-----')
            or len(form) > 64}
