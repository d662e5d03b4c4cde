#!/usr/bin/python3
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
"""Whether the users of a cluster can get in, as root sees it.

Nothing here runs as a user, logs in as one or reads what is theirs: a user who
breaks a start file, or gives their key a passphrase, harms nobody but
themselves, and no health check of the cluster.
"""

import ctypes
import fnmatch
import glob
import grp
import hashlib
import pathlib
import pwd
import re
import stat
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hpc_users_check
short_description: Whether just these users can get in
description:
  - Looks at accounts, groups, ids, shells, home folders' owners, files of
    keys, what sshd makes of its configuration, and whether PAM would let
    each of them in. Fails with all that is wrong.
options:
  users: {type: list, elements: dict}
"""

KEYS = pathlib.Path('/etc/ssh/users')
HOMES = pathlib.Path('/home')
FIRST, SPAN = 20000, 40000
#: So many faults are told.
TOLD = 10
DAY = 24 * 3600


def number(kind, name):
    """An id that follows from the name alone."""
    said = hashlib.sha256(('%s:%s' % (kind, name)).encode()).digest()
    return FIRST + int.from_bytes(said[:8], 'big') % SPAN


def run(*command):
    """What a command printed, errors among it; its exit code."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    return done.stdout.strip(), done.returncode


def account(user, shadow, groups):
    """What is wrong with an account that is on or off."""
    name, state = user['name'], user.get('state') or 'on'
    uid = user.get('uid') or number('user', name)
    try:
        row = pwd.getpwnam(name)
    except KeyError:
        yield 'has no account'
        return
    for what, found, wanted in (
            ('id', row.pw_uid, uid), ('group', row.pw_gid, uid),
            ('home', row.pw_dir, str(HOMES / name)),
            ('shell', row.pw_shell, user.get('shell') or '/bin/bash')):
        if found != wanted:
            yield 'has the %s %s, not %s' % (what, found, wanted)
    lacking = set(user.get('groups') or ()) - {name} - groups.get(
        name, set())
    if lacking:
        yield 'is not in group %s' % ', '.join(sorted(lacking))
    try:
        home = (HOMES / name).lstat()
    except OSError as exc:
        yield 'has no home: %s' % exc.strerror
    else:
        if not stat.S_ISDIR(home.st_mode) or home.st_uid != uid:
            yield 'has a home that is not a folder of the id %d' % uid
    ends = shadow.get(name, '')
    closed = ends != '' and int(ends) * DAY <= time.time()
    if closed != (state == 'off'):
        yield 'is off and gets in' if state == 'off' else 'is closed'
    yield from keys(name, () if state == 'off' else user.get('keys') or ())


def keys(name, wanted):
    """What is wrong with a user's file of keys that root keeps."""
    file = KEYS / name
    try:
        found, text = file.lstat(), file.read_text()
    except OSError as exc:
        yield 'has no file of keys: %s' % exc.strerror
        return
    for path, said in ((file, found), (KEYS, KEYS.lstat())):
        if said.st_uid or said.st_mode & 0o022 or stat.S_ISLNK(said.st_mode):
            # sshd takes no keys from there.
            yield '%s can be written by others than root' % path
    there = {line.strip() for line in text.splitlines()}
    if not {key.strip() for key in wanted if key.strip()} <= there:
        yield 'lacks a key in %s' % file


def sshd(user=None):
    """What sshd does by its configuration: option -> its words, lower case.

    :raises ValueError: it takes no such configuration.
    """
    where = ['-C', 'user=%s,host=node,addr=192.0.2.1' % user] if user else []
    text, code = run('/usr/sbin/sshd', '-T', *where)
    if code:
        raise ValueError('sshd does not take its configuration: ' + text)
    said = {}
    for line in text.splitlines():
        option, _, value = line.partition(' ')
        said.setdefault(option, []).extend(value.split())
    return said


def differs():
    """Whether sshd's configuration is another for some users."""
    files = ['/etc/ssh/sshd_config', *glob.glob('/etc/ssh/sshd_config.d/*')]
    return any(re.search(r'^\s*match\s', pathlib.Path(file).read_text(
        errors='replace'), re.I | re.M) for file in files)


def lets_in(said, name, groups):
    """Why sshd would not let a user in by the keys that root keeps."""
    if said.get('pubkeyauthentication') != ['yes']:
        yield 'cannot get in: sshd takes no keys'
    if '/etc/ssh/users/%u' not in said.get('authorizedkeysfile', ()) \
            and str(KEYS / name) not in said.get('authorizedkeysfile', ()):
        yield 'cannot get in: sshd does not read %s' % (KEYS / name)
    for option, names in (('users', [name]), ('groups', groups)):
        def listed(kind, option=option, names=names):
            return any(fnmatch.fnmatchcase(one, entry.partition('@')[0])
                       for entry in said.get(kind + option, ())
                       for one in names)

        if listed('deny') or (said.get('allow' + option)
                              and not listed('allow')):
            yield 'cannot get in: sshd lets only some %s in' % option


#: Item of a transaction of PAM: whose account it is about.
PAM_USER = 2
#: That nobody is to be told anything.
PAM_SILENT = 0x8000


class Pam:
    """Asks PAM whether accounts may be used, as sshd does after a key.

    All in one transaction: each would load all modules anew.
    """

    class Conversation(ctypes.Structure):
        """How a module would ask the user something."""

        _fields_ = (('talk', ctypes.c_void_p), ('data', ctypes.c_void_p))

    def __init__(self, service='sshd'):
        self._pam = ctypes.CDLL('libpam.so.0')
        self._pam.pam_strerror.restype = ctypes.c_char_p
        kind = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)
        # Nobody is there to answer: PAM_CONV_ERR.
        self._mute = kind(lambda *_: 19)
        self._talk = self.Conversation(
            ctypes.cast(self._mute, ctypes.c_void_p), None)
        self._handle = ctypes.c_void_p()
        self._begun = self._pam.pam_start(
            service.encode(), None, ctypes.byref(self._talk),
            ctypes.byref(self._handle))

    def refuses(self, name):
        """Why the account may not be used; '' when it may."""
        code = (self._begun
                or self._pam.pam_set_item(self._handle, PAM_USER,
                                          ctypes.c_char_p(name.encode()))
                or self._pam.pam_acct_mgmt(self._handle, PAM_SILENT))
        return self._pam.pam_strerror(
            self._handle, code).decode() if code else ''


def faults(users):
    """All that is wrong: sentences."""
    shadow = {line.split(':')[0]: line.split(':')[7] for line in
              pathlib.Path('/etc/shadow').read_text().splitlines()}
    groups = {}
    for group in grp.getgrall():
        for member in group.gr_mem:
            groups.setdefault(member, set()).add(group.gr_name)
    there = {row.pw_name for row in pwd.getpwall()}
    pam, each = Pam(), differs()
    usual = {} if each else sshd()
    for user in users:
        name, state = user['name'], user.get('state') or 'on'
        if state == 'gone':
            if name in there:
                yield '%s is there still.' % name
            continue
        found = list(account(user, shadow, groups))
        if state == 'on' and name in there:
            found += lets_in(sshd(name) if each else usual, name,
                             [name, *groups.get(name, ())])
            refused = pam.refuses(name)
            found += ['is refused by PAM: ' + refused] if refused else []
        if user.get('sudo') and state == 'on':
            text, _ = run('sudo', '-n', '-l', '-U', name)
            if 'NOPASSWD: ALL' not in text:
                found.append('may not become root')
        for fault in found:
            yield '%s %s.' % (name, fault)


def main():
    """The module."""
    module = AnsibleModule(argument_spec={
        'users': {'type': 'list', 'elements': 'dict', 'required': True}},
        supports_check_mode=True)
    try:
        found = list(faults(module.params['users']))
    except (OSError, ValueError) as exc:
        found = [str(exc)]
    if found:
        more = len(found) - TOLD
        module.fail_json(msg=' '.join(found[:TOLD] + (
            ['And %d more.' % more] if more > 0 else [])))
    module.exit_json(changed=False)


if __name__ == '__main__':
    main()
