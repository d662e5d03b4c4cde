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

"""Text files that people made with whatever program they had at hand."""

from __future__ import annotations

import codecs
import pathlib
import sys

_MARKS = ((codecs.BOM_UTF8, 'utf-8-sig'), (codecs.BOM_UTF16_LE, 'utf-16'),
          (codecs.BOM_UTF16_BE, 'utf-16'))
#: How files of office programs begin: zip (xlsx, ods) and OLE (xls).
_SPREADSHEETS = (b'PK\x03\x04', b'\xd0\xcf\x11\xe0')


def read(name: str) -> str:
    """The text of a file, without a byte order mark.

    :param name: ``-`` for standard input; ``~`` is understood.
    :raises ValueError: it cannot be read, or is not text in UTF-8 or, with a
        byte order mark, UTF-16: a clause that says why.
    """
    try:
        content = _bytes(name)
    except OSError as exc:
        raise ValueError(exc.strerror or str(exc)) from exc
    if content.startswith(_SPREADSHEETS):
        raise ValueError('is a spreadsheet; save it as CSV (UTF-8)')
    encoding = next((encoding for mark, encoding in _MARKS
                     if content.startswith(mark)), 'utf-8')
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as exc:
        line = content[:exc.start].count(b'\n') + 1
        raise ValueError(f'line {line} is not {encoding[:6].upper()}; save '
                         'it as UTF-8') from exc
    if '\0' in text:
        raise ValueError('is not text, or is UTF-16 without a byte order '
                         'mark; save it as UTF-8')
    return text


def _bytes(name: str) -> bytes:
    if name != '-':
        return pathlib.Path(name).expanduser().read_bytes()
    if hasattr(sys.stdin, 'buffer'):
        return sys.stdin.buffer.read()
    return sys.stdin.read().encode()
