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

"""The service's own keys: they sign what is wanted, and seal secrets.

The key file lies outside the database and is shared by every API and
conductor process. It holds one Fernet key a line: the first one signs and
seals, all of them verify and open. What is used is never a line itself, but
a key derived from it for one purpose, so that a signature says nothing
about a seal.

Every signature and every seal names its scheme and the line that made it,
by an identifier that says nothing about the key::

    2.<who>.<key>.<HMAC-SHA256>       a signature; who is api or conductor
    2.<key>.<Fernet token>            a seal

Scheme 1, of earlier releases, names neither: a bare HMAC, a bare token. A
later scheme gets a number of its own, and whoever does not know it can tell
that it does not, instead of taking it for a forgery.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
import contextlib
import dataclasses
import enum
import functools
import hashlib
import hmac
import json
import os
import pathlib
from typing import Any

from cryptography import fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf import hkdf

from hpcdirect import digests
from hpcdirect.digests import canonical
from hpcdirect.exception import Unavailable
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object

#: Who signs.
API, CONDUCTOR = 'api', 'conductor'
#: The scheme that is written unless told otherwise, and all that are known.
NEWEST = 2
SCHEMES = (1, NEWEST)

#: What is signed, as a scheme of signatures covers it: scheme -> JSON value.
Part = Callable[[int], object]


class Verdict(enum.Enum):
    """What a key ring makes of a signature."""

    GOOD = 'good'
    FORGED = 'forged'
    #: Made by a key or in a way that is not known here.
    UNKNOWN = 'unknown'


@dataclasses.dataclass(frozen=True)
class _Line:
    """One line of the key file, and what is derived from it."""

    key: bytes

    def derived(self, purpose: str, length: int = 32) -> bytes:
        return hkdf.HKDF(hashes.SHA256(), length, None,
                         f'hpcdirect {purpose}'.encode()).derive(self.key)

    @functools.cached_property
    def name(self) -> str:
        return self.derived('key identifier', 4).hex()

    @functools.cached_property
    def first_signing(self) -> bytes:
        return hashlib.sha256(b'sign' + self.key).digest()

    @functools.cached_property
    def signing(self) -> dict[str, bytes]:
        return {who: self.derived(f'signature 2 {who}')
                for who in (API, CONDUCTOR)}

    @functools.cached_property
    def box(self) -> fernet.Fernet:
        return fernet.Fernet(base64.urlsafe_b64encode(
            self.derived('seal 2')))


class KeyRing:
    """Signs, verifies, seals and opens with the keys of one file.

    :param keys: Fernet keys; the first one signs and seals.
    :param scheme: in which way; 1 while processes of the release before
        have to understand it.
    """

    def __init__(self, keys: list[bytes], scheme: int = NEWEST) -> None:
        if not keys:
            raise Unavailable(reason='The key file holds no key; make one '
                              'with "hpcdirect-db-manage create-key".')
        self.scheme = scheme
        try:
            self._first_box = fernet.MultiFernet(
                [fernet.Fernet(key) for key in keys])
        except ValueError as exc:
            raise Unavailable(
                reason=f'The key file holds a line that is not a key: {exc}'
            ) from exc
        self._lines = [_Line(key) for key in keys]
        self._by_name = {line.name: line for line in reversed(self._lines)}

    @classmethod
    def load(cls, path: str, scheme: int = NEWEST) -> KeyRing:
        """Read the key file; Unavailable when it is not there."""
        try:
            lines = pathlib.Path(path).read_bytes().split()
        except OSError as exc:
            raise Unavailable(
                reason=f'The key file {path} cannot be read ({exc.strerror});'
                ' make it with "hpcdirect-db-manage create-key".') from exc
        return cls(lines, scheme)

    @classmethod
    def load_or_create(cls, path: str, scheme: int = NEWEST) -> KeyRing:
        """Read the key file; make it, mode 0600, when it is not there."""
        folder = pathlib.Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                             0o600)
            with os.fdopen(handle, 'wb') as file:
                file.write(fernet.Fernet.generate_key() + b'\n')
        return cls.load(path, scheme)

    # -- signatures -------------------------------------------------------

    def sign(self, part: Part, who: str = API) -> str:
        """The signature of what *part* says is covered.

        :returns: at most 64 characters of ASCII.
        """
        line = self._lines[0]
        if self.scheme == 1:
            return _mac(line.first_signing, part(1)).hex()
        return _second(line, who, part(2))

    def judge(self, part: Part, signature: str) -> Verdict:
        """Whether a signature is by one of the keys, over just this."""
        if '.' not in signature:
            return _verdict(any(
                _same(_mac(line.first_signing, part(1)).hex(), signature)
                for line in self._lines))
        if self.strange(signature):
            return Verdict.UNKNOWN
        _, who, name, _ = signature.split('.')
        return _verdict(_same(
            _second(self._by_name[name], who, part(2)), signature))

    def verify(self, part: Part, signature: str) -> bool:
        """Whether a signature is known to be good."""
        return self.judge(part, signature) == Verdict.GOOD

    def strange(self, signature: str) -> str:
        """What is not known here of a signature, a clause; '' if all is."""
        scheme, dot, rest = signature.partition('.')
        if not dot:
            return ''
        words = rest.split('.')
        if scheme != '2' or len(words) != 3 or not signature.isascii():
            return f'it is signed in a way not known here ("{scheme[:8]}")'
        who, name, _ = words
        if who not in (API, CONDUCTOR):
            return f'it is signed by "{who[:16]}", which is not known here'
        return '' if name in self._by_name else (
            f'it is signed by key {name[:8]}, which the key file here does '
            'not have')

    # -- seals ------------------------------------------------------------

    def encrypt(self, text: str, about: str) -> str:
        """*text*, sealed so that it opens for the same *about* only."""
        if self.scheme == 1:
            return self._first_box.encrypt(text.encode()).decode()
        line = self._lines[0]
        token = line.box.encrypt(json.dumps([about, text]).encode())
        return f'2.{line.name}.{token.decode()}'

    def decrypt(self, token: str, about: str) -> str:
        """What encrypt() was given; Unavailable when no key fits."""
        if '.' not in token:
            # Of an earlier release, whose seals do not say what they are of.
            try:
                return self._first_box.decrypt(token.encode()).decode()
            except (fernet.InvalidToken, UnicodeError) as exc:
                raise _unopened() from exc
        scheme, _, rest = token.partition('.')
        name, _, sealed = rest.partition('.')
        if scheme != '2':
            raise Unavailable(reason='A stored secret is sealed in a way not '
                              f'known here ("{scheme[:8]}").')
        if name not in self._by_name:
            raise _unopened(f' (it is key {name[:8]})')
        try:
            what, text = json.loads(self._by_name[name].box.decrypt(
                sealed.encode()))
        except (fernet.InvalidToken, ValueError) as exc:
            raise _unopened() from exc
        if what != about:
            raise Unavailable(reason='A stored secret stands in the place of '
                              'another one; the database was changed past '
                              'hpcdirect.')
        return str(text)

    def encrypt_json(self, value: object, about: str) -> str:
        """A JSON value, sealed as encrypt() does."""
        return self.encrypt(json.dumps(value), about)

    def decrypt_json(self, token: str, about: str) -> Any:
        """What encrypt_json() was given; Unavailable when no key fits."""
        return json.loads(self.decrypt(token, about))

    def unboxed(self, box: Object) -> JSON:
        """What is in a box that is kept of a secret; Unavailable as above."""
        found: JSON = self.decrypt_json(
            str(box[digests.SEALED]),
            digests.about(str(box.get(digests.MARK, ''))))
        return found

    def current(self, made: str) -> bool:
        """Whether a signature or seal is by the first key and newest way."""
        words = made.split('.')
        return self.scheme == 2 and words[0] == '2' \
            and self._lines[0].name in words[1:3]


def _second(line: _Line, who: str, value: object) -> str:
    code = base64.urlsafe_b64encode(_mac(line.signing[who], value))
    return f'2.{who}.{line.name}.{code.decode().rstrip("=")}'


def _mac(key: bytes, value: object) -> bytes:
    return hmac.new(key, canonical(value).encode(), hashlib.sha256).digest()


def _same(made: str, given: str) -> bool:
    return hmac.compare_digest(made.encode(), given.encode(errors='replace'))


def _verdict(good: bool) -> Verdict:
    return Verdict.GOOD if good else Verdict.FORGED


def _unopened(which: str = '') -> Unavailable:
    return Unavailable(
        reason='No key of the key file opens a stored secret; put the key '
        f'back that was in use when it was made{which}.')
