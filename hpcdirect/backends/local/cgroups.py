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

"""Control groups of machines: what they may use, and their end.

Each machine has a folder in the unified hierarchy. In it is ``machine``, in
which its systemd keeps its own and which is all that it sees, and ``keeper``
for what starts it again. Limits are set in the outer one where the controllers
are in it, and in version 1's hierarchies where they are in those.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import signal
import time

import psutil

from hpcdirect.exception import BackendError

_FOLDER = 'hpcdirect'
_LIMITED = ('memory', 'pids', 'cpu')
_PERIOD = 100_000


@functools.cache
def _mounts() -> dict[str, pathlib.Path]:
    """Where hierarchies are: ``''`` is version 2, others by controller."""
    found: dict[str, pathlib.Path] = {}
    for mount in psutil.disk_partitions(all=True):
        for name in {'cgroup2': [''], 'cgroup': mount.opts.split(',')}.get(
                mount.fstype, ()):
            if name in ('', *_LIMITED):
                found.setdefault(name, pathlib.Path(mount.mountpoint))
    return found


def available() -> bool:
    """Whether the unified hierarchy is mounted."""
    return '' in _mounts()


def folders(key: str) -> list[pathlib.Path]:
    """The folders of a machine, the unified hierarchy's first.

    :param key: ``<cluster>/<slot>``.
    """
    return [path / _FOLDER / key for path in dict.fromkeys(
        [_mounts()[''], *_mounts().values()])]


def make(key: str, memory_mib: int, pids: int, cpus: float) -> None:
    """Make a machine's folders and set its limits; cpus 0 is no limit."""
    for folder in folders(key):
        folder.mkdir(parents=True, exist_ok=True)
    unified = folders(key)[0]
    with contextlib.suppress(OSError):
        for parent in (*reversed(unified.parents), unified):
            if (parent / 'cgroup.subtree_control').exists():
                for name in _LIMITED:
                    if name not in _mounts():
                        _write(parent / 'cgroup.subtree_control', f'+{name}')
    memory = str(memory_mib * 1024 * 1024)
    quota = int(cpus * _PERIOD)
    v1 = {name: _mounts()[name] / _FOLDER / key for name in _LIMITED
          if name in _mounts()}
    _limit(v1.get('memory'), 'memory.limit_in_bytes', unified, 'memory.max',
           memory)
    _limit(v1.get('pids'), 'pids.max', unified, 'pids.max', str(pids))
    if quota:
        _limit(v1.get('cpu'), 'cpu.cfs_quota_us', unified, 'cpu.max',
               str(quota))


def _limit(old: pathlib.Path | None, old_name: str, unified: pathlib.Path,
           name: str, value: str) -> None:
    _write(old / old_name if old else unified / name, value)


def _write(path: pathlib.Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as exc:
        raise BackendError(plugin='local', reason=(
            f'The limit {path.name} cannot be set: {exc.strerror}; this '
            'kernel lacks the controller, or it is not delegated.')) from exc


def alive(key: str) -> bool:
    """Whether anything runs in a machine."""
    try:
        events = (folders(key)[0] / 'cgroup.events').read_text()
    except OSError:
        return False
    return 'populated 1' in events


def boot(key: str) -> int:
    """A number that is another one after each boot; 0 while there is none.

    It is that of the folder which is made anew for each.
    """
    with contextlib.suppress(OSError):
        return (folders(key)[0] / 'machine').stat().st_ino
    return 0


def kill(key: str, seconds: float = 10.0) -> None:
    """End everything that runs in a machine, and nothing else; then tidy.

    :raises BackendError: something is left after so many seconds.
    """
    unified = folders(key)[0]
    if (unified / 'cgroup.kill').exists():
        (unified / 'cgroup.kill').write_text('1')
    end = time.monotonic() + seconds
    while alive(key):
        if not (unified / 'cgroup.kill').exists():
            _signal(unified)
        if time.monotonic() > end:
            raise BackendError(plugin='local', reason=(
                f'Processes of machine {key} cannot be killed.'))
        time.sleep(0.01)
    for folder in folders(key):
        _remove(folder)


def keys(cluster_id: str) -> list[str]:
    """The machines of a cluster that have folders, as kill() takes them."""
    if not available():
        return []
    return sorted({f'{cluster_id}/{path.name}' for folder
                   in folders(cluster_id) if folder.is_dir()
                   for path in folder.iterdir() if path.is_dir()})


def tidy(cluster_id: str) -> None:
    """Remove the folders of a cluster whose machines are gone."""
    for folder in folders(cluster_id):
        with contextlib.suppress(OSError):
            folder.rmdir()
            folder.parent.rmdir()


def _signal(folder: pathlib.Path) -> None:
    """What cgroup.kill does, for kernels before 5.14."""
    for path in [folder, *folder.rglob('*/')]:
        with contextlib.suppress(OSError):
            for pid in (path / 'cgroup.procs').read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def _remove(folder: pathlib.Path) -> None:
    if folder.is_dir():
        for child in folder.iterdir():
            if child.is_dir():
                _remove(child)
        with contextlib.suppress(OSError):
            folder.rmdir()
