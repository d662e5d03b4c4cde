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

"""Packages, files and services of a layer: put on, and taken off again.

It lies beside the elements that use it. Whoever plays them with Ansible alone
names this folder as library in ansible.cfg.
"""

import base64
import contextlib
import fcntl
import grp
import hashlib
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hpc_layer
short_description: Packages, files and services of a layer, reversibly
description:
  - Brings a node to what is declared, in one task, and writes down in
    I(/var/lib/hpcdirect) what was there before.
  - What an earlier run of the same layer made and this one no longer
    declares is taken back. I(state=absent) takes back everything.
  - I(state=verified) changes nothing. It fails when anything is not as the
    layer wrote it, and names all that is not.
  - Packages go when no other layer, and nothing that was installed by
    hand, needs them. What the image had stays.
options:
  layer: {description: A name of the layer on this node., required: true}
  state: {choices: [present, absent, verified], default: present}
  packages: {description: Debian packages., type: list, elements: str}
  archives:
    description: Debian packages in files on the node, that are installed in
      just that version.
    type: list
    elements: str
  directories:
    description: path, and owner, group, mode. Made ones go with their
      content at the revert.
    type: list
    elements: dict
  files:
    description: path; one of content, link (a target), seed (the file whose
      text is taken when path is not there yet), first (the text then);
      owner, group, mode; restart and reload (units to be told of a change).
    type: list
    elements: dict
  units:
    description: Units to be enabled and running. One that was so before the
      layer came is so when it has gone.
    type: list
  litter:
    description: Paths that the services write; removed at the revert.
    type: list
"""

RETURN = r"""
actions: {description: What was done., type: list, returned: always}
running:
  description: Those of the units that ran before.
  type: list
  returned: when present
files: {description: Paths that changed., type: list, returned: always}
"""

HOME = pathlib.Path('/var/lib/hpcdirect')
LAYERS = HOME / 'layers'
NODE = HOME / 'node.json'
SCRIPTS = pathlib.Path('/var/lib/dpkg/info')
#: How systemd calls a unit that is up, one that comes up at boot, and one
#: that must not come up.
ON = ('active', 'enabled', 'masked')
#: What a unit is called that does not come up at boot.
OFF = ('disabled', 'masked', 'masked-runtime', 'bad', '')
#: Units that are just about to be up get so many seconds.
PATIENCE = 10
#: States of packages: whole, and those of which anything is there.
WHOLE, THERE = 'iWt', 'iWtHUF'
POLICY = pathlib.Path('/usr/sbin/policy-rc.d')
#: With this line, so that one that a killed run has left is known as ours.
MARK = '# made by hpcdirect while it installs packages'
# SKIP_SYSV: enabling init scripts as well would take long; FORCE_REMOVE: root
# comes in by key, it needs no password to be without sudo
ENVIRONMENT = dict(os.environ, LC_ALL='C', DEBIAN_FRONTEND='noninteractive',
                   SYSTEMCTL_SKIP_SYSV='1', SUDO_FORCE_REMOVE='yes')
APT = ['apt-get', '-qq', '-y', '--no-install-recommends',
       '--allow-downgrades',
       '-o', 'Dpkg::Options::=--force-unsafe-io',
       '-o', 'Dpkg::Options::=--force-confdef',
       '-o', 'Dpkg::Options::=--force-confold',
       # what is to go need not be installed anew before
       '-o', 'Dpkg::Options::=--force-remove-reinstreq',
       '-o', 'Dpkg::Use-Pty=0',
       '-o', 'DPkg::Lock::Timeout=120']


class Problem(Exception):
    """Why the layer cannot be put on or taken off, a sentence."""


def run(*command, check=True):
    """Run a command; its output, or Problem."""
    done = subprocess.run(  # a program may print any bytes
        command, encoding='utf-8', errors='replace', check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=ENVIRONMENT)
    if check and done.returncode:
        raise Problem('%s failed: %s' % (
            ' '.join(command), done.stdout.strip()[-2000:]))
    return done.stdout


def load(path, default):
    """What a JSON file of ours holds."""
    return json.loads(path.read_text()) if path.exists() else default


def save(path, value):
    """Write a JSON file that only root may read, all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix('.new')
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(value, sort_keys=True))
    fresh.replace(path)


# Packages


def installed(states=WHOLE):
    """Names of the packages that are installed, or in any of these states."""
    return {line[3:] for line in listed() if line[1] in states}


def spoilt():
    """Names of those that dpkg was unpacking when it was killed.

    It neither configures nor removes them; they have to be installed anew.
    """
    return {line[3:] for line in listed() if line[2] == 'R'}


def listed():
    """dpkg's three letters for the state of each package, and its name."""
    return run('dpkg-query', '-W', '-f',
               '${db:Status-Abbrev}${Package}\n').splitlines()


def apt(*words):
    """Run apt-get, on packages that an earlier run may have left half done.

    What dpkg cannot configure then, apt-get tells of, or installs anew.
    """
    with quiet():
        run('dpkg', '--force-confdef', '--force-confold', '--configure', '-a',
            check=False)
        run(*APT, *words)


@contextlib.contextmanager
def quiet():
    """Have packages start nothing: the layer decides what runs."""
    ours = not POLICY.exists() or MARK in POLICY.read_text()
    if ours:
        POLICY.write_text('#!/bin/sh\n%s\nexit 101\n' % MARK)
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink()


def recover(node):
    """Finish what a run was at that was killed while it installed.

    What it brought counts as brought: it goes with the last layer.
    """
    if POLICY.exists() and MARK in POLICY.read_text():
        POLICY.unlink()
    if node['installing']:
        wait_for_dpkg()
        with quiet():
            run('dpkg', '--force-confdef', '--force-confold', '--configure',
                '-a', check=False)
        brought(node)


def wait_for_dpkg():
    """Wait until no dpkg is at work: one may have outlived who began it."""
    end = time.monotonic() + 120
    for name in ('/var/lib/dpkg/lock-frontend', '/var/lib/dpkg/lock'):
        with open(name, 'a') as lock:
            while True:
                try:
                    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > end:
                        raise Problem('another dpkg has been at work for two '
                                      'minutes') from None
                    time.sleep(0.2)


def brought(node):
    """Keep what has come since an installation began."""
    since = node['installing']
    came = installed(THERE).difference(since['packages'])
    node['packages'] = sorted(came.union(node['packages']))
    for name in accounts().difference(since['accounts']):
        node['accounts'][name] = sorted(came)
    node['installing'] = {}
    save(NODE, node)


def accounts():
    """Names of the node's own users and groups."""
    return {line.partition(':')[0] for file in ('/etc/passwd', '/etc/group')
            for line in pathlib.Path(file).read_text().splitlines()}


def forget_accounts():
    """Have backups of the accounts tell of no account that is gone."""
    for name in ('passwd', 'group', 'shadow', 'gshadow', 'subuid', 'subgid'):
        file, backup = (pathlib.Path('/etc', name + end) for end in ('', '-'))
        if file.exists() and backup.exists():
            backup.write_bytes(file.read_bytes())


def archived(paths):
    """Package -> the file that it is in, of these files."""
    return {run('dpkg-deb', '-f', path, 'Package').strip(): path
            for path in paths}


def outdated(archives):
    """The files whose package is not there in their version."""
    for name, path in sorted(archives.items()):
        there = run('dpkg-query', '-W', '-f', '${db:Status-Status} ${Version}',
                    name, check=False)
        wanted = run('dpkg-deb', '-f', path, 'Version').strip()
        if there != 'installed ' + wanted:
            yield path


def install(wanted, archives, node):
    """Install what is missing, and remember all that came with it.

    :param archives: package -> file.
    """
    packages = installed()
    missing = [*sorted(set(wanted) - packages), *outdated(archives)]
    if not missing:
        return []
    node['installing'] = {'packages': sorted(installed(THERE)),
                          'accounts': sorted(accounts())}
    save(NODE, node)
    words = ['install', '--reinstall', *sorted(spoilt()), *missing]
    try:
        apt(*words)
    except Problem:  # perhaps only the lists are old or not there
        run(*APT, 'update')
        apt(*words)
    finally:
        brought(node)
    return ['installed ' + name for name in missing]


def used(name):
    """Whether a package that is there makes this account, too."""
    word = re.compile(r'(?<![\w-])%s(?![\w-])' % re.escape(name))
    return any(
        'adduser' in text and word.search(text)
        for text in (path.read_text(errors='replace')
                     for path in SCRIPTS.glob('*.postinst')))


def needed(roots, brought=()):
    """These packages and all installed ones that they depend on."""
    return closure(roots, run(
        'dpkg-query', '-W', '-f', '${db:Status-Abbrev}|${Package}|'
        '${Provides}|${Pre-Depends}, ${Depends}\n'.replace('|', '\t')),
        brought)


def closure(roots, table, brought=()):
    """These packages and what they depend on, at any depth.

    Of alternatives, and of those that provide the same, all that are
    installed count, but for those that layers brought: one of them is kept
    where nothing else would do. So what an image has (mawk) does for its own
    packages, whatever came later (gawk). apt-cache is of no use: it stops at
    "perl:any".
    """
    depends, offers = {}, {}
    for line in table.splitlines():
        state, name, provides, wanted = line.split('\t')
        if state[1] not in 'iWt':
            continue
        depends[name] = [named(group) for group in wanted.split(',')]
        for offer in {name, *named(provides)}:
            offers.setdefault(offer, set()).add(name)
    found, todo, later = set(), set(roots), []
    while todo or later:
        if not todo:
            there = later.pop()
            if not found.intersection(there):
                todo.add(min(there))
            continue
        name = todo.pop()
        found.add(name)
        for group in depends.get(name, ()):
            there = {one for wanted in group
                     for one in offers.get(wanted, ())}
            todo |= there - found - set(brought)
            if there and there <= set(brought):
                later.append(there)
    return found


def named(relations):
    """The packages that a field such as Depends names."""
    parts = (part.split() for part in relations.replace('|', ',').split(','))
    return {words[0].partition(':')[0] for words in parts if words}


def purge(node):
    """Remove what layers brought and nothing needs any more."""
    here = installed(THERE)
    ours = here.intersection(node['packages'])
    actions = []
    if ours:
        roots = here - ours  # the image, and what came by hand
        for file in LAYERS.glob('*.json'):
            roots.update(load(file, {})['packages'])
        gone = sorted(ours - needed(roots & here, ours))
        if gone:
            apt('purge', *gone)
            forget_accounts()
            actions = ['purged ' + name for name in gone]
            here = installed(THERE)
    node['packages'] = sorted(here.intersection(node['packages']))
    for name, packages in list(node['accounts'].items()):
        if not here.intersection(packages) and not used(name):
            run('userdel', name, check=False)
            run('groupdel', name, check=False)
            forget_accounts()
            del node['accounts'][name]
    return actions


# Files and directories


def snapshot(path):
    """All that is needed to have this path as it is now; None: not there."""
    if path.is_symlink():
        return {'link': os.readlink(path)}
    if not path.exists():
        return None
    stat = path.stat()
    found = {'mode': stat.st_mode & 0o7777,
             'uid': stat.st_uid, 'gid': stat.st_gid}
    if path.is_file():
        found['content'] = base64.b64encode(path.read_bytes()).decode()
    return found


def wanted_file(said):
    """The snapshot that a file of ours is to have."""
    path = pathlib.Path(said['path'])
    if 'link' in said:
        return {'link': said['link']}
    found = wanted_directory(said, '0644')
    if 'first' in said:
        content = (path.read_bytes() if path.exists()
                   else said['first'].encode())
    elif 'seed' in said:
        seed = path if path.exists() else pathlib.Path(said['seed'])
        content = seed.read_bytes() if seed.exists() else b''
    else:
        content = said['content'].encode()
    found['content'] = base64.b64encode(content).decode()
    return found


def wanted_directory(said, mode='0755'):
    """The snapshot that a directory of ours is to have."""
    try:
        return {'mode': int(said.get('mode', mode), 8),
                'uid': pwd.getpwnam(said.get('owner', 'root')).pw_uid,
                'gid': grp.getgrnam(said.get('group', 'root')).gr_gid}
    except KeyError as exc:
        raise Problem('%s: %s' % (said['path'], exc)) from exc


def written(said, wanted):
    """What is kept of a path, to see later whether it is still so.

    The text of a file that is only begun by the layer is others' to change.
    """
    kept = {key: value for key, value in wanted.items() if key != 'content'}
    if 'content' in wanted and not {'first', 'seed'} & said.keys():
        kept['sha256'] = hashlib.sha256(
            base64.b64decode(wanted['content'])).hexdigest()
    kept['kind'] = kind(wanted)
    return kept


def kind(snap):
    """What a path is, of its snapshot."""
    return ('link' if 'link' in snap
            else 'file' if 'content' in snap else 'folder')


def damage(path, kept):
    """In which ways a path is not as it was written, words."""
    now = snapshot(pathlib.Path(path))
    if now is None:
        return ['is gone']
    if kind(now) != kept['kind']:
        return ['is a %s, not a %s' % (kind(now), kept['kind'])]
    found = []
    if now.get('link') != kept.get('link'):
        found.append('leads to %s, not to %s' % (now['link'], kept['link']))
    if 'sha256' in kept and kept['sha256'] != hashlib.sha256(
            base64.b64decode(now['content'])).hexdigest():
        found.append('has another content')
    if now.get('mode') != kept.get('mode'):
        found.append('has mode %04o, not %04o' % (now['mode'], kept['mode']))
    if (now.get('uid'), now.get('gid')) != (kept.get('uid'),
                                            kept.get('gid')):
        found.append('belongs to %s:%s, not to %s:%s' % (
            now['uid'], now['gid'], kept['uid'], kept['gid']))
    return found


def put(path, wanted, node):
    """Bring a path to a snapshot; whether that changed anything."""
    if snapshot(path) == wanted:
        return False
    if wanted is None:
        remove(path)
        return True
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir(mode=0o755)
            node['parents'].append(str(parent))
    if 'link' in wanted:
        fresh = path.with_name(path.name + '.hpc-new')
        remove(fresh)
        fresh.symlink_to(wanted['link'])
        fresh.replace(path)
    elif 'content' in wanted:
        fresh = path.with_name(path.name + '.hpc-new')
        remove(fresh)
        fresh.touch(mode=0o600)
        fresh.write_bytes(base64.b64decode(wanted['content']))
        own(fresh, wanted)
        fresh.replace(path)
    else:
        path.mkdir(exist_ok=True)
        own(path, wanted)
    return True


def own(path, wanted):
    """Give a path its owner and mode."""
    os.chown(path, wanted['uid'], wanted['gid'])
    path.chmod(wanted['mode'])


def remove(path):
    """Remove a path, whatever it is; it may be gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# Services


class Units:
    """What is to be told to systemd when the files are in place."""

    def __init__(self):
        self.restart = set()
        self.reload = set()
        self.files = []
        self.actions = []

    def touched(self, path, said):
        """A file changed whose units are to know it."""
        self.files.append(str(path))
        self.restart.update(said.get('restart', ()))
        self.reload.update(said.get('reload', ()))

    def reread(self):
        """Have systemd read its own files again, if any of them changed."""
        if any(path.startswith('/etc/systemd/') for path in self.files):
            run('systemctl', 'daemon-reload')

    def bring_up(self, wanted):
        """Enable, start, restart and reload; the units that ran before."""
        states = unit_states([*wanted, *self.restart, *self.reload])
        running = [unit for unit, (active, _) in states.items()
                   if active == 'active']
        for unit in wanted:
            active, enabled = states[unit]
            if enabled.startswith('masked'):
                self._tell('unmask', unit, *['--runtime'] * (
                    enabled == 'masked-runtime'))
            if enabled != 'enabled':
                now = [] if active == 'active' else ['--now']
                self._tell('enable', unit, *now)
            elif active != 'active':
                self._tell('start', unit)
        for unit in running:
            if unit in self.restart:
                self._tell('restart', unit)
            elif unit in self.reload:
                self._tell('reload-or-restart', unit)
        return running

    def take_down(self, gone, before):
        """Stop and disable those that were not so before."""
        for unit, (active, enabled) in unit_states(gone).items():
            kept = before.pop(unit, ())
            if 'active' in kept:
                if enabled == 'enabled' and 'enabled' not in kept:
                    self._tell('disable', unit)
                continue
            if 'enabled' in kept:
                if active != 'inactive':
                    self._tell('stop', unit)
            elif active != 'inactive' or enabled == 'enabled':
                self._tell('disable', unit, '--now')
                run('systemctl', 'reset-failed', unit, check=False)
            if 'masked' in kept:
                self._tell('mask', unit)

    def _tell(self, verb, unit, *more):
        try:
            run('systemctl', '-q', verb, *more, unit)
        except Problem as exc:
            raise Problem('%s\n%s' % (exc, log_of(unit, 20))) from exc
        self.actions.append('%s %s' % (verb, unit))


def log_of(unit, lines):
    """The last lines that a unit wrote; not those of systemd about it."""
    name = unit if '.' in unit else unit + '.service'
    return run('journalctl', '-q', '-n%d' % lines, '--no-pager', '-o', 'cat',
               '_SYSTEMD_UNIT=' + name, check=False)


def unit_states(units):
    """Unit -> what is-active and is-enabled say."""
    units = sorted(set(units))
    if not units:
        return {}
    entries = run('systemctl', 'show', '-p', 'ActiveState,UnitFileState',
                  *units).strip().split('\n\n')
    states = {}
    for unit, entry in zip(units, entries):
        said = dict(line.split('=', 1) for line in entry.split('\n'))
        states[unit] = said['ActiveState'], said.get('UnitFileState', '')
    return states


# The layer


def present(params, node):
    """Put the layer on; what changed."""
    file = LAYERS / (params['layer'] + '.json')
    old = load(file, empty())
    archives = archived(params['archives'])
    packages = sorted({*params['packages'], *archives})
    # Packages may start what they bring: those that are on now were before.
    before = {unit: [state for state in states if state in ON]
              for unit, states in unit_states(
                  set(params['units']) - set(old['units'])).items()}
    record = dict(old, packages=packages, litter=params['litter'],
                  units=sorted(set(params['units'] + old['units'])),
                  units_before={**old.get('units_before', {}), **{
                      unit: on for unit, on in before.items() if on}})
    if record != old or not file.exists():
        save(file, record)  # before anything is done, so it can be undone
    actions = install(params['packages'], archives, node)
    wanted = {}
    for said in params['directories']:
        wanted[said['path']] = (said, wanted_directory(said))
    for said in params['files']:
        wanted[said['path']] = (said, wanted_file(said))
    for path in wanted:
        if path not in record['before']:
            record['before'][path] = snapshot(pathlib.Path(path))
    stale = [path for path in record['before'] if path not in wanted]
    record['wrote'] = {path: written(said, snap)
                       for path, (said, snap) in wanted.items()}
    record['versions'] = {name: run('dpkg-deb', '-f', path, 'Version').strip()
                          for name, path in archives.items()}
    record['tell'].update({
        path: {key: said[key] for key in ('restart', 'reload') if key in said}
        for path, (said, _) in wanted.items()})
    save_if_new(file, record)

    units = Units()
    for path, (said, snap) in wanted.items():
        if put(pathlib.Path(path), snap, node):
            units.touched(path, said)
    units.take_down(set(old['units']) - set(params['units']),
                    record['units_before'])
    give_back(record, stale, node, units)
    units.reread()
    running = units.bring_up(params['units'])
    record['units'] = params['units']
    save_if_new(file, record)
    gone = set(old['packages']) - set(packages)
    purged = purge(node) if gone else []
    actions += ['changed ' + path for path in units.files]
    return {'actions': actions + units.actions + purged,
            'files': units.files, 'running': running}


def absent(params, node):
    """Take the layer off; what changed."""
    file = LAYERS / (params['layer'] + '.json')
    going = file.with_suffix('.going')
    if going.exists():  # a revert was cut off
        going.rename(file)
    if not file.exists():
        return {'actions': [], 'files': []}
    record = load(file, None)
    units = Units()
    kept = record.get('units_before', {})
    down = [unit for unit in record['units']
            if 'active' not in kept.get(unit, ())]
    units.take_down(record['units'], kept)
    give_back(record, list(record['before']), node, units)
    for path in record['litter']:
        for found in pathlib.Path('/').glob(path.lstrip('/')):
            remove(found)
    save(NODE, node)
    file.rename(going)  # its packages need not be kept for it
    purged = purge(node)
    units.reread()
    units.restart.difference_update(down)
    units.bring_up([])
    going.unlink()
    actions = ['took back ' + path for path in units.files]
    return {'actions': actions + units.actions + purged,
            'files': units.files}


def verified(params, node):
    """See whether all is as the layer wrote it.

    :raises Problem: with all that is not.
    """
    record = load(LAYERS / (params['layer'] + '.json'), None)
    if record is None:
        raise Problem('layer %s is not on this node' % params['layer'])
    found = [*packages_amiss(record), *units_amiss(record['units'])]
    for path, kept in sorted(record.get('wrote', {}).items()):
        found += [path + ' ' + what for what in damage(path, kept)]
    if node['installing']:
        found.append('an installation was cut off')
    if found:
        raise Problem('not as it was put there: ' + '; '.join(found))
    return {'actions': [], 'files': []}


def packages_amiss(record):
    """The layer's packages that are not whole, sentences."""
    versions = record.get('versions', {})
    if not record['packages']:
        return
    lines = run('dpkg-query', '-W', '-f',
                '${binary:Package} ${db:Status-Abbrev} ${Version}\n',
                *record['packages'], check=False).splitlines()
    there = {}
    for words in (line.split() for line in lines):
        if len(words) == 3 and words[1][1:2] in WHOLE:
            there[words[0].partition(':')[0]] = words[2]
    for name in record['packages']:
        if name not in there:
            yield 'package %s is not installed' % name
        elif versions.get(name, there[name]) != there[name]:
            yield 'package %s is %s, not %s' % (name, there[name],
                                                versions[name])


def units_amiss(units):
    """The units that are not up, or would not come up at boot, sentences."""
    end = time.monotonic() + PATIENCE
    states = unit_states(units)
    while time.monotonic() < end and any(
            active in ('activating', 'reloading')
            for active, _ in states.values()):
        time.sleep(0.5)
        states = unit_states(units)
    for unit, (active, enabled) in states.items():
        if enabled in OFF:
            yield '%s is %s, not enabled' % (unit, enabled or 'unknown')
        if active != 'active':
            said = ' '.join(log_of(unit, 3).split())
            yield '%s is %s, not active%s' % (
                unit, active, said and ' (it says: %s)' % said)


def empty():
    """The record of a layer that was never put on."""
    return {'packages': [], 'units': [], 'units_before': {}, 'litter': [],
            'before': {}, 'tell': {}, 'wrote': {}, 'versions': {}}


def save_if_new(file, record):
    """Write a record unless it says so already."""
    if load(file, None) != record:
        save(file, record)


def give_back(record, paths, node, units):
    """Have these paths as they were before the layer came."""
    for path in reversed(paths):
        put(pathlib.Path(path), record['before'].pop(path), node)
        units.touched(path, record['tell'].pop(path, {}))


def tidy(node):
    """Remove folders that we made and nothing is in; keep what we know."""
    kept = []
    for parent in sorted(set(node['parents']), reverse=True):
        path = pathlib.Path(parent)
        if path.is_symlink() or not path.is_dir():
            continue  # somebody else's by now, or gone
        if any(path.iterdir()):
            kept.append(parent)
        else:
            path.rmdir()
    node['parents'] = kept


def main():
    """The module."""
    module = AnsibleModule(argument_spec={
        'layer': {'type': 'str', 'required': True},
        'state': {'choices': ['present', 'absent', 'verified'],
                  'default': 'present'},
        'packages': {'type': 'list', 'elements': 'str', 'default': []},
        'archives': {'type': 'list', 'elements': 'str', 'default': []},
        'directories': {'type': 'list', 'elements': 'dict', 'default': []},
        'files': {'type': 'list', 'elements': 'dict', 'default': []},
        'units': {'type': 'list', 'elements': 'str', 'default': []},
        'litter': {'type': 'list', 'elements': 'str', 'default': []}})
    known = {'packages': [], 'accounts': {}, 'parents': [], 'installing': {}}
    known.update(load(NODE, {}))
    node = json.loads(json.dumps(known))
    verb = {'present': present, 'absent': absent, 'verified': verified}[
        module.params['state']]
    try:
        if verb is not verified:
            recover(node)
        result = verb(module.params, node)
        if verb is not verified:
            tidy(node)
    except Problem as exc:
        module.fail_json(msg=str(exc))
    finally:
        if node != known:
            save(NODE, node)
    if not any(node.values()):
        NODE.unlink(missing_ok=True)
        for folder in (LAYERS, HOME):
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
    module.exit_json(changed=bool(result['actions']), **result)


if __name__ == '__main__':
    main()
