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

"""Local machines as a test sees them: from below, past hpcdirect itself."""

import contextlib
import pathlib
import subprocess

import fixtures
from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.backends.local import LocalBackend
from hpcdirect.backends.local import cgroups


class Machine:
    """A machine of a service's local backend."""

    def __init__(self, service, cluster_id, name):
        self.cluster_id = cluster_id
        self.name = name
        self.root = (service.folder / 'local' / 'clusters' / cluster_id
                     / 'machines' / name / 'root')

    def read(self, path):
        """A file on its disk."""
        return (self.root / path.lstrip('/')).read_text()

    def run(self, *command):
        """Run something in it, as root; its output."""
        return subprocess.run(
            ['nsenter', '-t', str(self.init()), '--all', *command],
            check=True, capture_output=True, text=True, timeout=120).stdout

    def init(self):
        """The pid of its systemd."""
        for pid in self._pids():
            status = pathlib.Path(f'/proc/{pid}/status').read_text()
            numbers = next(line.split() for line in status.splitlines()
                           if line.startswith('NSpid'))
            if len(numbers) > 2 and numbers[-1] == '1':
                return pid
        raise AssertionError(f'{self.name} has no init')

    def processes(self, name):
        """Pids, as the host counts, of what runs in it under a name."""
        found = set()
        with contextlib.suppress(OSError):
            for pid in self._pids():
                with contextlib.suppress(OSError):
                    said = pathlib.Path(f'/proc/{pid}/comm').read_text()
                    if said.strip() == name:
                        found.add(pid)
        return found

    def freeze(self):
        """Stop everything in it, so that it accepts and says nothing."""
        (self._folder() / 'cgroup.freeze').write_text('1')

    def thaw(self):
        """Let it go on."""
        (self._folder() / 'cgroup.freeze').write_text('0')

    def _folder(self):
        return cgroups.folders(f'{self.cluster_id}/{self.name}')[0]

    def _pids(self):
        for procs in self._folder().rglob('cgroup.procs'):
            yield from (int(pid) for pid in procs.read_text().split())


def left(service):
    """What is left of machines of a service: folders, mounts, groups."""
    found = []
    mine = str(service.folder)
    for line in pathlib.Path('/proc/mounts').read_text().splitlines():
        if mine in line:
            found.append(f'mount {line.split()[1]}')
    clusters = service.folder / 'local' / 'clusters'
    for path in clusters.iterdir() if clusters.is_dir() else ():
        found.append(f'folder {path}')
    return found


class Leftovers(fixtures.Fixture):
    """Takes away what a failed test left, so that the next one can run."""

    def __init__(self, service):
        super().__init__()
        self.service = service

    def _setUp(self):
        self.addCleanup(self._sweep)

    def _sweep(self):
        if not left(self.service):
            return
        conf = cfg.ConfigOpts()
        options.register_group(conf, 'local')
        conf([])
        conf.set_override('state_path', str(self.service.folder / 'local'),
                          'local')
        self.service.stop()
        LocalBackend(conf).clear()
