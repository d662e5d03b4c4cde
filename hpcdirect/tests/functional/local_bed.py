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

"""What tests of backends share: configuration, waiting, ssh."""

import pathlib
import subprocess
import tempfile
import threading
import time
import uuid

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
import fixtures
from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.backends import base
from hpcdirect.backends.local import LocalBackend

#: Seconds a first base file system may take on a busy machine.
FIRST = 300
#: Shared with everybody: making the base takes a minute.
CACHE = '/var/cache/hpcdirect'


def wait_for(what, seconds=300.0, interval=0.02, why=None):
    """What *what* returns, as soon as it is true.

    :param why: returns what there is to be said when it never is.
    """
    end = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f'not within {seconds} s: '
                                 f'{why() if why else what}')
        pause.wait(interval)


def settled(backend, ref, seconds=FIRST, request=None, interval=0.02):
    """The cluster when it is READY and every machine is UP.

    As a conductor does, it asks again for what nobody is making.
    """
    def ready():
        infra = backend.observe(ref)
        if request is not None and any(
                machine.status == base.MachineStatus.ABSENT
                for machine in infra.machines):
            backend.ensure(request)
            return None
        faults = [m for m in infra.machines if m.fault]
        if faults:
            raise AssertionError(f'machines failed: {faults}')
        return infra if infra.status == base.InfraStatus.READY else None
    return wait_for(ready, seconds, interval)


def gone(backend, ref, seconds=300.0, interval=0.02):
    """Wait until nothing is left of a cluster."""
    wait_for(lambda: backend.observe(ref).status == base.InfraStatus.GONE,
             seconds, interval)


def machines(infra):
    """The machines by slot."""
    return {machine.slot: machine for machine in infra.machines}


def request(*slots, cluster_id=None, public_key='', volumes=(), **values):
    """A request; a slot is ``group-0`` or ``group-0@incarnation``."""
    made = []
    for slot in slots:
        name, _, incarnation = slot.partition('@')
        made.append(base.Slot(name, name.rpartition('-')[0],
                              int(incarnation or 1)))
    return base.InfraRequest(
        cluster_id or str(uuid.uuid4()), 'test', 'project', tuple(made),
        {slot.group: dict(values) for slot in made}, tuple(volumes),
        public_key)


class Bed(fixtures.Fixture):
    """Local backends over one state folder, and a key to its machines."""

    def _setUp(self):
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # Disks of machines cannot lie on an overlay or in memory.
        self.state = pathlib.Path(tempfile.mkdtemp(
            prefix='hpcdirect-test-', dir='/var/tmp'))
        self.backends = []
        self.addCleanup(self._tidy)
        private = ed25519.Ed25519PrivateKey.generate()
        self.key = self.folder / 'key'
        self.key.touch(mode=0o600)
        self.key.write_bytes(private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption()))
        self.public_key = private.public_key().public_bytes(
            serialization.Encoding.OpenSSH,
            serialization.PublicFormat.OpenSSH).decode()

    def backend(self, **values):
        """A new backend object, as after a restart of the service."""
        conf = cfg.ConfigOpts()
        options.register_group(conf, 'local')
        conf([], default_config_files=[])
        given = {'state_path': str(self.state), 'cache_path': CACHE} | values
        for name, value in given.items():
            conf.set_override(name, value, 'local')
        backend = LocalBackend(conf)
        self.backends.append(backend)
        return backend

    def ssh(self, machine, *command, check=True, given=''):
        """Run a command on a machine whose host key is what we were told."""
        known = self.folder / f'known-{machine.slot}-{machine.incarnation}'
        known.write_text(f'{machine.ssh.host} {machine.ssh.host_key}\n')
        done = subprocess.run(
            ['ssh', '-i', str(self.key), '-o', 'StrictHostKeyChecking=yes',
             '-o', f'UserKnownHostsFile={known}', '-o', 'BatchMode=yes',
             '-o', 'ConnectTimeout=5', '-o', 'LogLevel=ERROR',
             '-F', 'none', f'root@{machine.ssh.host}', *command],
            input=given, capture_output=True, text=True, timeout=180)
        if check and done.returncode:
            raise AssertionError(f'{command}: {done.stdout}{done.stderr}')
        return done

    def _tidy(self):
        for backend in self.backends:
            backend.close()
        last = self.backend()
        last.clear()
        subprocess.run(['rm', '-rf', '--one-file-system', str(self.state)])
