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

"""File systems that machines share: a base, and layers of packages on it.

Each is named by a digest of what it is made from, made once under a lock, in
a folder of another name that is renamed when it is whole. One that was
interrupted is thrown away by whoever comes next.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import hashlib
import os
import pathlib
import subprocess

from hpcdirect.backends.local import alone
from hpcdirect.backends.local import mirror
from hpcdirect.backends.local import mounts
from hpcdirect.exception import BackendError

# Raise it when the way a base is prepared changes.
_RECIPE = '5'
_BASE = ('openssh-server', 'python3', 'python3-apt', 'iproute2',
         'systemd-sysv', 'dbus', 'iputils-ping', 'ca-certificates', 'procps')
# Units that make no sense on such a machine, or only make its boot longer.
_MASKED = (
    'systemd-networkd.service', 'systemd-networkd-wait-online.service',
    'systemd-resolved.service', 'systemd-timesyncd.service',
    'systemd-udevd.service', 'systemd-udev-trigger.service',
    'systemd-modules-load.service', 'systemd-logind.service',
    'sys-kernel-config.mount', 'sys-kernel-debug.mount',
    'sys-kernel-tracing.mount', 'dev-hugepages.mount', 'dev-mqueue.mount',
    'getty.target', 'console-getty.service', 'apt-daily.timer',
    'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'e2scrub_all.timer',
    'fstrim.timer')
_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 200:30:400
MaxSessions 100
"""
_WANTS = 'etc/systemd/system/multi-user.target.wants'


class Images:
    """Makes and finds them.

    :param cache: folder they are kept in.
    :param packages: the mirror that packages are fetched through.
    """

    def __init__(self, cache: pathlib.Path, packages: mirror.Mirror) -> None:
        self._cache = cache
        self._mirror = packages

    def lower(self, packages: Iterable[str]) -> str:
        """The lower folders of a machine, as overlayfs takes them.

        Makes what is missing, which takes half a minute for the first base.

        :raises BackendError: with the last lines of what went wrong.
        """
        base = self._base()
        wanted = sorted(set(packages))
        if not wanted:
            return str(base)
        return f'{self._layer(base, wanted)}:{base}'

    def missing(self, packages: Iterable[str]) -> str:
        """What lower() would have to make first, a sentence; or ''."""
        base = self._path('base', self._base_key())
        if not base.is_dir():
            return ('Making the base file system, once for this machine: '
                    'about half a minute.')
        wanted = sorted(set(packages))
        if wanted and not self._layer_path(base, wanted).is_dir():
            return (f'Installing {len(wanted)} packages, once for all '
                    'machines that have them: some seconds each.')
        return ''

    def _base_key(self) -> str:
        release, address, lines = mirror.sources()
        return _digest(_RECIPE, release, address, *lines, *_BASE)

    def _base(self) -> pathlib.Path:
        path = self._path('base', self._base_key())
        with self._making(path) as new:
            if new is not None:
                self._bootstrap(new)
        return path

    def _bootstrap(self, new: pathlib.Path) -> None:
        release, _, lines = mirror.sources()
        # All sources at once: what is installed later may need the updates,
        # and would bring them to a machine that had them not. The lists
        # stay, layers are made by them.
        _run(['mmdebstrap', '--quiet', '--mode=root', '--variant=minbase',
              '--skip=cleanup/apt/lists', f'--include={",".join(_BASE)}',
              '--aptopt=APT::Install-Recommends "false"',
              '--aptopt=Acquire::Languages "none"',
              release, str(new), *lines],
             'making the base file system', http_proxy=self._proxy())
        (new / 'etc/apt/sources.list').write_text('\n'.join(lines) + '\n')
        for unit in _MASKED:
            link = new / 'etc/systemd/system' / unit
            link.unlink(missing_ok=True)
            link.symlink_to('/dev/null')
        default = new / 'etc/systemd/system/default.target'
        default.unlink(missing_ok=True)
        default.symlink_to('/lib/systemd/system/multi-user.target')
        for key in (new / 'etc/ssh').glob('ssh_host_*'):
            key.unlink()
        (new / 'etc/ssh/sshd_config.d/00-local.conf').write_text(_SSHD)
        for name in ('etc/hostname', 'etc/resolv.conf', 'etc/machine-id'):
            (new / name).unlink(missing_ok=True)
        (new / 'etc/resolv.conf').touch()
        (new / 'var/lib/dbus/machine-id').unlink(missing_ok=True)

    def _layer(self, base: pathlib.Path, packages: list[str]) -> pathlib.Path:
        path = self._layer_path(base, packages)
        with self._making(path) as new:
            if new is not None:
                self._bake(base, new, packages)
        return path

    def _bake(self, base: pathlib.Path, new: pathlib.Path,
              packages: list[str]) -> None:
        work, root = new.with_suffix('.work'), new.with_suffix('.root')
        for folder in (new, work, root):
            folder.mkdir()
        _run(['mount', '-t', 'overlay', 'hpcdirect-bake', '-o',
              f'lowerdir={base},upperdir={new},workdir={work}', str(root)],
             'mounting an overlay')
        try:
            wants = root / _WANTS
            before = set(os.listdir(wants))
            install = ['apt-get', *_through(self._proxy()), 'install', '-qq',
                       '-y', '--no-install-recommends',
                       '-o', 'Dpkg::Options::=--force-unsafe-io',
                       '--', *packages]
            with _prepared(root):
                try:
                    _chroot(root, install)
                except BackendError:
                    # The lists of the base may be older than the mirror.
                    _chroot(root, ['apt-get', *_through(self._proxy()),
                                   'update', '-qq'])
                    _chroot(root, install)
            # Elements decide what runs where, not the packages.
            for unit in set(os.listdir(wants)) - before:
                (wants / unit).unlink()
            for package in (root / 'var/cache/apt/archives').glob('*.deb'):
                package.unlink()
        finally:
            for folder in (root, work):
                mounts.remove(folder)

    def _layer_path(self, base: pathlib.Path, packages: list[str]
                    ) -> pathlib.Path:
        return self._path('layer', _digest(base.name, *packages))

    def _path(self, kind: str, key: str) -> pathlib.Path:
        return self._cache / 'images' / f'{kind}-{key}'

    @contextlib.contextmanager
    def _making(self, path: pathlib.Path) -> Iterator[pathlib.Path | None]:
        """A folder to fill, that becomes *path*; None when it is there."""
        if path.is_dir():
            yield None
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone.holding(path.with_name(f'{path.name}.lock')):
            if path.is_dir():
                yield None
                return
            for left in path.parent.glob(f'{path.name}.*'):
                if left.is_dir():
                    mounts.remove(left)
            new = path.with_suffix('.new')
            yield new
            new.rename(path)

    def _proxy(self) -> str:
        return f'http://127.0.0.1:{self._mirror.serve("127.0.0.1", 0)}'


def _digest(*parts: str) -> str:
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:16]


def _through(proxy: str) -> list[str]:
    return ['-o', f'Acquire::http::Proxy={proxy}']


@contextlib.contextmanager
def _prepared(root: pathlib.Path) -> Iterator[None]:
    """A root in which packages can be installed and start nothing."""
    policy = root / 'usr/sbin/policy-rc.d'
    policy.write_text('#!/bin/sh\nexit 101\n')
    policy.chmod(0o755)
    _run(['mount', '-t', 'proc', 'proc', f'{root}/proc'], 'mounting proc')
    try:
        yield
    finally:
        _run(['umount', f'{root}/proc'], 'unmounting proc')
        policy.unlink()


def _chroot(root: pathlib.Path, command: list[str]) -> None:
    _run(['chroot', str(root), *command], ' '.join(command[-3:]),
         DEBIAN_FRONTEND='noninteractive', LC_ALL='C')


def _run(command: list[str], what: str, **environment: str) -> None:
    done = alone.run(command, stdin=subprocess.DEVNULL,
                     env={**os.environ, **environment})
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise BackendError(plugin='local', reason=(
            f'{what} failed: ' + ' | '.join(said[-3:])))
