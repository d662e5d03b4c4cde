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
"""The users of a cluster on one of its nodes.

Every node works out the same ids from the same list, so that no node has to
ask another one.
"""

import hashlib
import json
import os
import pathlib
import pwd
import re
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hpc_users
short_description: Exactly these users, of those that this module made
description:
  - Makes the accounts listed, and removes those that it made before and
    that are no longer listed. Home folders are made once and never removed.
  - An id comes from the name alone, so it does not depend on who else is
    listed. Two names with one id are an error that asks for I(uid).
options:
  users: {type: list, elements: dict, required: true}
"""

STATE = pathlib.Path('/var/lib/hpcdirect/users.json')
KEYS = pathlib.Path('/etc/ssh/users')
HOMES = pathlib.Path('/home')
FIRST, SPAN = 20000, 40000
NAME = re.compile(r'[a-z_][a-z0-9_-]{0,30}')

# Run as the user: a home folder is the user's, root must not follow it.
# Several nodes may do this at once on one shared home: ln decides.
_KEY = """
umask 077
mkdir -p "$HOME/.ssh" || exit
key=$HOME/.ssh/id_ed25519
if ! [ -e "$key" ]; then
  work=$(mktemp -d "$HOME/.ssh/new.XXXXXX") || exit
  ssh-keygen -q -t ed25519 -N '' -C "$USER@cluster" -f "$work/key"
  ln "$work/key" "$key" 2>/dev/null && mv "$work/key.pub" "$key.pub"
  rm -rf "$work"
fi
ssh-keygen -y -P '' -f "$key" 2>/dev/null || true
"""


class Problem(Exception):
    """Why the users cannot be as wanted, a sentence."""


def run(*command, check=True):
    """Run a command; Problem when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if check and done.returncode:
        raise Problem('%s failed: %s' % (command[0], done.stdout.strip()))


def number(kind, name):
    """An id that follows from the name alone."""
    said = hashlib.sha256(('%s:%s' % (kind, name)).encode()).digest()
    return FIRST + int.from_bytes(said[:8], 'big') % SPAN


def ids(users):
    """User -> uid, and group -> gid; a user's own group has the uid."""
    uids = {user['name']: user.get('uid') or number('user', user['name'])
            for user in users}
    if len(uids) < len(users):
        raise Problem('A user is listed twice.')
    gids = dict(uids)
    for user in users:
        for group in user.get('groups') or ():
            gids.setdefault(group, number('group', group))
    owners = {}
    for name, value in gids.items():
        if not NAME.fullmatch(name):
            raise Problem('"%s" is no good name.' % name)
        other = owners.setdefault(value, name)
        if other != name:
            raise Problem('%s and %s have the same id, %d: give one of them '
                          'a uid of its own.' % (other, name, value))
    return uids, gids


class Node:
    """The accounts of this node."""

    def __init__(self):
        self.made = {'users': {}, 'groups': {}}
        if STATE.exists():
            self.made = json.loads(STATE.read_text())
        self.actions = []

    def converge(self, users):
        """Have these users and, of those we made, no others."""
        uids, gids = ids(users)
        for name in set(self.made['users']) - set(uids):
            self._remove_user(name)
        for name in set(self.made['groups']) - set(gids):
            self._remove('groups', name, 'groupdel')
        groups = numbers('/etc/group')
        for name, gid in sorted(gids.items()):
            if name in uids or name not in groups:
                self._group(name, gid, groups.get(name))
        members = supplementary('/etc/group')
        for user in users:
            self._user(user, uids[user['name']], members)
            self._home(user, uids[user['name']])
        for folder in (KEYS, STATE.parent):
            if not users and folder.exists() and not any(folder.iterdir()):
                folder.rmdir()

    def _group(self, name, gid, now):
        if now is None:
            self._remember('groups', name, gid)
            run('groupadd', '--gid', str(gid), name)
            self.actions.append('made group ' + name)
        elif now != gid:
            raise Problem('Group %s is there with the id %d, not %d.'
                          % (name, now, gid))

    def _user(self, user, uid, members):
        name, shell = user['name'], user.get('shell') or '/bin/bash'
        wanted = set(user.get('groups') or ()) - {name}
        options = ['--shell', shell, '--groups', ','.join(sorted(wanted))]
        try:
            there = pwd.getpwnam(name)
        except KeyError:
            self._remember('users', name, uid)
            run('useradd', '--uid', str(uid), '--gid', str(uid),
                '--home-dir', str(HOMES / name), '--no-create-home',
                '--no-log-init', '--password', '*', *options, name)
            self.actions.append('made user ' + name)
            return
        if there.pw_uid != uid or name not in self.made['users']:
            raise Problem('A user %s is there already, with the id %d and '
                          'not made by us.' % (name, there.pw_uid)
                          if name not in self.made['users'] else
                          'The id of %s is %d and cannot become %d: take the '
                          'user away first.' % (name, there.pw_uid, uid))
        if there.pw_shell != shell or members.get(name, set()) != wanted:
            run('usermod', *options, name)
            self.actions.append('changed user ' + name)

    def _home(self, user, uid):
        """The home folder, the key for the way between nodes, all keys."""
        name = user['name']
        home = HOMES / name
        fresh = False
        try:
            home.mkdir(mode=0o700)
            fresh = True
        except FileExistsError:
            pass
        owner = home.lstat().st_uid
        if owner == 0 and not home.is_symlink():
            os.chown(home, uid, uid, follow_symlinks=False)
        elif owner != uid:
            raise Problem('%s belongs to the id %d, not to %s (%d).'
                          % (home, owner, name, uid))
        if fresh:
            as_user(name, uid, 'cp -rnT /etc/skel "$HOME"')
            self.actions.append('made %s' % home)
        own = as_user(name, uid, _KEY)
        text = ''.join(line.strip() + '\n' for line in
                       [*(user.get('keys') or ()), own] if line.strip())
        file = KEYS / name
        if not file.exists() or file.read_text() != text:
            KEYS.mkdir(mode=0o755, exist_ok=True)
            file.write_text(text)
            file.chmod(0o644)
            self.actions.append('wrote the keys of ' + name)

    def _remove_user(self, name):
        run('pkill', '-KILL', '-u', str(self.made['users'][name]),
            check=False)
        (KEYS / name).unlink(missing_ok=True)
        self._remove('users', name, 'userdel', '--force')
        if name in self.made['groups']:
            self._remove('groups', name, 'groupdel')

    def _remove(self, kind, name, *command):
        there = {'users': '/etc/passwd', 'groups': '/etc/group'}[kind]
        if name in numbers(there):
            run(*command, name)
        del self.made[kind][name]
        self._save()
        self.actions.append('removed %s %s' % (kind[:-1], name))

    def _remember(self, kind, name, value):
        self.made[kind][name] = value
        self._save()

    def _save(self):
        if not any(self.made.values()):
            STATE.unlink(missing_ok=True)
            return
        STATE.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = STATE.with_suffix('.new')
        fresh.write_text(json.dumps(self.made, sort_keys=True))
        fresh.replace(STATE)


def as_user(name, uid, script):
    """Run a shell script as the user; what it printed."""
    home = str(HOMES / name)
    done = subprocess.run(
        ['/bin/sh', '-c', script], user=uid, group=uid, extra_groups=[],
        cwd=home, stdin=subprocess.DEVNULL, text=True, check=False,
        capture_output=True, env={'HOME': home, 'USER': name,
                                  'PATH': '/usr/bin:/bin'})
    if done.returncode:
        raise Problem('In the home of %s: %s' % (name, done.stderr.strip()))
    return done.stdout


def numbers(path):
    """Name -> id, of /etc/passwd or /etc/group."""
    lines = pathlib.Path(path).read_text().splitlines()
    fields = [line.split(':') for line in lines if line.count(':') >= 3]
    return {field[0]: int(field[2]) for field in fields}


def supplementary(path):
    """User -> the groups that list it."""
    found = {}
    for line in pathlib.Path(path).read_text().splitlines():
        fields = line.split(':')
        for user in filter(None, fields[3].split(',')):
            found.setdefault(user, set()).add(fields[0])
    return found


def main():
    """The module."""
    module = AnsibleModule(argument_spec={
        'users': {'type': 'list', 'elements': 'dict', 'required': True}})
    node = Node()
    try:
        node.converge(module.params['users'])
    except Problem as exc:
        module.fail_json(msg=str(exc), actions=node.actions)
    module.exit_json(changed=bool(node.actions), actions=node.actions)


if __name__ == '__main__':
    main()
