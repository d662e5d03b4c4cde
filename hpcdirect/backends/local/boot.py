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

"""Puts a process where a local machine's init can begin; a program.

    boot.py root                         print the host's ids of its root
    boot.py space SPACE                  make a machine's network, and users
    boot.py show SPACE SOURCE TARGET     mount a folder for its users
    boot.py init ROOT NAME SPACE GROUP   become its init's parent

It is the host's root until it has made what only that can make, then root of
the machine's own user namespace, which is nobody on the host: whatever a
machine's root tries, the kernel measures it by that. What it lacks besides
are the capabilities that a machine on a network has no business with, so
that its programs know: chrony, say, leaves the clock alone.

Run by itself, with nothing but the standard library (``python -I -S``).
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import ctypes
import errno
import fcntl
import os
import pathlib
import resource
import stat
import sys
import time

#: Host's id of a machine's root; its other ids follow. Ids of people may be
#: as large as 2,000,000,000, and 4294967295 is nobody's.
SHIFT = 2**31 - 1
#: How many ids a machine has.
IDS = 2**31

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEWNS, _NEWUSER, _NEWNET = 0x20000, 0x10000000, 0x40000000
# Numbers of system calls and flags that are the same on every architecture.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE, _HERE, _EMPTY_PATH, _FROM_EMPTY_PATH = 1, -100, 0x1000, 4
_IDMAP = 0x100000
_BIND, _REC, _PRIVATE, _NOSUID, _NOEXEC = 0x1000, 0x4000, 0x40000, 2, 8
_DETACH = 2
_CAPBSET_DROP = 24
_NS_GET_USERNS = 0xb701
# As which file descriptors boot.sh finds itself and its control group.
_PROCS, _SCRIPT = 8, 9

#: Capabilities, by their numbers in linux/capability.h, that no machine has.
WITHOUT = {
    'SYS_MODULE': 16, 'SYS_RAWIO': 17, 'SYS_PACCT': 20, 'SYS_TIME': 25,
    'AUDIT_WRITE': 29, 'AUDIT_CONTROL': 30, 'MAC_OVERRIDE': 32,
    'MAC_ADMIN': 33, 'SYSLOG': 34, 'WAKE_ALARM': 35, 'BLOCK_SUSPEND': 36,
    'AUDIT_READ': 37, 'PERFMON': 38, 'BPF': 39, 'CHECKPOINT_RESTORE': 40}
_DEVICES = {'null': (1, 3), 'zero': (1, 5), 'full': (1, 7),
            'random': (1, 8), 'urandom': (1, 9), 'tty': (5, 0),
            'fuse': (10, 229)}


def make_space(space: str) -> None:
    """A network namespace with a name, which a user namespace owns.

    The user namespace needs no name: the network leads to it. One of that
    name is replaced: whoever was making it when a service was killed may
    have come to its end only now.
    """
    path = pathlib.Path('/run/netns', space)
    path.parent.mkdir(exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        path.touch()
    except PermissionError:
        # It is a namespace already.
        _call('umount2', str(path).encode(), _DETACH)
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _call('unshare', _NEWUSER | _NEWNET)
        os.write(ready[1], b'.')
        os.close(done[1])
        os.read(done[0], 1)
        os._exit(0)
    os.close(ready[1])
    if not os.read(ready[0], 1):
        raise OSError(errno.EPERM, 'no user namespace can be made')
    for kind in ('uid_map', 'gid_map'):
        pathlib.Path(f'/proc/{child}/{kind}').write_text(
            f'0 {SHIFT} {IDS}\n')
    _mount(f'/proc/{child}/ns/net', str(path), '', _BIND)
    os.close(done[1])
    os.waitpid(child, 0)
    os.close(folder)


class _Attributes(ctypes.Structure):
    """``struct mount_attr`` of linux/mount.h."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in (
        'set', 'clear', 'propagation', 'user'))


def show(space: str, source: str, target: str) -> None:
    """Mount a folder at another place, for the users of a machine.

    What is the host's root's in *source* is in *target* that of the
    machine's root, and what is made there the other way round.

    :param space: name of the machine's network namespace.
    :raises OSError: the kernel or the file system cannot do that.
    """
    network, user = _open(space)
    try:
        tree = _system(_OPEN_TREE, _HERE, source.encode(),
                       _CLONE | os.O_CLOEXEC)
        try:
            attributes = _Attributes(_IDMAP, 0, 0, user)
            _system(_MOUNT_SETATTR, tree, b'', _EMPTY_PATH,
                    ctypes.byref(attributes), ctypes.sizeof(attributes))
            _system(_MOVE_MOUNT, tree, b'', _HERE, target.encode(),
                    _FROM_EMPTY_PATH)
        finally:
            os.close(tree)
    finally:
        os.close(user)
        os.close(network)


def _system(*arguments: object) -> int:
    got = int(_LIBC.syscall(*arguments))
    if got < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return got


def become_init(root: str, name: str, space: str, group: str) -> None:
    """Become the parent of the machine's init; does not return."""
    script = pathlib.Path(__file__).with_suffix('.sh').read_bytes()
    procs = _make_group(pathlib.Path(group, 'machine'))
    _raise_limits()
    _call('unshare', _NEWNS)
    _mount('none', '/', '', _REC | _PRIVATE)
    _make_devices(pathlib.Path(root, 'dev'))
    # Paths above it are closed to whom we become, and its own /tmp is below.
    _mount(root, '/tmp', '', _BIND | _REC)  # noqa: S108 - a mount point
    _become(space)
    for number in WITHOUT.values():
        # A kernel that does not know it has none to give.
        _LIBC.prctl(_CAPBSET_DROP, number, 0, 0, 0)
    _deny('syslog')
    os.chdir('/')
    # The file itself may be closed to whom we became.
    copy = os.memfd_create('boot.sh', 0)
    os.write(copy, script)
    os.dup2(copy, _SCRIPT)
    os.dup2(procs, _PROCS)
    os.execvp('unshare', [  # noqa: S606 # nosec B606 - what we are for
        'unshare', '--mount', '--uts', '--ipc', '--pid',
        '--fork', '--kill-child=SIGKILL',
        'sh', f'/dev/fd/{_SCRIPT}', 'join', name])


def _call(name: str, *arguments: object) -> None:
    if getattr(_LIBC, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, f'{name}: {os.strerror(code)}')


def _mount(source: str, target: str, kind: str, flags: int,
           options: str = '') -> None:
    _call('mount', source.encode(), target.encode(), kind.encode(),
          ctypes.c_ulong(flags), options.encode())


def _make_group(group: pathlib.Path) -> int:
    """The group that is all of its machine's to see: how to enter it.

    :returns: a file descriptor; the kernel asks who opened it, not who
        writes to it.
    """
    end = time.monotonic() + 10
    while group.exists():
        # Of the boot before this one.
        try:
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)
        except OSError:
            # Its last process is still on its way out.
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
    group.mkdir()
    for path in (group, *(group / f'cgroup.{name}' for name in (
            'procs', 'threads', 'subtree_control'))):
        os.chown(path, SHIFT, SHIFT)
    return os.open(group / 'cgroup.procs', os.O_WRONLY)


def _raise_limits() -> None:
    """What a machine's own root could raise if the machine were one.

    The kernel lets the host's root alone raise them.
    """
    files = int(pathlib.Path('/proc/sys/fs/nr_open').read_text())
    most = dict.fromkeys((
        resource.RLIMIT_MEMLOCK, resource.RLIMIT_NPROC, resource.RLIMIT_CORE,
        resource.RLIMIT_STACK, resource.RLIMIT_MSGQUEUE,
        resource.RLIMIT_SIGPENDING), resource.RLIM_INFINITY)
    most |= {resource.RLIMIT_NOFILE: files, resource.RLIMIT_RTPRIO: 99,
             resource.RLIMIT_NICE: 40}
    for kind, hard in most.items():
        soft, _ = resource.getrlimit(kind)
        # Where even the host's root may not, what there is remains.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (soft, hard))


def _make_devices(folder: pathlib.Path) -> None:
    """Devices of its own: it can make none, and no other works."""
    _mount('tmpfs', str(folder), 'tmpfs', _NOSUID | _NOEXEC,
           f'mode=755,uid={SHIFT},gid={SHIFT}')
    for name, (major, minor) in _DEVICES.items():
        if os.path.exists(f'/dev/{name}'):
            path = folder / name
            os.mknod(path, stat.S_IFCHR, os.makedev(major, minor))
            path.chmod(0o666)
            os.chown(path, SHIFT, SHIFT)


def _open(space: str) -> tuple[int, int]:
    """File descriptors of a network and of the user namespace it is of."""
    network = os.open(f'/run/netns/{space}', os.O_RDONLY)
    user = fcntl.ioctl(network, _NS_GET_USERNS)
    os.set_inheritable(user, False)
    return network, user


def _become(space: str) -> None:
    """Enter the machine's network and be root of its user namespace."""
    network, user = _open(space)
    _call('setns', network, _NEWNET)
    _call('setns', user, _NEWUSER)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _deny(name: str) -> None:
    """Let a system call fail that everybody may make otherwise."""
    library = ctypes.CDLL('libseccomp.so.2')
    library.seccomp_init.restype = ctypes.c_void_p
    allow, refuse = 0x7fff0000, 0x00050000 | errno.EPERM
    bad_architecture, no_new_privileges = 2, 3
    rules = ctypes.c_void_p(library.seccomp_init(allow))
    library.seccomp_attr_set(rules, bad_architecture, allow)
    # sudo has to go on working.
    library.seccomp_attr_set(rules, no_new_privileges, 0)
    for other in ('x86', 'x32') if os.uname().machine == 'x86_64' else ():
        library.seccomp_arch_add(
            rules, library.seccomp_arch_resolve_name(other.encode()))
    number = library.seccomp_syscall_resolve_name(name.encode())
    if library.seccomp_rule_add(rules, refuse, number, 0) \
            or library.seccomp_load(rules):
        raise OSError(errno.EPERM, f'{name} cannot be denied')


_VERBS: dict[str, Callable[..., None]] = {
    'root': lambda: print(f'{SHIFT}:{SHIFT}'),
    'space': make_space, 'show': show, 'init': become_init}

if __name__ == '__main__':
    try:
        _VERBS[sys.argv[1]](*sys.argv[2:])
    except OSError as exc:
        sys.exit(f'It cannot be started: {exc}.')
