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

"""A run that takes too much of the controller ends, and nothing else does."""

import contextlib
import pathlib
import resource
import subprocess
import tempfile

from hpcdirect.exception import RunnerError
from hpcdirect.runners.ansible import AnsibleRunner
from hpcdirect.tests.functional.sshd_nodes import NodesCase


class CapsTest(NodesCase):
    names = ('compute-0',)

    def played(self, tasks, **options):
        """How a play of these tasks ends, and what was told of it."""
        self.conf = self.configured(**options)
        task = self.task(self.element(
            apply=f'- hosts: probe_node\n  tasks:\n{tasks}'))
        runner = AnsibleRunner(self.conf)
        told = self.carried_out(runner, self.batch(task))
        self.assert_nothing_left(told.process)
        # The next one, in the same process, is none the worse.
        after = self.task(self.element(
            apply='- hosts: probe_node\n  tasks: [{command: "true"}]\n'))
        self.assertEqual({}, self.carried_out(
            AnsibleRunner(self.configured()), self.batch(after)).outcomes[
                after.run_id].failed)
        return told.outcomes[task.run_id], told

    def test_memory_of_one_process(self):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcome, told = self.played("""
    - set_fact: {much: "{{ 'x' * 300000000 }}"}
""", run_memory=250)
        self.assertEqual(['compute-0'], list(outcome.failed))
        self.assertIn("'x' * 300000000", told.log)
        self.assertLess(resource.getrusage(
            resource.RUSAGE_SELF).ru_maxrss - before, 100 * 1024)

    def test_memory_of_all(self):
        outcome, _ = self.played("""
    - debug:
        msg: "{{ lookup('pipe', 'for i in 1 2 3 4; do head -c 150M /dev/zero
          | tail -c 150M | sleep 60 & done; wait') }}"
""", run_memory=400)
        self.assertEqual('The run used more than 400 MiB of memory.',
                         outcome.cause.message)

    def test_processes(self):
        outcome, _ = self.played("""
    - debug:
        msg: "{{ lookup('pipe',
          'for i in $(seq 80); do sleep 60 & done; wait') }}"
""", run_processes=50)
        self.assertIn('50 are allowed', outcome.cause.message)

    def test_time(self):
        outcome, _ = self.played('    - command: sleep 60\n', run_seconds=2)
        self.assertEqual('The run took longer than 2 s.',
                         outcome.cause.message)

    def test_output(self):
        outcome, told = self.played("""
    - debug: {msg: "{{ 'x' * 30000 }}"}
      loop: [1, 2, 3, 4, 5]
    - command: "true"
""", run_output=64)
        self.assertEqual({}, outcome.failed)
        self.assertLess(len(told.log), 66 * 1024)
        self.assertEqual(1, told.log.count('the rest of the output is left'))
        self.assertEqual('changed', told.steps[-1].result)

    def full(self):
        """A work folder on a small file system of its own."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m,mode=700',
                        'none', folder], check=True)
        self.addCleanup(subprocess.run, ['umount', folder], check=True)
        return folder

    def test_a_work_folder_that_is_full(self):
        folder = self.full()
        fill = f'dd if=/dev/zero of={folder}/fill bs=4k 2>/dev/null'
        outcome, told = self.played(f"""
    - shell: "{fill}; true"
    - copy: {{dest: {self.marks}/never, content: x}}
    - template: {{src: x.j2, dest: {self.marks}/never}}
""", work_path=str(folder))
        self.assertEqual(['compute-0'], list(outcome.failed), told.log)
        self.assertIn('No space left', outcome.cause.message)
        # One for which there is no room at all: said, and nothing done.
        with (folder / 'rest').open('wb', 0) as rest, \
                contextlib.suppress(OSError):
            while rest.write(bytes(512)):
                pass
        self.conf = self.configured(work_path=str(folder))
        with self.assertRaises(RunnerError) as caught:
            self.carried_out(AnsibleRunner(self.conf), self.batch(
                self.task(self.element())))
        self.assertIn('No space left', str(caught.exception))
        self.assertEqual({'fill', 'rest'}, {
            path.name for path in folder.iterdir()})
