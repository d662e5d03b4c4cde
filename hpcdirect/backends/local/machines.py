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

"""One local machine: its disk, its network, its processes."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
import socket
import subprocess
import sys
import time
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from oslo_config import cfg

from hpcdirect.backends.base import Slot
from hpcdirect.backends.local import alone
from hpcdirect.backends.local import boot
from hpcdirect.backends.local import cgroups
from hpcdirect.backends.local import mounts
from hpcdirect.backends.local import network
from hpcdirect.backends.local.records import Record
from hpcdirect.backends.local.records import Records
from hpcdirect.exception import BackendError
from hpcdirect.failpoints import failpoint

_BOOT = pathlib.Path(__file__).with_name('boot.sh')


@dataclasses.dataclass(frozen=True)
class LocalMachine:
    """A machine as it is to be.

    :param folder: all its files: upper, work, root, console.
    :param lower: lower folders of its disk, as overlayfs takes them.
    :param volumes: host folder -> where it is mounted.
    """

    cluster_id: str
    slot: str
    incarnation: int
    address: str
    folder: pathlib.Path
    lower: str = ''
    public_key: str = ''
    mirror_port: int = 0
    memory_mib: int = 1024
    pids: int = 2048
    cpus: float = 0.0
    volumes: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """What its control groups are called."""
        return f'{self.cluster_id}/{self.slot}'

    @property
    def space(self) -> str:
        """What its network namespace is called."""
        return f'{network.bridge(self.cluster_id)}-{self.slot}'

    @property
    def root(self) -> pathlib.Path:
        """Where its disk is mounted on the host."""
        return self.folder / 'root'

    def alive(self) -> bool:
        """Whether anything runs in it."""
        return cgroups.alive(self.key)

    def boot(self) -> int:
        """A number that is another one each time it is started."""
        return cgroups.boot(self.key)

    def stamp(self) -> int:
        """The incarnation its disk was made for, 0 when there is none."""
        try:
            return int((self.folder / 'incarnation').read_text())
        except (OSError, ValueError):
            return 0

    def host_key(self) -> str:
        """The public line of the key it shows, '' while it has none."""
        try:
            return (self.folder / 'host_key.pub').read_text().strip()
        except OSError:
            return ''

    def ref(self) -> str:
        """Which machine it is: another one once its disk is another.

        '' while it has none; each disk is made with a host key of its own.
        """
        key = self.host_key()
        return f'{self.space}.{hashlib.sha256(key.encode()).hexdigest()[:8]}' \
            if key else ''

    def last_words(self) -> str:
        """The last of what it printed, a sentence; '' for nothing."""
        try:
            text = (self.folder / 'console').read_text(errors='replace')
        except OSError:
            return ''
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = ' | '.join(lines[-3:]).rstrip('.')
        return f'Its console says last: {said}.' if said else ''

    def answers(self, seconds: float = 0.5) -> bool:
        """Whether its sshd says what it is."""
        try:
            with socket.create_connection((self.address, 22),
                                          seconds) as connection:
                connection.settimeout(seconds)
                return connection.recv(4) == b'SSH-'
        except OSError:
            return False

    def start(self) -> None:
        """Make what is missing of it and boot it; its disk is kept."""
        self.stop()
        if self.stamp() != self.incarnation:
            mounts.remove(self.folder)
        for name in ('upper', 'work', 'root'):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        kept = self.folder / 'lower'
        if self.stamp() != self.incarnation:
            kept.write_text(self.lower)
            os.chown(self.folder / 'upper', boot.SHIFT, boot.SHIFT)
        elif (self.folder / 'upper').stat().st_uid != boot.SHIFT:
            raise BackendError(plugin='local', reason=(
                'Its disk is one of an older release, in which files of the '
                'machine belonged to users of the host; replace the node.'))
        network.connect(self.cluster_id, self.space, self.address)
        # What is on its disk was written over what it had below it then.
        self._mount_disk(kept.read_text().split(':'))
        if self.stamp() != self.incarnation:
            self._personalise()
            (self.folder / 'incarnation').write_text(str(self.incarnation))
        for source, target in self.volumes:
            mounts.show(source, str(self._place(target)), self.space)
        cgroups.make(self.key, self.memory_mib, self.pids, self.cpus)
        failpoint('booting')
        with (self.folder / 'console').open('wb') as console:
            # It returns at once: the machine is no child of ours, but in
            # its control groups already, and has no lock of ours any more.
            subprocess.run(
                ['sh', str(_BOOT), 'start', sys.executable,
                 str(self.root), self.slot, self.space,
                 *map(str, cgroups.folders(self.key))],
                stdin=alone.innermost(), stdout=console, stderr=console,
                check=True)

    def _mount_disk(self, lower: list[str]) -> None:
        """Its own files over those that it shares, which seem its own."""
        shown = []
        for number, source in enumerate(lower):
            place = self.folder / f'lower-{number}'
            place.mkdir(exist_ok=True)
            mounts.show(source, str(place), self.space)
            shown.append(place)
        network.run(['mount', '-t', 'overlay', 'hpcdirect', '-o',
                     f'nodev,lowerdir={":".join(map(str, shown))},'
                     f'upperdir={self.folder}/upper,'
                     f'workdir={self.folder}/work', str(self.root)])
        for place in shown:
            # The disk has hold of it.
            network.run(['umount', str(place)])
            place.rmdir()

    def stop(self) -> None:
        """End it; its disk stays. Stopped already is fine."""
        cgroups.kill(self.key)
        network.disconnect(self.cluster_id, self.space, self.address)
        mounts.clear(self.folder)

    def remove(self) -> None:
        """End it and take its disk away."""
        self.stop()
        mounts.remove(self.folder)

    def _place(self, target: str) -> pathlib.Path:
        """A folder on its disk, made if need be.

        :raises BackendError: a link is in the way. Its owner may have laid
            it, and on the host it would lead to a folder of the host.
        """
        place = self.root
        for part in pathlib.PurePosixPath(target).parts[1:]:
            place = place / part
            if place.is_symlink():
                raise BackendError(plugin='local', reason=(
                    f'A volume cannot be mounted at {target} on '
                    f'{self.slot}: a link is in its way.'))
            if not place.exists():
                place.mkdir()
                os.chown(place, boot.SHIFT, boot.SHIFT)
        return place

    def _personalise(self) -> None:
        """What makes this disk this machine's: name, keys, mirror."""
        private = ed25519.Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(
            serialization.Encoding.OpenSSH,
            serialization.PublicFormat.OpenSSH).decode()
        files = {
            'etc/hostname': (f'{self.slot}\n', 0o644),
            'etc/hosts': (f'127.0.0.1 localhost\n::1 localhost\n'
                          f'{self.address} {self.slot}\n', 0o644),
            'etc/machine-id': (f'{uuid.uuid4().hex}\n', 0o444),
            'etc/ssh/ssh_host_ed25519_key': (private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption()).decode(), 0o600),
            'etc/ssh/ssh_host_ed25519_key.pub': (f'{public}\n', 0o644),
            'root/.ssh/authorized_keys': (f'{self.public_key}\n', 0o600),
            # Nobody in it can raise them later, not even its own root.
            'etc/systemd/system.conf.d/50-limits.conf': (
                '[Manager]\nDefaultLimitMEMLOCK=8M:infinity\n'
                'DefaultLimitNOFILE=1024:infinity\n', 0o644),
            # Of several services that serve packages here, one that ends
            # takes connections with it that nobody has answered yet.
            'etc/apt/apt.conf.d/91mirror': (
                f'Acquire::http::Proxy "http://{network.MIRROR}:'
                f'{self.mirror_port}";\nAcquire::Retries "3";\n', 0o644),
        }
        for name, mode in (('root/.ssh', 0o700),
                           ('etc/systemd/system.conf.d', 0o755)):
            (self.root / name).mkdir(mode=mode, exist_ok=True)
            os.chown(self.root / name, boot.SHIFT, boot.SHIFT)
        for name, (text, mode) in files.items():
            path = self.root / name
            path.touch(mode=mode)
            path.chmod(mode)
            path.write_text(text)
            os.chown(path, boot.SHIFT, boot.SHIFT)
        (self.folder / 'host_key.pub').write_text(f'{public}\n')


class Roll:
    """Which machines have answered since they were started.

    Each question costs a machine a process, so it is not put again to one
    that has answered.
    """

    def __init__(self) -> None:
        self._booted: dict[str, int] = {}
        self._asked: dict[str, float] = {}

    def answered(self, machine: LocalMachine, seconds: float,
                 pause: float = 0.0) -> bool:
        """Whether its ssh has answered; asks it when that is not known.

        :param seconds: to wait for the answer.
        :param pause: seconds since it was last asked that it is left alone.
        """
        boot, now = machine.boot(), time.monotonic()
        if boot and self._booted.get(machine.key) == boot:
            return True
        if now < self._asked.get(machine.key, 0.0) + pause:
            return False
        self._asked[machine.key] = now
        if not machine.answers(seconds):
            return False
        self._booted[machine.key] = boot
        return True


class Machines:
    """The machines of clusters, as their records want them.

    :param conf: what holds where a record says nothing.
    """

    def __init__(self, records: Records, conf: cfg.ConfigOpts.GroupAttr
                 ) -> None:
        self._records = records
        self._conf = conf

    def there(self, cluster_id: str) -> list[str]:
        """Slots of which there is anything, wanted or not."""
        path = self._records.folder(cluster_id) / 'machines'
        return sorted(os.listdir(path)) if path.is_dir() else []

    def one(self, record: Record, name: str, slot: Slot | None = None,
            lower: str = '') -> LocalMachine:
        """The machine in a slot.

        :param slot: None when it is to go.
        """
        conf, cluster = self._conf, self._records.folder(record.cluster_id)
        group = slot.group if slot else name.rpartition('-')[0]
        values = record.groups.get(group, {})
        volumes = []
        for volume in record.volumes:
            if slot and group in volume['groups']:
                source = cluster / 'volumes' / volume['name']
                source.mkdir(parents=True, exist_ok=True)
                volumes.append((str(source), volume['mount']))
        return LocalMachine(
            record.cluster_id, name, slot.incarnation if slot else 0,
            record.addresses.get(name, ''), cluster / 'machines' / name,
            lower, record.public_key, conf.mirror_port,
            values.get('memory_mib', conf.memory_mib),
            values.get('pids', conf.pids), values.get('cpus', conf.cpus),
            tuple(volumes))
