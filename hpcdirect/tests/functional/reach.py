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

"""What root of a local machine tries against its host; runs on a machine.

Each attempt is one that changes nothing where it succeeds: the time that it
is, a setting to its own value, a module that is none. Prints a JSON object:
what was tried -> '' where it succeeded, the error otherwise. Nothing but the
standard library is there.
"""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import re
import socket
import stat
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
SETTINGS = ('kernel/core_pattern', 'kernel/panic', 'vm/swappiness',
            'fs/file-max')
# By their names in linux/capability.h.
CAPABILITIES = re.findall(r'\w+', """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK
IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE
AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND
AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""")


def call(name, *arguments):
    """A function of the C library; raises what it failed with."""
    got = getattr(LIBC, name)(*arguments)
    if got < 0:
        code = ctypes.get_errno()
        raise OSError(code, f'{name}: {os.strerror(code)}')
    return got


def clock():
    time.clock_settime(time.CLOCK_REALTIME, time.time())


def zone():
    # The first zone of a kernel's life moves its clock, unless it is UTC.
    zone = (ctypes.c_int * 2)()
    call('gettimeofday', None, zone)
    call('settimeofday', None, zone)


def pace_of_the_clock():
    # struct timex: the word of modes, then offset and frequency. What is
    # asked for with modes 0 is set again.
    timex = (ctypes.c_long * 64)()
    call('adjtimex', timex)
    timex[0] = 0x0002
    call('adjtimex', timex)


def module():
    path = pathlib.Path('/tmp/none.ko')
    path.write_bytes(b'no module')
    with path.open('rb') as file:
        try:
            call('syscall', 313 if os.uname().machine == 'x86_64' else 273,
                 file.fileno(), b'', 0)
        except OSError as exc:
            # That it is no module is said to who might have loaded one.
            if exc.errno not in (errno.ENOEXEC, errno.EINVAL):
                raise


def memory():
    device('mem', stat.S_IFCHR, 1, 1)


def disk_of_the_host():
    device('disk', stat.S_IFBLK, 7, 0)


def device(name, kind, major, minor):
    path = f'/root/{name}'
    os.mknod(path, kind | 0o600, os.makedev(major, minor))
    os.close(os.open(path, os.O_RDONLY))


def kernel_log():
    call('klogctl', 10, None, 0)


def kernel_log_as_a_file():
    for path in ('/proc/kmsg', '/dev/kmsg'):
        with contextlib.suppress(FileNotFoundError):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            return
    raise OSError(errno.EPERM, 'neither can be opened')


def key_for_emergencies():
    # "h" prints a help text on the console.
    pathlib.Path('/proc/sysrq-trigger').write_text('h')


def settings(folder='/proc/sys'):
    for name in SETTINGS:
        path = pathlib.Path(folder, name)
        text = path.read_text()
        with contextlib.suppress(OSError):
            path.write_text(text)
            return
    raise OSError(errno.EPERM, 'none of them can be written')


def settings_by_another_mount():
    with contextlib.suppress(OSError):
        # MS_REMOUNT | MS_BIND: writable, where it was not.
        call('mount', b'none', b'/proc/sys', b'', 0x1020, b'')
    os.makedirs('/root/proc', exist_ok=True)
    call('mount', b'proc', b'/root/proc', b'proc', 0, b'')
    settings('/root/proc/sys')


def control_groups_of_the_host():
    os.makedirs('/root/groups', exist_ok=True)
    call('mount', b'cgroup', b'/root/groups', b'cgroup', 0, b'memory')
    # A program that the host's root would run.
    for name in ('release_agent', 'memory.limit_in_bytes'):
        path = pathlib.Path('/root/groups', name)
        if path.exists():
            path.write_text(path.read_text())


def debugging():
    os.makedirs('/root/debug', exist_ok=True)
    call('mount', b'debugfs', b'/root/debug', b'debugfs', 0, b'')


def program_for_the_kernel():
    # BPF_MAP_CREATE of an array of one number, which goes with its file.
    words = (ctypes.c_uint32 * 32)(2, 4, 4, 1)
    os.close(call('syscall', 321 if os.uname().machine == 'x86_64' else 280,
                  0, words, ctypes.sizeof(words)))


def limits_of_its_own():
    group = pathlib.Path('/sys/fs/cgroup')
    for name in ('memory.max', 'pids.max', 'cpu.max'):
        path = group / name
        if path.exists():
            path.write_text(path.read_text())
            return
    raise OSError(errno.ENOENT, 'they are not among what it sees')


def processes(words):
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            said = path.read_bytes().decode(errors='replace')
            if words in said and str(os.getpid()) not in str(path):
                return
    raise OSError(errno.ESRCH, 'not seen')


def files(path):
    if not os.path.lexists(path):
        raise OSError(errno.ENOENT, 'not seen')


def socket_of_the_host(name):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)


def capabilities():
    """Those that a process of its can ever have."""
    found = set()
    for path in pathlib.Path('/proc').glob('[0-9]*/status'):
        with contextlib.suppress(OSError):
            line = next(line for line in path.read_text().splitlines()
                        if line.startswith('CapBnd'))
            mask = int(line.split()[1], 16)
            found |= {name for number, name in enumerate(CAPABILITIES)
                      if mask >> number & 1}
    return sorted(found)


def main(words, path, abstract, bound):
    tries = {try_.__name__: (try_,) for try_ in (
        clock, zone, pace_of_the_clock, module, memory, disk_of_the_host,
        kernel_log, kernel_log_as_a_file, key_for_emergencies, settings,
        settings_by_another_mount, control_groups_of_the_host, debugging,
        program_for_the_kernel, limits_of_its_own)}
    tries |= {'processes': (processes, words), 'files': (files, path),
              'socket': (socket_of_the_host, f'\0{abstract}'),
              'socket_file': (socket_of_the_host, bound)}
    said = {}
    for name, (try_, *arguments) in tries.items():
        try:
            try_(*arguments)
            said[name] = ''
        except OSError as exc:
            said[name] = str(exc)
    print(json.dumps({'tries': said, 'capabilities': capabilities()}))


if __name__ == '__main__':
    main(*sys.argv[1:])
