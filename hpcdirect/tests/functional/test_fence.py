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

"""Never two playbooks at work on one node, and never an older one."""

import contextlib
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time

from hpcdirect import processes
from hpcdirect.runners.ansible import AnsibleRunner
from hpcdirect.runners.ansible import family
from hpcdirect.runners.ansible import folder as folders
from hpcdirect.tests.functional.sshd_nodes import NodesCase
from hpcdirect.tests.functional.sshd_nodes import Recorder
from hpcdirect.wishes import Wish

_CONDUCTOR = """\
import pickle, sys
from hpcdirect.runners.ansible import AnsibleRunner
from hpcdirect.tests.functional import sshd_nodes
case = sshd_nodes.NodesCase()
with open(sys.argv[1], 'rb') as file:
    case.folder, case.marks, batch = pickle.load(file)
class Printer(sshd_nodes.Recorder):
    def starting(self, process):
        print(process.pid, process.started, flush=True)
runner = AnsibleRunner(case.configured())
runner.carry_out(batch, Printer(), lambda: False)
"""


class Door:
    """A way to a port that closes on its first callers."""

    SLAMMED = 3

    def __init__(self, port, said):
        self._to, self._said = port, said
        self._socket = socket.create_server(('127.0.0.1', 0))
        self.port, self.callers = self._socket.getsockname()[1], 0
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                caller = self._socket.accept()[0]
                self.callers += 1
                if self.callers > self.SLAMMED:
                    threading.Thread(target=self._pass, args=(
                        caller,)).start()
                    continue
                with caller:
                    caller.sendall(self._said)
                    # Not orderly: it is reset.
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      struct.pack('ii', 1, 0))

    def _pass(self, caller):
        with contextlib.suppress(OSError), caller, \
                socket.create_connection(('127.0.0.1', self._to)) as to:
            other = {caller: to, to: caller}
            while True:
                for each in select.select(list(other), [], [])[0]:
                    said = each.recv(65536)
                    if not said:
                        return
                    other[each].sendall(said)


class FenceTest(NodesCase):
    names = ('compute-0',)

    def marking(self, name, count=40, pause=0.5):
        """A task that leaves a mark on the node for each of its steps."""
        return self.task(self.element(name, apply=f"""
            - hosts: {name}_node
              tasks:
                - shell: echo {{{{ item }}}} >> {self.marks}/{name}
                  loop: "{{{{ range({count}) | list }}}}"
                  loop_control: {{pause: {pause}}}
            """))

    def marked(self, name):
        path = self.marks / name
        return len(path.read_text().split()) if path.exists() else 0

    def begun(self, runner, batch):
        """A batch carried out in a thread of its own."""
        told = Recorder()
        thread = threading.Thread(target=runner.carry_out, args=(
            batch, told, lambda: False))
        thread.start()
        self.addCleanup(thread.join)
        return told, thread

    def assert_succeeded(self, told):
        for outcome in told.outcomes.values():
            self.assertEqual(self.names, outcome.succeeded, told.log)

    def freeze(self, process):
        """Stop a run and all it started; parents first, so none is missed.

        Processes that live for a moment may be gone when they are stopped.
        """
        frozen = {}
        self.addCleanup(self.thaw, frozen)
        while True:
            fresh = [pid for pid in (process.pid, *family.members(
                process.pid, process.started)) if pid not in frozen]
            if not fresh:
                return frozen
            for pid in fresh:
                frozen[pid] = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)

    @staticmethod
    def thaw(frozen):
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def test_an_older_run_that_wakes_up_does_nothing_more(self):
        runner = AnsibleRunner(self.conf)
        told, thread = self.begun(runner, self.batch(self.marking('old')))
        self.eventually(lambda: self.marked('old') >= 2, 60)
        frozen = self.freeze(told.process)
        time.sleep(1)
        before = self.marked('old')
        newer = self.carried_out(runner, self.batch(
            self.marking('new', 2, 0), epoch=2))
        self.assert_succeeded(newer)
        self.thaw(frozen)
        thread.join()
        self.assertEqual(before, self.marked('old'))
        self.assertEqual(2, self.marked('new'))
        outcome = next(iter(told.outcomes.values()))
        self.assertEqual(['compute-0'], list(outcome.failed))
        self.assertIn('a newer run', told.log)

    def test_sshd_that_takes_new_settings_is_asked_again(self):
        # A restart drops who is about to log in, on a jump host as well.
        node = self.nodes['compute-0']
        for slammed in (b'', b'half a banner'):
            with Door(node.port, slammed) as door:
                told = self.carried_out(AnsibleRunner(self.conf), self.batch(
                    self.marking('asked', 1, 0),
                    hosts=(node.host(ssh_port=door.port),)))
                self.assert_succeeded(told)
                self.assertEqual(Door.SLAMMED + 1, door.callers)

    def connections(self):
        """The ssh connections of any work folder of this test."""
        title = f'ssh: {pathlib.Path(self.conf.ansible.work_path).resolve()}'
        found = []
        for file in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
            with contextlib.suppress(OSError):
                found += [file.parent.name] * file.read_bytes().startswith(
                    title.encode())
        return found

    def test_no_connection_outlives_its_batch(self):
        seen = []
        runner = AnsibleRunner(self.conf)
        told, thread = self.begun(runner, self.batch(self.marking('on', 4)))
        self.eventually(lambda: self.marked('on') >= 1, 60)
        seen += self.connections()
        thread.join()
        self.assert_succeeded(told)
        self.assertNotEqual([], seen)
        self.assertEqual([], self.connections())

    def test_connections_of_one_folder_are_ended(self):
        batch = self.batch(self.marking('on', 1))
        with folders.made(self.conf, batch, ()) as folder:
            subprocess.run(['ssh', '-F', folder.fence.config, 'compute-0',
                            'true'], check=True)
            self.assertEqual(1, len(self.connections()))
            family.end_masters(folder.path / 'elsewhere')
            self.assertEqual(1, len(self.connections()))
            family.end_masters(folder.path)
            self.assertEqual([], self.connections())

    def test_an_older_wish_is_refused(self):
        """And another one of the same generation; whatever the epoch is."""
        runner = AnsibleRunner(self.conf)

        def carried(generation, digest):
            task = self.marking('work', 1)
            told = self.carried_out(runner, self.batch(
                task, epoch=1, wish=Wish(generation, digest)))
            return told.outcomes[task.run_id].failed.get('compute-0')

        self.assertIsNone(carried(2, 'aa'))
        for generation, digest, words in (
                (1, 'aa', 'generation 2 of what is wanted has been here, '
                          'this is 1'),
                (2, 'ab', 'this is another generation 2 than')):
            cause = carried(generation, digest)
            self.assertTrue(cause.replayed)
            self.assertIn(words, cause.message)
        self.assertIsNone(carried(2, 'aa'))
        self.assertIsNone(carried(10, 'ff'))
        self.assertTrue(carried(9, 'aa').replayed)
        self.assertEqual(3, self.marked('work'))

    def test_an_older_epoch_is_refused(self):
        runner = AnsibleRunner(self.conf)
        self.assert_succeeded(self.carried_out(
            runner, self.batch(self.marking('new', 1), epoch=7)))
        told = self.carried_out(
            runner, self.batch(self.marking('old', 1), epoch=6))
        outcome = next(iter(told.outcomes.values()))
        self.assertIn('refused: a run of epoch 7 has been here',
                      outcome.cause.message)
        self.assertEqual(0, self.marked('old'))
        self.assert_succeeded(self.carried_out(
            runner, self.batch(self.marking('again', 1), epoch=7)))

    def test_a_second_run_of_the_same_epoch_is_refused(self):
        runner = AnsibleRunner(self.conf)
        first, thread = self.begun(runner, self.batch(
            self.marking('first', 8)))
        self.eventually(lambda: self.marked('first') >= 1, 60)
        told = self.carried_out(runner, self.batch(self.marking('second')))
        outcome = next(iter(told.outcomes.values()))
        self.assertIn('of the same epoch', outcome.cause.message)
        self.assertEqual(0, self.marked('second'))
        thread.join()
        self.assert_succeeded(first)
        self.assertEqual(8, self.marked('first'))

    def long_command(self, seconds):
        """A batch whose command goes on for a while, killed in between."""
        command = (f'echo $$ > {self.marks}/pid; sleep {seconds}; '
                   f'date +%s.%N > {self.marks}/done')
        task = self.task(self.element('long', apply=f"""
            - hosts: long_node
              tasks: [{{shell: "{command}"}}]
            """))
        runner = AnsibleRunner(self.conf)
        told, thread = self.begun(runner, self.batch(task))
        self.eventually((self.marks / 'pid').exists, 60)
        os.kill(told.process.pid, signal.SIGKILL)
        thread.join()
        self.assert_nothing_left(told.process)

    def killed(self, forked):
        """How a batch ends whose ansible-playbook, or its fork, is killed."""
        told, thread = self.begun(AnsibleRunner(self.conf), self.batch(
            self.marking('old')))
        self.eventually(lambda: self.marked('old') >= 1, 60)
        found = self.plays(told.process)
        os.kill(next(pid for pid, parent in found.items()
                     if (parent in found) == forked), signal.SIGKILL)
        thread.join()
        outcome = next(iter(told.outcomes.values()))
        self.assertTrue(outcome.died, told.log)
        self.assertEqual(['compute-0'], list(outcome.failed))
        self.assert_nothing_left(told.process)

    def test_ansible_is_killed(self):
        self.killed(forked=False)

    def test_a_fork_of_ansible_is_killed(self):
        self.killed(forked=True)

    @staticmethod
    def plays(process):
        """Of ansible-playbook and what it has forked: pid -> parent."""
        parents = {}
        for pid in family.members(process.pid, process.started):
            folder = pathlib.Path(f'/proc/{pid}')
            with contextlib.suppress(OSError):
                if b'ansible-playbook' in (folder / 'cmdline').read_bytes():
                    stat = (folder / 'stat').read_text()
                    parents[pid] = int(stat.rpartition(')')[2].split()[1])
        return parents

    def stamp(self):
        return self.task(self.element('next', apply=f"""
            - hosts: next_node
              tasks: [{{shell: "date +%s.%N > {self.marks}/next"}}]
            """))

    def test_a_command_still_running_is_waited_for(self):
        self.long_command(4)
        self.conf = self.configured(fence_wait=30)
        self.assert_succeeded(self.carried_out(
            AnsibleRunner(self.conf), self.batch(self.stamp(), epoch=2)))
        self.assertLess(float((self.marks / 'done').read_text()),
                        float((self.marks / 'next').read_text()))

    def test_a_command_that_does_not_end_is_killed(self):
        self.long_command(600)
        pid = int((self.marks / 'pid').read_text())
        started = processes.status(pid).started
        self.conf = self.configured(fence_wait=1)
        self.assert_succeeded(self.carried_out(
            AnsibleRunner(self.conf), self.batch(self.stamp(), epoch=2)))
        # Whoever adopted it may not have asked how it ended yet.
        self.assertFalse(processes.alive(pid, started))
        self.assertFalse((self.marks / 'done').exists())

    def test_a_daemon_started_by_a_task_holds_nobody_up(self):
        script = self.marks / 'daemon'
        script.write_text(f'sleep 900 & echo $! > {self.marks}/daemon.pid\n')
        task = self.task(self.element('daemon', apply=f"""
            - hosts: daemon_node
              tasks:
                - shell: setsid sh {script} < /dev/null > /dev/null 2>&1
            """))
        runner = AnsibleRunner(self.conf)
        self.assert_succeeded(self.carried_out(runner, self.batch(task)))
        pid = int((self.marks / 'daemon.pid').read_text())
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        started = processes.status(pid).started
        self.assert_succeeded(self.carried_out(
            runner, self.batch(self.stamp(), epoch=2)))
        # Nobody has waited for its end.
        self.assertTrue(processes.alive(pid, started))

    def conductor(self, batch):
        """A conductor of its own process; it and its runner's process."""
        import pickle
        path = self.marks / 'batch'
        path.write_bytes(pickle.dumps((self.folder, self.marks, batch)))
        done = subprocess.Popen(
            [sys.executable, '-c', textwrap.dedent(_CONDUCTOR), str(path)],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(done.stdout.close)
        pid, started = map(int, done.stdout.readline().split())
        return done, pid, started

    def test_a_worker_ends_when_its_conductor_is_killed(self):
        conductor, pid, started = self.conductor(
            self.batch(self.marking('old')))
        self.eventually(lambda: self.marked('old') >= 1, 60)
        self.assertGreater(len(family.members(pid, started)), 2)
        conductor.kill()
        conductor.wait()
        self.eventually(lambda: not family.members(pid, started), 5)
        count = self.marked('old')
        time.sleep(2)
        self.assertEqual(count, self.marked('old'))
        # Connections are ended with the folder that nobody owns any more.
        self.assertNotEqual([], self.connections())
        AnsibleRunner(self.conf)
        self.assertEqual([], self.connections())

    def test_a_successor_ends_what_a_stopped_conductor_left(self):
        conductor, pid, started = self.conductor(
            self.batch(self.marking('old')))
        self.eventually(lambda: self.marked('old') >= 1, 60)
        conductor.send_signal(signal.SIGSTOP)
        process = self.recorded(pid, started)
        runner = AnsibleRunner(self.conf)
        runner.stop(self.recorded(pid, started + 1))
        self.assertTrue(processes.alive(pid, started))
        runner.stop(process)
        self.assertEqual([], family.members(pid, started))
        self.assert_succeeded(self.carried_out(runner, self.batch(
            self.marking('new', 1), epoch=2)))
        conductor.kill()
        conductor.wait()

    def recorded(self, pid, started):
        from hpcdirect.runners.base import Process
        return Process(pid, started, processes.place())
