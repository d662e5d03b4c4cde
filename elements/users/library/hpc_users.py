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

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hpc_users
short_description: Exactly these users, of those that this module made
description:
  - Makes the accounts listed, and removes those that it made before and
    that are no longer listed. Home folders are made once.
  - An account whose I(state) is C(off) is there, and nobody gets in. Of one
    that is C(gone) it is noted what becomes of its I(home); that is done by
    a call with I(homes), when no node has sessions of the user any more.
  - An id comes from the name alone, so it does not depend on who else is
    listed. Two names with one id are an error that asks for I(uid).
options:
  users: {type: list, elements: dict}
  homes: {type: bool, description: Archive or purge the homes noted.}
"""

STATE = pathlib.Path('/var/lib/hpcdirect/users.json')
KEYS = pathlib.Path('/etc/ssh/users')
HOMES = pathlib.Path('/home')
FIRST, SPAN = 20000, 40000
#: Seconds that a user's home may take.
PATIENCE = 5
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


def run(*command, check=True, well=(0,)):
    """Run a command; Problem when it ends otherwise than well."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if check and done.returncode not in well:
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
    """The accounts of this node.

    What was made of each user is remembered with a digest of what is wanted,
    so that a call looks at everybody and works on those who differ.
    """

    def __init__(self):
        # homes: whose are to be archived or purged still, and how.
        # done: user -> what stood there when all was done.
        self.made = {'users': {}, 'groups': {}, 'homes': {}, 'done': {}}
        if STATE.exists():
            self.made.update(json.loads(STATE.read_text()))
        self.actions = []
        self.notes = []

    def converge(self, listed):
        """Have these users and, of those we made, no others."""
        users = [user for user in listed if user.get('state') != 'gone']
        gone = {user['name']: user for user in listed
                if user.get('state') == 'gone'}
        uids, gids = ids(users)
        self._refuse(uids, gids)
        before = self._remove_users(uids, gone)
        for name in set(self.made['homes']) - set(gone):
            self._forget('homes', name)
        for name in set(self.made['groups']) - set(gids):
            self._remove('groups', name, 'groupdel')
        self._make_groups(uids, gids)
        there = Accounts()
        fresh = [user for user in users if user['name'] not in there.users]
        self._remember('users', {user['name']: uids[user['name']]
                                 for user in fresh})
        done = dict(self.made['done'])
        for user in users:
            name, uid = user['name'], uids[user['name']]
            wanted = digest([user, uid])
            if done.get(name) == [wanted, standing(name, there)]:
                continue
            self._user(user, uid, there)
            self._home(user, uid, before.get(name))
            self._lock(user, uid, there)
            done[name] = [wanted, None]
        self._note_standing(done)
        self._tidy()

    def _note_standing(self, done):
        """Remember how everybody stands that was worked on."""
        there = Accounts()
        for name, entry in done.items():
            if entry[1] is None:
                entry[1] = standing(name, there)
        if done != self.made['done']:
            self.made['done'] = done
            self._save()

    def _refuse(self, uids, gids):
        """Raise all that stands in the way before anything is done."""
        there, groups = Accounts(), numbers('/etc/group')
        owners = {row[0]: name for name, row in there.users.items()}
        wrong = []
        for name, uid in sorted(uids.items()):
            owner = owners.get(uid, name)
            if name in there.users and name not in self.made['users']:
                wrong.append('A user %s is there already, with the id %d and '
                             'not made by us.' % (name, there.users[name][0]))
            elif name in there.users and there.users[name][0] not in (
                    uid, self.made['users'][name]):
                wrong.append('%s has the id %d here, which is not what we '
                             'gave it.' % (name, there.users[name][0]))
            elif owner != name and owner not in self.made['users']:
                wrong.append('%s would have the id %d, which is that of %s '
                             'here.' % (name, uid, owner))
        holders = {gid: name for name, gid in groups.items()}
        for name, gid in sorted(gids.items()):
            ours = name in self.made['groups']
            if name in uids and not ours and groups.get(name, gid) != gid:
                wrong.append('A group %s is there already, with the id %d.'
                             % (name, groups[name]))
            elif name not in groups and holders.get(gid, name) \
                    not in {name, *self.made['groups']}:
                wrong.append('Group %s would have the id %d, which is that '
                             'of %s here.' % (name, gid, holders[gid]))
        if wrong:
            raise Problem(' '.join(wrong[:10] + [
                'And %d more.' % (len(wrong) - 10)][:len(wrong) > 10]))

    def _remove_users(self, uids, gone):
        """Take off who is not wanted; those with another id -> their old.

        One who is given another id was never to be used with the old one:
        the service sees to that.
        """
        other = {}
        for name, uid in list(self.made['users'].items()):
            if name not in uids:
                self._remove_user(name, gone.get(name, {}))
            elif uids[name] != uid:
                self._remove_user(name, {})
                other[name] = uid
        return other

    def _make_groups(self, uids, gids):
        groups = numbers('/etc/group')
        for name, gid in sorted(gids.items()):
            now = groups.get(name)
            if now is None:
                self._remember('groups', {name: gid})
                run('groupadd', '--gid', str(gid), name)
                self.actions.append('made group ' + name)
            elif name in uids and now != gid:
                raise Problem('Group %s is there with the id %d, not %d.'
                              % (name, now, gid))

    def _user(self, user, uid, there):
        name, shell = user['name'], user.get('shell') or '/bin/bash'
        wanted = set(user.get('groups') or ()) - {name}
        options = ['--shell', shell, '--groups', ','.join(sorted(wanted))]
        if name not in there.users:
            run('useradd', '--uid', str(uid), '--gid', str(uid),
                '--home-dir', str(HOMES / name), '--no-create-home',
                '--no-log-init', '--password', '*', *options, name)
            self.actions.append('made user ' + name)
        elif (there.users[name][3], there.groups.get(name, set())) \
                != (shell, wanted):
            run('usermod', *options, name)
            self.actions.append('changed user ' + name)

    def _home(self, user, uid, before):
        """The home folder, the key for the way between nodes, all keys.

        What the user does with a home is the user's: where there is no way
        to make a key pair in it, that is noted, and no failure.
        """
        name = user['name']
        home = HOMES / name
        fresh = False
        try:
            home.mkdir(mode=0o700)
            fresh = True
        except FileExistsError:
            pass
        owner = home.lstat().st_uid
        if before is not None and owner == before:
            run('chown', '-hR', '--from=%d:%d' % (before, before),
                '%d:%d' % (uid, uid), str(home))
        elif owner == 0 and not home.is_symlink():
            os.chown(home, uid, uid, follow_symlinks=False)
        elif owner != uid:
            raise Problem('%s belongs to the id %d, not to %s (%d).'
                          % (home, owner, name, uid))
        own = ''
        try:
            if fresh:
                as_user(name, uid, 'cp -rnT /etc/skel "$HOME"')
                self.actions.append('made %s' % home)
            own = as_user(name, uid, _KEY).partition('\n')[0]
        except (Problem, OSError) as exc:
            self.notes.append('%s has no key pair between nodes: %s'
                              % (name, exc))
        keys = [] if off(user) else [*(user.get('keys') or ()), own]
        text = ''.join(line.strip() + '\n' for line in keys
                       if line.strip())
        file = KEYS / name
        if not file.exists() or file.read_text() != text:
            KEYS.mkdir(mode=0o755, exist_ok=True)
            file.write_text(text)
            self.actions.append('wrote the keys of ' + name)
        os.chown(file, 0, 0)
        file.chmod(0o644)

    def _lock(self, user, uid, there):
        """Nobody gets in with an account that is off, not even by a key
        of the user's own; who is in is put out, and jobs run on."""
        if off(user) == (there.ends.get(user['name']) == '1'):
            return
        run('usermod', '--expiredate', '1' if off(user) else '',
            user['name'])
        if off(user):
            end_processes(uid, jobs=False)
        self.actions.append('%s %s' % (
            'closed' if off(user) else 'opened', user['name']))

    def leave_homes(self):
        """Do with homes of people who are gone as was asked.

        Homes may be shared by all nodes: whoever renames one does the rest,
        and goes on with it after an interruption.
        """
        for name, said in sorted(self.made['homes'].items()):
            home = HOMES / name
            taken = HOMES / ('.%s.gone-%s' % (name, os.uname().nodename))
            try:
                if not taken.exists() and not home.is_symlink() \
                        and home.stat().st_uid == said['uid']:
                    home.rename(taken)
            except FileNotFoundError:
                pass
            if taken.exists():
                if said['wish'] == 'archive':
                    archive(name, taken)
                shutil.rmtree(str(taken))
                self.actions.append('%sd the home of %s' % (
                    said['wish'], name))
            self._forget('homes', name)
        self._tidy()

    def _tidy(self):
        """Leave no empty folder of ours, once there is nobody."""
        for folder in (KEYS, STATE.parent):
            if not any(self.made.values()) and folder.exists() \
                    and not any(folder.iterdir()):
                folder.rmdir()

    def _remove_user(self, name, said):
        """Nobody gets in any more; then who is in is put out."""
        uid, jobs = self.made['users'][name], bool(said.get('end_jobs'))
        if said.get('home', 'keep') != 'keep':
            self._remember('homes', {name: {
                'uid': uid, 'wish': said['home']}})
        (KEYS / name).unlink(missing_ok=True)
        if name in numbers('/etc/passwd'):
            run('usermod', '--expiredate', '1', name)
        if jobs and os.path.exists('/usr/bin/scancel'):
            run('scancel', '-u', str(uid), check=False)
        end_processes(uid, jobs)
        self._remove('users', name, 'userdel', '--force')
        if name in self.made['groups']:
            self._remove('groups', name, 'groupdel')

    def _remove(self, kind, name, *command):
        there = {'users': '/etc/passwd', 'groups': '/etc/group'}[kind]
        if name in numbers(there):
            run(*command, name)
            forget_accounts()
        self._forget(kind, name)
        self.actions.append('removed %s %s' % (kind[:-1], name))

    def _forget(self, kind, name):
        del self.made[kind][name]
        if kind == 'users':
            self.made['done'].pop(name, None)
        self._save()

    def _remember(self, kind, more):
        if more:
            self.made[kind].update(more)
            self._save()

    def _save(self):
        if not any(self.made.values()):
            STATE.unlink(missing_ok=True)
            return
        STATE.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = STATE.with_suffix('.new')
        fresh.write_text(json.dumps(self.made, sort_keys=True))
        fresh.replace(STATE)


def forget_accounts():
    """Have backups of the accounts tell of no account that is gone."""
    for name in ('passwd', 'group', 'shadow', 'gshadow', 'subuid', 'subgid'):
        file, backup = (pathlib.Path('/etc', name + end) for end in ('', '-'))
        if file.exists() and backup.exists():
            backup.write_bytes(file.read_bytes())


def off(user):
    """Whether nobody is to get in with this account."""
    return user.get('state') == 'off'


class Accounts:
    """What the files of accounts say now.

    :ivar users: name -> uid, gid, home, shell.
    :ivar groups: user -> the further groups that list it.
    :ivar ends: user -> the day in /etc/shadow on which it ends.
    """

    def __init__(self):
        self.users, self.ends = {}, {}
        for field in fields('/etc/passwd', 7):
            self.users[field[0]] = (int(field[2]), int(field[3]), field[5],
                                    field[6])
        for field in fields('/etc/shadow', 9):
            self.ends[field[0]] = field[7]
        self.groups = supplementary('/etc/group')


def standing(name, there):
    """How a user stands on this node, as far as root can tell at a glance:
    the account, the file of keys, the home's owner and the user's own key."""
    try:
        home = (HOMES / name).lstat().st_uid
    except OSError:
        home = None
    return [list(there.users.get(name, ())), there.ends.get(name),
            sorted(there.groups.get(name, ())), home, stamp(KEYS / name),
            stamp(HOMES / name / '.ssh/id_ed25519')]


def stamp(path):
    """What tells a file from what it was before; None where root may not
    look, as in a home on another machine."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def digest(value):
    """One word for a value."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def archive(name, folder):
    """Pack a home folder; an archive of before is put aside, not over."""
    file = HOMES / '.gone' / ('%s.tar.gz' % name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    work = file.with_suffix('.part')
    # 1: something changed meanwhile, as where jobs run on.
    run('tar', '-C', str(HOMES), '--transform',
        's,^%s,%s,' % (re.escape(folder.name), name),
        '-czf', str(work), folder.name, well=(0, 1))
    work.chmod(0o600)
    if file.exists():
        number = 1
        while (file.parent / ('%s.%d.tar.gz' % (name, number))).exists():
            number += 1
        file.rename(file.parent / ('%s.%d.tar.gz' % (name, number)))
    work.rename(file)


def end_processes(uid, jobs):
    """End all that runs as a user; without *jobs*, spare what is theirs."""
    for _ in range(50):  # what forks while it is looked for is found next
        found = processes(uid, jobs)
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def processes(uid, jobs):
    """Pids of all that runs as a user; without *jobs*, but for theirs.

    A job's processes descend from the daemon that watches over its step.
    """
    found = {}
    for folder in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            stat = (folder / 'stat').read_text()
            owner = folder.stat().st_uid
        except OSError:
            continue
        word = stat[stat.index('(') + 1:stat.rindex(')')]
        state, parent = stat.rpartition(')')[2].split()[:2]
        found[int(folder.name)] = (owner, word, int(parent), state)

    def of_job(pid):
        while pid in found:
            if found[pid][1].startswith('slurmstepd'):
                return True
            pid = found[pid][2]
        return False

    return [pid for pid, (owner, _, _, state) in found.items()
            if owner == uid and state != 'Z' and (jobs or not of_job(pid))]


def as_user(name, uid, script):
    """Run a shell script as the user; what it printed.

    A home may hold anything, such as a pipe that nobody writes to.
    """
    home = str(HOMES / name)
    process = subprocess.Popen(
        ['/bin/sh', '-c', script], user=uid, group=uid, extra_groups=[],
        cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors='replace',
        start_new_session=True, env={'HOME': home, 'USER': name,
                                     'PATH': '/usr/bin:/bin'})
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Problem('nothing came of it within %d s' % PATIENCE) from None
    if process.returncode:
        raise Problem(err.strip()[-300:])
    return out


def fields(path, count):
    """The lines of a file of accounts, cut at the colons."""
    for line in pathlib.Path(path).read_text().splitlines():
        found = line.split(':')
        if len(found) >= count:
            yield found


def numbers(path):
    """Name -> id, of /etc/passwd or /etc/group."""
    return {field[0]: int(field[2]) for field in fields(path, 4)}


def supplementary(path):
    """User -> the groups that list it."""
    found = {}
    for field in fields(path, 4):
        for user in filter(None, field[3].split(',')):
            found.setdefault(user, set()).add(field[0])
    return found


def main():
    """The module."""
    module = AnsibleModule(argument_spec={
        'users': {'type': 'list', 'elements': 'dict'},
        'homes': {'type': 'bool', 'default': False},
    }, required_one_of=[('users', 'homes')], mutually_exclusive=[
        ('users', 'homes')])
    node = Node()
    try:
        if module.params['homes']:
            node.leave_homes()
        else:
            node.converge(module.params['users'])
    except (Problem, OSError) as exc:
        module.fail_json(msg=str(exc), actions=node.actions)
    for note in node.notes:
        module.warn(note)
    module.exit_json(changed=bool(node.actions), actions=node.actions)


if __name__ == '__main__':
    main()
