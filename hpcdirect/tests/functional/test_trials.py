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

"""``openstack hpc element test``: on real nodes, as somebody would call it."""

import contextlib
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from hpcdirect.backends.local import network
from hpcdirect.runners.ansible import AnsibleRunner
from hpcdirect.runners.base import Verb
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import sshd_nodes
from hpcdirect.trials.account import Recorder

ROOT = pathlib.Path(__file__).parents[3]
OURS = pathlib.Path(__file__).with_name('trial_elements')

#: Elements of the project that are tried each time, by themselves. The
#: others take their time to install: with HPCDIRECT_SOAK only.
SHIPPED = ['munge']
LARGE = ['package-relay', 'base', 'users', 'shared-home',
         'environment-modules', 'slurm',
         'monitoring', 'program', 'openmpi', 'hpcc', 'mpi-hosts',
         'slurm-accounting', 'slurm-exporter', 'prometheus', 'calculix',
         'genomics', 'gromacs', 'lammps', 'octave', 'openbabel', 'openfoam',
         'quantlib', 'r-base']

#: What the element "litter" leaves, each of another kind.
LITTER = {
    '/etc/litter.conf stays',
    '/etc/ssh/sshd_config.d differs (mode 0755, now 0700)',
    '/etc/issue.net is gone',
    '/usr/local/share/litter stays (with 3 more below)',
    '/var/spool/litter.cron stays',
    '/opt/litter stays',
    '/etc/systemd/system/litter.service stays',
    '/etc/systemd/system/multi-user.target.wants/litter.service stays',
    '/etc/passwd- (stray) stays', '/etc/shadow- (stray) stays',
    '/etc/subuid- (stray) stays', '/etc/subgid- (stray) stays',
    'group litter stays',
    'mount /opt/litter stays',
    'package sudo:amd64 stays',
    'process sleep (root) stays',
    'secret litter.word: /var/log/litter stays',
    'setting net.ipv4.tcp_keepalive_time differs (7200, now 1234)',
    'unit file litter.service stays',
    'unit litter.service stays', 'unit opt-litter.mount stays',
}


def openstack(*argv):
    """A real command, without any cloud."""
    return subprocess.Popen(
        [sys.executable, '-c',
         'import sys; from hpcdirect.tests.unit.client import base;'
         'from openstackclient import shell;'
         'sys.exit(shell.main(sys.argv[1:]))', 'hpc', 'element', 'test',
         *map(str, argv)], text=True, cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # Who started the tests in the background has Ctrl-C ignored.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT,
                                     signal.SIG_DFL))


def trials_of(pid):
    """Names of the trials that a process has under way: it locks a file."""
    names = set()
    for link in pathlib.Path(f'/proc/{pid}/fd').iterdir():
        with contextlib.suppress(OSError):
            names.add(link.readlink().parent.name)
    return {name for name in names if name.startswith('hpc-trial-')}


def every_trial():
    """Names of all trials of which something is on this machine."""
    return {path.name for base in ('/var/tmp', '/dev/shm')
            for path in pathlib.Path(base).glob('hpc-trial-*')}


def left_of(names):
    """What trials of these names have left on this machine."""
    folders = [path for name in names for path in (
        pathlib.Path('/var/tmp') / name, pathlib.Path('/dev/shm') / name)
        if path.exists()]
    return folders + [one for one in network.bridges() if set(
        pathlib.Path(f'/sys/class/net/{one}/ifalias').read_text()
        .replace('/', ' ').split()) & names]


class StepsTest(sshd_nodes.NodesCase):
    """Several verbs in one process, each told by itself."""

    def played(self, *steps, **texts):
        """How each verb went that an element of these playbooks has."""
        element = self.element(**{
            verb: '- hosts: probe_node\n  tasks:\n' + text
            for verb, text in texts.items()})
        tasks = [self.task(element, verb=verb) for verb in steps]
        told, began = Recorder(), time.monotonic()
        AnsibleRunner(self.conf).carry_out(self.batch(*tasks), told,
                                           lambda: False)
        return [told.played([task.run_id], began) for task in tasks]

    def test_all_go_well(self):
        on, right, again = self.played(
            Verb.APPLY, Verb.VERIFY, Verb.APPLY,
            apply="    - {name: do, command: 'true'}\n",
            verify="    - {name: see, command: 'true', changed_when: no}\n")
        lines = {f'{name}: do' for name in self.names}
        self.assertEqual(lines, set(on.changed))
        self.assertEqual(lines, set(again.changed))
        self.assertEqual(((), ()), (right.changed, right.failures))
        self.assertTrue(on.whole and right.whole and again.whole)
        self.assertLess(0, on.seconds)
        self.assertLessEqual(on.seconds, right.seconds)
        self.assertLessEqual(right.seconds, again.seconds)

    def test_what_follows_a_failure_is_not_whole(self):
        on, right, again = self.played(
            Verb.APPLY, Verb.VERIFY, Verb.APPLY,
            apply="    - {name: do, command: 'true'}\n",
            verify='    - {name: see, fail: {msg: No.}}\n')
        self.assertEqual((), on.failures)
        self.assertEqual({('see', 'No.')}, {
            (cause.task, cause.message) for cause in right.failures})
        self.assertEqual((False, ()), (again.whole, again.changed))
        self.assertTrue(on.whole)


@unittest.skipUnless(os.geteuid() == 0, 'needs root to make nodes')
class ElementTestTest(unittest.TestCase):

    maxDiff = None

    def test_what_is_left_is_told(self):
        large = LARGE if soak.SOAK else []
        work = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        ours = shutil.copytree(OURS, work / 'elements')
        shutil.copytree(ROOT / 'elements/library', ours / 'library')
        before = every_trial()
        process = openstack(
            *SHIPPED, *large, *(ours / name for name in (
                'litter', 'cursed', 'stillborn', 'restless', 'lodger')),
            '-f', 'json')
        out, said = process.communicate(timeout=1200)
        self.assertEqual(2, process.returncode, said)
        rows = {row['Element'].partition('@')[0]: row
                for row in json.loads(out)}
        for name in (*SHIPPED, *large, 'lodger'):
            with self.subTest(name):
                self.assertEqual(({}, [], 'A'), (
                    rows[name]['Left'], rows[name]['Failures'],
                    rows[name]['Grade']))
        self.check_litter(rows['litter'])
        self.check_failures(rows)
        if large:
            self.assertEqual(['/home/alice', '/home/bob', '/home/eve'],
                             rows['users']['Data'])
            self.assertEqual(0, rows['shared-home']['Packages'])
            self.assertEqual(['munge@1.0.0'], rows['slurm']['Tested With'])
            self.assertLess(20, rows['slurm']['Packages'])
            self.assertLess(10, rows['slurm']['MiB'])
        self.assertLess(0, rows['munge']['Packages'])
        self.assertEqual({'apply', 'verify', 'again', 'revert'},
                         set(rows['munge']['Seconds']))
        self.assertEqual([], left_of(every_trial() - before))

    def check_litter(self, row):
        self.assertEqual('C', row['Grade'])
        self.assertEqual([], row['Failures'])
        self.assertEqual(['/srv/litter'], row['Data'])
        left = set(row['Left'].pop('node'))
        self.assertEqual({}, row['Left'])
        self.assertEqual(set(), LITTER - left)
        # Files of the package and of accounts, of which there are many.
        rest = [line for line in left - LITTER if 'sudo' not in line]
        self.assertEqual([], [line for line in rest if not re.match(
            r'/etc/g?(group|shadow) differs|/var/lib/dpkg', line)])

    def check_failures(self, rows):
        self.assertIsNone(rows['stillborn']['Grade'])
        self.assertEqual(
            ['apply failed on compute-0, task "come about": It is not to be.'],
            [line.replace('head-0', 'compute-0')
             for line in rows['stillborn']['Failures']])
        self.assertEqual('D', rows['cursed']['Grade'])
        first, second = rows['cursed']['Failures']
        self.assertRegex(first, r'verify failed on \S+-0, task "see": It is')
        self.assertRegex(second, r'revert failed on \S+-0, task "go": It is')
        self.assertEqual('A', rows['restless']['Grade'])
        (only,) = rows['restless']['Failures']
        self.assertIn('it did: ', only)
        self.assertIn('change again and again', only)

    def test_ctrl_c_takes_the_nodes_away(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = openstack('shared-home')
                watch = threading.Timer(600, process.kill)
                watch.start()
                self.addCleanup(watch.cancel)
                trials = set()
                for line in process.stderr:
                    if 'below' in line or 'up to date' in line:
                        trials = trials_of(process.pid)
                        self.assertNotEqual([], left_of(trials))
                        process.send_signal(number)
                        break
                out, said = process.communicate()
                self.assertEqual((1, ''), (process.returncode, out), said)
                self.assertIn('the nodes are gone', said)
                self.assertEqual([], left_of(trials))

    def test_nothing_to_test(self):
        process = openstack('munche', '-f', 'json')
        out, said = process.communicate()
        self.assertEqual((1, ''), (process.returncode, out))
        self.assertIn('There is no element "munche"', said)


if __name__ == '__main__':
    unittest.main()
