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

"""The service's own keys: they sign deployments and seal secrets.

The key file lies outside the database and is shared by every API and
conductor process. It holds one Fernet key a line, the newest first: the
first one signs and encrypts, all of them verify and decrypt, so a key is
rotated by adding a line on top.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import pathlib
from typing import Any

from cryptography import fernet

from hpcdirect.digests import canonical
from hpcdirect.exception import Unavailable


class KeyRing:
    """Signs, verifies, encrypts and decrypts with the keys of one file."""

    def __init__(self, keys: list[bytes]) -> None:
        if not keys:
            raise Unavailable(reason='The key file holds no key; make one '
                              'with "hpcdirect-db-manage create-key".')
        self._box = fernet.MultiFernet([fernet.Fernet(key) for key in keys])
        self._keys = [hashlib.sha256(b'sign' + key).digest() for key in keys]

    @classmethod
    def load(cls, path: str) -> KeyRing:
        """Read the key file; Unavailable when it is not there."""
        try:
            lines = pathlib.Path(path).read_bytes().split()
        except OSError as exc:
            raise Unavailable(
                reason=f'The key file {path} cannot be read ({exc.strerror});'
                ' make it with "hpcdirect-db-manage create-key".') from exc
        return cls(lines)

    @classmethod
    def load_or_create(cls, path: str) -> KeyRing:
        """Read the key file; make it, mode 0600, when it is not there."""
        folder = pathlib.Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL,
                             0o600)
            with os.fdopen(handle, 'wb') as file:
                file.write(fernet.Fernet.generate_key() + b'\n')
        return cls.load(path)

    def sign(self, value: object) -> str:
        """The signature of a JSON value, hexadecimal."""
        return self._signature(self._keys[0], value)

    def verify(self, value: object, signature: str) -> bool:
        """Whether one of the keys made this signature of *value*."""
        return any(hmac.compare_digest(self._signature(key, value), signature)
                   for key in self._keys)

    def encrypt(self, text: str) -> str:
        """*text*, sealed by the newest key."""
        return self._box.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """What encrypt() was given; Unavailable when no key fits."""
        try:
            return self._box.decrypt(token.encode()).decode()
        except fernet.InvalidToken as exc:
            raise Unavailable(
                reason='No key of the key file opens a stored secret; put '
                'the key back that was in use when it was made.') from exc

    def encrypt_json(self, value: object) -> str:
        """A JSON value, sealed by the newest key."""
        return self.encrypt(json.dumps(value))

    def decrypt_json(self, token: str) -> Any:
        """What encrypt_json() was given; Unavailable when no key fits."""
        return json.loads(self.decrypt(token))

    @staticmethod
    def _signature(key: bytes, value: object) -> str:
        return hmac.new(key, canonical(value).encode(),
                        hashlib.sha256).hexdigest()
