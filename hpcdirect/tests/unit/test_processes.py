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

"""Names of processes: who is dead for certain, and who may be alive."""

import os
import subprocess
import sys
import unittest

from hpcdirect import processes

#: Prints its own name and what it thinks of the name it is given, then
#: waits until its standard input ends.
_ASKED = """
import sys
from hpcdirect import processes
print(processes.name(), processes.is_dead(sys.argv[1]), flush=True)
sys.stdin.read()
"""
_UNSHARE = ['unshare', '--pid', '--fork', '--mount-proc']


def _namespaces():
    try:
        return not os.geteuid() and not subprocess.run(
            [*_UNSHARE, 'true'], capture_output=True).returncode
    except FileNotFoundError:
        return False


class ProcessesTest(unittest.TestCase):

    def other(self, *prefix):
        """Another process; its name, and whether it takes us for dead."""
        child = subprocess.Popen(
            [*prefix, sys.executable, '-c', _ASKED, processes.name()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.wait)
        self.addCleanup(child.stdin.close)
        self.addCleanup(child.stdout.close)
        name, thought = child.stdout.readline().split()
        return child, name, thought

    def test_a_process_that_runs_is_not_dead(self):
        _, name, thought = self.other()
        self.assertEqual('False', thought)
        self.assertFalse(processes.is_dead(name))
        self.assertFalse(processes.is_dead(processes.name()))

    def test_one_that_has_ended_is_dead(self):
        child, name, _ = self.other()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        self.assertTrue(processes.is_dead(name), 'not reaped yet')
        child.wait()
        self.assertTrue(processes.is_dead(name), 'reaped')

    def test_a_pid_that_is_used_again_is_another_process(self):
        where, pid, start = processes.name().rsplit(':', 2)
        self.assertTrue(processes.is_dead(f'{where}:{pid}:{int(start) - 1}'))

    @unittest.skipUnless(_namespaces(), 'needs root and PID namespaces')
    def test_containers_do_not_judge_each_other(self):
        child, name, thought = self.other(*_UNSHARE)
        self.assertEqual('False', thought)
        self.assertEqual(os.uname().nodename, name.split(':')[0])
        self.assertFalse(processes.is_dead(name))
        child.stdin.close()
        child.wait()
        self.assertFalse(processes.is_dead(name), 'it cannot be known here')

    def test_of_other_boots_and_machines_nothing_is_known(self):
        host, boot, space, _, start = processes.name().split(':')
        gone = f'{2 ** 22 - 3}:{start}'
        self.assertTrue(processes.is_dead(f'{host}:{boot}:{space}:{gone}'))
        for name in (f'other:{boot}:{space}:{gone}',
                     f'{host}:{boot[::-1]}:{space}:{gone}',
                     f'{host}:{boot}:1:{gone}', f'{host}:{gone}'):
            self.assertFalse(processes.is_dead(name), name)

    def test_any_text_is_judged(self):
        place = processes.place()
        for name in ('', ':', 'x', 'a:b', f'{place}:{"9" * 30}:1',
                     f'{place}:-1:1', f'{place}:1:x', f'{place}::'):
            self.assertFalse(processes.is_dead(name), name)

    def test_a_name_fits_its_column(self):
        self.assertLessEqual(len(processes.name()), 255)
