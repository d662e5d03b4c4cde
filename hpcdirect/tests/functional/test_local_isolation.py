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

"""Root of a local machine, and the host that it is to leave alone."""

import ctypes
import json
import pathlib
import shlex
import socket
import subprocess
import sys
import time
import uuid

from hpcdirect.backends.local import cgroups
from hpcdirect.tests.functional import reach
from hpcdirect.tests.functional import test_local_backend as local

#: What systemd-nspawn leaves out too, and a machine on a network never needs.
FORBIDDEN = {
    'SYS_MODULE', 'SYS_RAWIO', 'SYS_PACCT', 'SYS_TIME', 'AUDIT_WRITE',
    'AUDIT_CONTROL', 'AUDIT_READ', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG',
    'WAKE_ALARM', 'BLOCK_SUSPEND', 'PERFMON', 'BPF', 'CHECKPOINT_RESTORE'}
#: What its own systemd, sshd and schedulers need.
NEEDED = {'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_CHROOT', 'SYS_PTRACE',
          'NET_ADMIN', 'NET_RAW', 'SETUID', 'SETGID', 'CHOWN', 'KILL',
          'DAC_OVERRIDE'}
#: Some of the tries, by one who may.
TRIED = """
import json, sys
from hpcdirect.tests.functional import reach
said, words = {}, sys.argv[1]
for name, arguments in (('processes', [words]), ('files', ['/etc/passwd']),
                        ('socket', [chr(0) + words]), ('settings', [])):
    try:
        getattr(reach, 'socket_of_the_host' if name == 'socket'
                else name)(*arguments)
        said[name] = ''
    except OSError as exc:
        said[name] = str(exc)
print(json.dumps(said))
"""


class ReachTest(local.LocalTest):
    """What a machine tries fails, and the host is as it was."""

    def test_the_host_is_out_of_reach(self):
        _, machines = self.up('head-0')
        request, _ = self.up('compute-0')
        words = f'words-{uuid.uuid4()}'
        # One of the host, as one of another machine would be.
        process = subprocess.Popen(
            [sys.executable, '-c', 'import sys; sys.stdin.read()', words],
            stdin=subprocess.PIPE)
        self.addCleanup(process.communicate)
        disk = (self.bed.state / 'clusters' / request.cluster_id / 'machines'
                / 'compute-0' / 'root' / 'etc' / 'machine-id')
        self.assertTrue(disk.exists())
        bound = str(self.bed.folder / 'socket')
        before = self.host()
        with socket.socket(socket.AF_UNIX) as abstract, \
                socket.socket(socket.AF_UNIX) as named:
            abstract.bind(f'\0{words}')
            named.bind(bound)
            for listener in (abstract, named):
                listener.listen()
            said = json.loads(self.run_on(
                machines['head-0'], 'python3 - '
                + shlex.join([words, str(disk), words, bound]),
                given=pathlib.Path(reach.__file__).read_text()))
        self.assertEqual([], [name for name, error
                              in said['tries'].items() if not error])
        self.assertEqual(set(), FORBIDDEN & set(said['capabilities']))
        self.assertEqual(set(), NEEDED - set(said['capabilities']))
        self.assertUntouched(before)

    def test_the_same_tries_succeed_where_they_may(self):
        """A try that can only fail would prove nothing.

        A network namespace of the host's root sees the host's processes and
        files; what the test itself may do there differs between hosts.
        """
        words = f'words-{uuid.uuid4()}'
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f'\0{words}')
            listener.listen()
            process = subprocess.Popen(
                [sys.executable, '-c', 'import sys; sys.stdin.read()', words],
                stdin=subprocess.PIPE)
            self.addCleanup(process.communicate)
            said = json.loads(subprocess.run(
                [sys.executable, '-c', TRIED, words], check=True, text=True,
                capture_output=True).stdout)
        self.assertEqual({'processes': '', 'files': '', 'socket': '',
                          'settings': ''}, said)

    def test_chrony_leaves_the_clock_alone(self):
        _, machines = self.up('head-0', packages=['chrony'])
        before = self.host()
        said = self.run_on(machines['head-0'], (
            'systemctl enable --now chrony 2>&1; '
            'systemctl is-system-running --wait; '
            'pgrep -a chronyd | grep -v -e -x; true'))
        # Nothing failed, and none runs that would set the clock.
        self.assertEqual('running', said.splitlines()[-1])
        self.assertUntouched(before)

    def test_a_person_may_ping(self):
        # By a group that the kernel is told of, not by a file's capability.
        _, machines = self.up('head-0', 'head-1')
        self.run_on(machines['head-0'], (
            'useradd -m -u 2000000000 joe && runuser -l joe -c '
            f'"ping -c1 -W2 {machines["head-1"].address}"'))

    def host(self):
        """What a machine might have changed."""
        # How far the clock is from one that nobody can set.
        clock = time.clock_gettime(time.CLOCK_REALTIME) \
            - time.clock_gettime(time.CLOCK_BOOTTIME)
        zone = (ctypes.c_int * 2)()
        reach.call('gettimeofday', None, zone)
        timex = (ctypes.c_long * 64)()
        reach.call('adjtimex', timex)
        settings = {name: pathlib.Path('/proc/sys', name).read_text()
                    for name in reach.SETTINGS}
        return clock, (list(zone), timex[2], settings)

    def assertUntouched(self, before):
        clock, others = self.host()
        # A host may slew its clock by itself.
        self.assertAlmostEqual(before[0], clock, delta=0.5)
        self.assertEqual(before[1], others)


class GroupTest(local.LocalTest):
    """What a machine may have is not for the machine to say."""

    def test_limits_are_the_hosts(self):
        request, machines = self.up('head-0')
        folders = cgroups.folders(f'{request.cluster_id}/head-0')
        self.assertEqual([0], sorted({
            path.stat().st_uid for folder in folders
            for pattern in ('memory.*', 'pids.*', 'cpu.*')
            for path in [*folder.glob(pattern),
                         *(folder / 'machine').glob(pattern)]}))
        # No process of it is in the outer group, which could not hand
        # controllers down then.
        self.assertEqual('', (folders[0] / 'cgroup.procs').read_text())
        self.assertEqual('', self.run_on(machines['head-0'],
                                         'cat /sys/fs/cgroup/cgroup.procs'))
