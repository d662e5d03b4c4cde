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

"""The users file of ``auth_strategy = basic``."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import logging
import os
import pathlib

import bcrypt

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FileUser:
    """One line of the file."""

    name: str
    hash: bytes
    project_id: str
    roles: tuple[str, ...]


class Users:
    """The file's users; read again when the file has changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp = (-1, 0, 0)
        self._users: dict[str, FileUser] = {}
        self._nobody = b''

    def get(self, name: str) -> FileUser | None:
        """The user of a name."""
        self._refresh()
        return self._users.get(name)

    def names(self) -> list[str]:
        """The names of all of them."""
        self._refresh()
        return sorted(self._users)

    def check(self, user: FileUser | None, password: bytes) -> bool:
        """Whether the password is the user's; as slow for no user."""
        hashed = user.hash if user else self._nobody
        try:
            # Longer ones are refused, not cut: bcrypt looks at 72 bytes.
            right = bcrypt.checkpw(password[:72], hashed)
        except ValueError:
            LOG.error('The hash of user %s is no bcrypt hash',
                      user.name if user else '')
            return False
        return right and user is not None and len(password) <= 72

    def _refresh(self) -> None:
        try:
            status = os.stat(self._path)
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return
            users = list(_parse(pathlib.Path(self._path).read_text('utf-8')))
        except (OSError, UnicodeDecodeError) as exc:
            LOG.error('The users file cannot be read: %s', exc)
            users, stamp = [], (0, 0, 0)
        self._users = {user.name: user for user in users}
        self._stamp = stamp
        self._nobody = bcrypt.hashpw(
            os.urandom(8).hex().encode(), bcrypt.gensalt(_rounds(users)))


def _parse(text: str) -> Iterator[FileUser]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith('#'):
            continue
        parts = line.strip().split(':')
        if len(parts) != 4 or not parts[0] or not parts[2]:
            LOG.error('Line %d of the users file is not "user:hash:project:'
                      'role,role" and is left out', number)
            continue
        yield FileUser(parts[0], parts[1].encode(), parts[2],
                       tuple(role for role in parts[3].split(',') if role))


def _rounds(users: list[FileUser]) -> int:
    """What the users' hashes cost, so that nobody's costs as much."""
    costs = [user.hash.split(b'$')[2] for user in users
             if user.hash.count(b'$') == 3]
    return min(max((int(cost) for cost in costs if cost.isdigit()),
                   default=4), 15)
