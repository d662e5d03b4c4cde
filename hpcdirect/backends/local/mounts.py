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

"""Mounts below a folder, and a way to delete it that spares them."""

from __future__ import annotations

import pathlib

import psutil

from hpcdirect.backends.local import alone
from hpcdirect.backends.local import boot
from hpcdirect.exception import BackendError


def below(folder: pathlib.Path) -> list[str]:
    """Mount points in *folder* or at it, the innermost first."""
    top = folder.resolve()
    return [mount.mountpoint for mount in psutil.disk_partitions(all=True)
            if pathlib.Path(mount.mountpoint).is_relative_to(top)][::-1]


def clear(folder: pathlib.Path) -> None:
    """Unmount everything in *folder* and at it.

    :raises BackendError: something stays mounted.
    """
    for point in below(folder):
        done = alone.run(['umount', '--', point])
        if done.returncode:
            # Busy: out of sight is enough, the kernel lets go of it later.
            alone.run(['umount', '-l', '--', point])
    left = below(folder)
    if left:
        raise BackendError(plugin='local', reason=(
            f'{left[0]} cannot be unmounted; end what uses it.'))


def remove(folder: pathlib.Path) -> None:
    """Delete a folder, and never anything that is mounted in it.

    :raises BackendError: it cannot be deleted.
    """
    if not folder.exists():
        return
    clear(folder)
    # rm's own guard holds even where a mount comes while it works.
    done = alone.run(
        ['rm', '-rf', '--one-file-system', '--', str(folder)])
    if done.returncode:
        raise BackendError(plugin='local', reason=(
            f'{folder} cannot be deleted: '
            f'{(done.stderr.splitlines() or [""])[0]}'))


def show(source: str, target: str, space: str) -> None:
    """Mount a folder as :func:`boot.show` does.

    :raises BackendError: the kernel or the file system cannot do that.
    """
    try:
        boot.show(space, source, target)
    except OSError as exc:
        raise BackendError(plugin='local', reason=(
            f'{source} cannot be mounted at {target} with ids of its own: '
            f'{exc.strerror}. The file system of [local] state_path and '
            'cache_path has to know mounts with mapped ids, as ext4, xfs and '
            'btrfs do.')) from exc
