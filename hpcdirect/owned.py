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

"""Folders that live no longer than the process that made them.

The owner holds a lock on a file in the folder; the kernel drops it when the
owner ends, however that happens. Whoever gets the lock knows that the owner
is dead, also from another container that shares the folder.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import fcntl
import os
import pathlib
import secrets
import shutil
import stat
import time

_LOCK = '.owner'
_NEW = '.new'
#: Seconds after which a folder without a lock file is nobody's: an owner
#: that was killed before it wrote one, or an older release.
_UNLOCKED = 86400.0


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of this process; remove() it in the end."""

    path: pathlib.Path
    _lock: int

    def remove(self) -> None:
        """Remove it and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def make(base: pathlib.Path, prefix: str) -> Folder:
    """A new folder, mode 0700.

    :param prefix: what its name begins with; the rest is chance.
    :raises OSError: it cannot be made.
    """
    chance = secrets.token_hex(4)
    path = base / f'{prefix}{chance}'
    # Nobody looks for a lock in it before it has its name.
    new = path.with_name(path.name + _NEW)
    new.mkdir(mode=0o700)
    lock = -1
    try:
        lock = os.open(new / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(path)
    except OSError:
        if lock >= 0:
            os.close(lock)
        shutil.rmtree(new, ignore_errors=True)
        raise
    return Folder(path, lock)


def orphans(base: pathlib.Path, prefix: str) -> Iterator[pathlib.Path]:
    """Folders whose owner has died; each is removed after its turn.

    :param prefix: what their names begin with; '' for all.
    """
    for path in base.glob(f'{prefix}*'):
        lock = _taken(path)
        if lock is None:
            continue
        try:
            yield path
            shutil.rmtree(path, ignore_errors=True)
        finally:
            if lock >= 0:
                os.close(lock)


def _taken(path: pathlib.Path) -> int | None:
    """A dead owner's lock, -1 when there never was one; None: it lives."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return None
        if not path.name.endswith(_NEW):
            with contextlib.suppress(FileNotFoundError):
                return _locked(path / _LOCK)
        # A clock that was set does no harm: it is kept for longer.
        return -1 if time.time() - found.st_mtime > _UNLOCKED else None
    return None


def _locked(path: pathlib.Path) -> int | None:
    lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
