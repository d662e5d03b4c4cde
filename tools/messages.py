#!/usr/bin/env python3
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

"""The words of the portal in other languages.

    messages.py [LANGUAGE...]   bring catalogues up to what the pages say
    messages.py --check         say what is missing, and change nothing

Needs Horizon, which knows how to read its templates: tools/portal.sh makes
an environment with it. A new language is begun by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
import io
import pathlib
import sys

from babel.messages import catalog
from babel.messages import extract
from babel.messages import mofile
from babel.messages import pofile
from horizon.utils import babel_extract_django

PORTAL = pathlib.Path(__file__).resolve().parents[1] / 'hpcdirect/dashboard'
LOCALE = PORTAL / 'locale'
_READERS = [('**/templates/**.html', babel_extract_django.extract_django),
            ('**.py', 'python')]
_KEYWORDS = {**extract.DEFAULT_KEYWORDS, 'gettext_lazy': None}


def said() -> catalog.Catalog:
    """What the pages say, in English."""
    found = catalog.Catalog(project='hpcdirect', fuzzy=False)
    for pattern, reader in _READERS:
        for _, _, message, _, context in extract.extract_from_dir(
                PORTAL, [(pattern, reader)], keywords=_KEYWORDS):
            found.add(message, context=context)
    return found


def translated(path: pathlib.Path, template: catalog.Catalog
               ) -> catalog.Catalog:
    """A language's catalogue with just what the pages say."""
    with path.open('rb') as file:
        found = pofile.read_po(file, locale=path.parts[-3])
    found.update(template, no_fuzzy_matching=True,
                 update_creation_date=False)
    found.obsolete.clear()
    found.project, found.version = template.project, '1'
    found.last_translator = found.language_team = 'hpcdirect developers'
    found.msgid_bugs_address = 'see CONTRIBUTING.rst'
    found.revision_date = found.creation_date
    return found


def written(found: catalog.Catalog) -> tuple[bytes, bytes]:
    """The two files of a catalogue: for people, and for programs."""
    text, compiled = io.BytesIO(), io.BytesIO()
    pofile.write_po(text, found, sort_output=True, width=79)
    mofile.write_mo(compiled, found)
    return text.getvalue(), compiled.getvalue()


def faults(path: pathlib.Path, template: catalog.Catalog) -> Iterator[str]:
    """What a catalogue lacks."""
    found = translated(path, template)
    for message in found:
        words = message.string if isinstance(
            message.string, tuple) else (message.string,)
        if message.id and (not all(words) or message.fuzzy):
            yield f'{path}: no words for {message.id!r}'
        for error in message.check(found):
            yield f'{path}: {message.id!r}: {error}'
    text, compiled = written(found)
    for file, content in ((path, text), (path.with_suffix('.mo'), compiled)):
        if not file.exists() or file.read_bytes() != content:
            yield f'{file} is not of now: tools/messages.py makes it anew'


def main() -> int:
    """As the command line says."""
    template, names = said(), sys.argv[1:]
    if names == ['--check']:
        found = [fault for path in sorted(LOCALE.glob('*/*/django.po'))
                 for fault in faults(path, template)]
        print('\n'.join(found) or f'{len(template)} messages, all there')
        return bool(found)
    for name in names or sorted(one.name for one in LOCALE.iterdir()):
        path = LOCALE / name / 'LC_MESSAGES/django.po'
        if not path.exists():
            path.parent.mkdir(parents=True)
            path.write_bytes(b'')
        text, compiled = written(translated(path, template))
        path.write_bytes(text)
        path.with_suffix('.mo').write_bytes(compiled)
    return 0


if __name__ == '__main__':
    sys.exit(main())
