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

"""What every runner does, and what the ansible runner does beyond it.

The ansible runner works on real sshd processes.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

from hpcdirect import processes
from hpcdirect.exception import RunnerError
from hpcdirect.runners.ansible import AnsibleRunner
from hpcdirect.runners.ansible import check
from hpcdirect.runners.ansible import documents
from hpcdirect.runners.base import Process
from hpcdirect.runners.base import Result
from hpcdirect.runners.base import Verb
from hpcdirect.runners.fake import FakeRunner
from hpcdirect.tests.functional.sshd_nodes import NodesCase
from hpcdirect.tests.functional.sshd_nodes import Recorder
from hpcdirect.tests.functional.sshd_nodes import free_port

_PLAY = """\
- hosts: {group}_node
  tasks:
    - name: work
      shell: sleep {{{{ fake_delay | default(0) }}}}
    - name: judge
      fail:
        msg: It was told to fail.
      when: inventory_hostname in fake_fail | default([])
"""

#: Makes a folder of its own, says which, and ends with its standard input.
_OWNER = """
import pathlib, sys
from hpcdirect import owned
folder = owned.make(pathlib.Path(sys.argv[1]), 'run-')
(folder.path / 'key').write_text('secret')
print(folder.path, flush=True)
sys.stdin.read()
"""


class Contract:
    """Tests that hold for every runner."""

    def runner(self):
        raise NotImplementedError

    def work(self, name='probe', **values):
        element = self.element(name, _PLAY.format(group=name))
        return self.task(element, **values)

    def shape(self, listener):
        return [(kind, each if kind == 'begun' else each.run_id)
                for kind, each in listener.told if kind != 'starting'
                and kind != 'progress']

    def test_tells_begin_and_end_of_tasks_in_order(self):
        first, second = self.work('one'), self.work('two')
        told = self.carried_out(self.runner(), self.batch(first, second))
        self.assertEqual('starting', told.told[0][0])
        self.assertEqual(
            [('begun', first.run_id), ('ended', first.run_id),
             ('begun', second.run_id), ('ended', second.run_id)],
            self.shape(told))
        for outcome in told.outcomes.values():
            self.assertEqual(self.names, outcome.succeeded)
            self.assertIsNone(outcome.cause)
        steps = [step for step in told.steps if step.node == 'compute-1']
        self.assertTrue(steps)
        self.assertLessEqual({step.run_id for step in steps},
                             {first.run_id, second.run_id})
        for step in told.steps:
            self.assertTrue(not step.output or step.output.endswith('\n'))

    def test_a_failed_node_is_left_out_of_later_tasks(self):
        first = self.work('one', variables={'fake_fail': ['compute-1']})
        second = self.work('two')
        told = self.carried_out(self.runner(), self.batch(first, second))
        outcome = told.outcomes[first.run_id]
        self.assertEqual(('compute-0',), outcome.succeeded)
        self.assertEqual('compute-1', outcome.cause.node)
        self.assertEqual('It was told to fail.', outcome.cause.message)
        self.assertEqual(['compute-1'], list(outcome.failed))
        later = told.outcomes[second.run_id]
        self.assertEqual(('compute-0',), later.succeeded)
        self.assertEqual(('compute-1',), later.untouched)
        self.assertEqual({}, later.failed)
        failed = [step for step in told.steps
                  if step.result is Result.FAILED]
        self.assertEqual([('compute-1', first.run_id)],
                         [(step.node, step.run_id) for step in failed])

    def test_stopping_ends_every_task_once(self):
        first = self.work('one', variables={'fake_delay': 900})
        second = self.work('two')
        told, begun = Recorder(), time.monotonic()
        self.runner().carry_out(
            self.batch(first, second), told,
            lambda: time.monotonic() > begun + 3 and any(
                kind == 'begun' for kind, _ in told.told))
        self.assertLess(time.monotonic() - begun, 800)
        ended = [each.run_id for kind, each in told.told if kind == 'ended']
        self.assertEqual([first.run_id, second.run_id], ended)
        outcome = told.outcomes[first.run_id]
        self.assertEqual(set(self.names), set(outcome.failed))
        self.assertEqual('The run was stopped.', outcome.cause.message)
        self.assertEqual(self.names,
                         told.outcomes[second.run_id].untouched)

    def test_stopping_what_is_gone_is_well(self):
        self.runner().stop(Process(2 ** 22 - 3, 1, processes.place()))
        self.runner().stop(Process(1, 1, 'elsewhere'))


class FakeRunnerTest(Contract, NodesCase):
    def runner(self):
        return FakeRunner(self.conf)


class AnsibleRunnerTest(Contract, NodesCase):
    def runner(self):
        return AnsibleRunner(self.conf)

    def play(self, tasks, **values):
        """Carry out an element of these tasks; its run and what was told."""
        task = self.task(self.element(apply=(
            '- hosts: probe_node\n  tasks:\n' + tasks)), **values)
        told = self.carried_out(self.runner(), self.batch(task))
        self.assert_nothing_left(told.process)
        return told.outcomes[task.run_id], told

    def test_an_element_that_was_changed_is_not_played(self):
        task = self.work()
        playbook = task.element.folder / 'apply.yaml'
        playbook.write_text(playbook.read_text().replace('work', 'changed'))
        told = Recorder()
        with self.assertRaisesRegex(
                RunnerError, 'element probe@1.0.0 were changed'):
            self.runner().carry_out(self.batch(task), told, lambda: False)
        self.assertEqual([], told.told)
        # Comments change nothing.
        task = self.work()
        playbook = task.element.folder / 'apply.yaml'
        playbook.write_text('# Nothing new.\n' + playbook.read_text())
        told = self.carried_out(self.runner(), self.batch(task))
        self.assertEqual(self.names, told.outcomes[task.run_id].succeeded)

    def test_values_are_data_and_reach_everything(self):
        self.values_are_data(1)

    def test_many_values_are_data_as_well(self):
        self.values_are_data(documents.MANY + 1)

    def values_are_data(self, count):
        """Of a list of so many entries, beside as many other values."""
        evil = f'{{{{ lookup("pipe", "touch {self.marks}/evil") }}}}'
        element = self.element(apply="""
            - hosts: probe_node
              roles: [probe]
            """)
        role = element.folder / 'roles/probe'
        for name in ('tasks', 'handlers', 'templates'):
            (role / name).mkdir(parents=True)
        target = f'{self.marks}/{{{{ inventory_hostname }}}}'
        text = ('{{ word }}|{{ deep.list[0].word }}|{{ hpc.cluster.name }}|'
                '{{ hpc_node.name }}|{{ hpc_node.certificates.host }}|'
                '{{ groups.probe_node | length }}|'
                '{{ groups.compute | length }}|'
                '{{ lookup("ansible.builtin.file", hpc_secrets.token) }}\n')
        (role / 'templates/a.j2').write_text(text)
        (role / 'tasks/main.yml').write_text(
            f'- template: {{src: a.j2, dest: "{target}.a"}}\n'
            '  notify: again\n  no_log: true\n'
            '- copy:\n    content: "{{ deep.list | to_json }}"\n'
            f'    dest: "{target}.c"\n')
        many = [{'word': evil, 'other': word} for word in (
            'on', '1.10', '', 'x\n', *range(count))][:count]
        (role / 'handlers/main.yml').write_text(
            '- name: again\n  no_log: true\n  copy:\n'
            f'    content: "{{{{ word }}}}"\n    dest: "{target}.b"\n')
        task = self.task(
            element, variables={
                'word': evil, 'deep': {'list': many, evil: 1},
                **{f'other_{number}': evil for number in range(count)}},
            facts={'cluster': {'name': evil}, 'roles': {}},
            secrets={'token': 'open-sesame'})
        hosts = tuple(node.host(variables={'certificates': {'host': evil}})
                      for node in self.nodes.values())
        told = self.carried_out(self.runner(), self.batch(task, hosts=hosts))
        self.assertEqual(self.names, told.outcomes[task.run_id].succeeded,
                         told.log)
        for name in self.names:
            self.assertEqual(
                f'{evil}|{evil}|{evil}|{name}|{evil}|2|2|open-sesame\n',
                (self.marks / f'{name}.a').read_text())
            self.assertEqual(evil, (self.marks / f'{name}.b').read_text())
            self.assertEqual(many, json.loads(
                (self.marks / f'{name}.c').read_text()))
        self.assertFalse((self.marks / 'evil').exists())
        self.assertNotIn('open-sesame', repr(told.told))

    def test_secrets_are_taken_out_of_all_that_is_told(self):
        secret = 'canary "quoted" value\nsecond-line-of-it'
        outcome, told = self.play("""
    - name: leak {{ lookup('file', hpc_secrets.token) }}
      command:
        argv: [sh, -c, 'cat >&2; exit 3']
        stdin: "{{ lookup('file', hpc_secrets.token) }}"
""", secrets={'token': secret})
        self.assertEqual(set(self.names), set(outcome.failed))
        said = repr(told.told)
        self.assertIn('***', said)
        for part in ('canary', 'second-line', 'quoted'):
            self.assertNotIn(part, said)

    def test_parameters_that_are_secret_are_taken_out_as_well(self):
        element = dataclasses.replace(self.element(apply="""
            - hosts: probe_node
              tasks:
                - name: leak {{ licence }}
                  fail: {msg: "{{ licence }} {{ deep.word }} {{ plain }}"}
            """), parameters={'properties': {
                'licence': {'type': 'string', 'x-secret': True},
                'deep': {'properties': {'word': {'format': 'password'}}},
                'plain': {'type': 'string'}}})
        task = self.task(element, variables={
            'licence': 'canary-one', 'deep': {'word': 'canary-two'},
            'plain': 'nothing-to-hide'})
        told = self.carried_out(self.runner(), self.batch(task))
        self.assertEqual(set(self.names),
                         set(told.outcomes[task.run_id].failed))
        self.assertIn('nothing-to-hide', told.log)
        self.assertNotIn('canary', repr(told.told))

    def test_ignored_and_rescued_failures_do_not_count(self):
        outcome, told = self.play("""
    - name: ignored
      command: "false"
      ignore_errors: true
    - block:
        - name: rescued
          command: "false"
      rescue:
        - name: rescue
          command: "true"
    - name: skipped
      command: "true"
      when: false
    - name: same
      command: "true"
      changed_when: false
""")
        self.assertEqual(self.names, outcome.succeeded)
        of = {step.task: step for step in told.steps
              if step.node == 'compute-0'}
        self.assertTrue(of['ignored'].ignored)
        self.assertFalse(of['rescued'].ignored)
        self.assertEqual(
            ['failed', 'failed', 'changed', 'skipped', 'ok'],
            [of[name].result for name in
             ('ignored', 'rescued', 'rescue', 'skipped', 'same')])
        self.assertGreater(of['rescue'].seconds, 0)
        self.assertIn('TASK [rescued]', told.log)
        self.assertEqual(2, outcome.changed)

    def test_a_rescued_failure_holds_back_no_later_task(self):
        first = self.task(self.element('one', """
            - hosts: one_node
              tasks:
                - block: [{command: "false"}]
                  rescue: [{command: "true"}]
            """))
        second = self.work('two')
        told = self.carried_out(self.runner(), self.batch(first, second))
        self.assertEqual(4, len(self.shape(told)))
        for outcome in told.outcomes.values():
            self.assertEqual(self.names, outcome.succeeded)

    def test_the_first_failure_is_the_cause_whatever_was_rescued(self):
        outcome, _told = self.play("""
    - block:
        - name: try
          fail:
      rescue:
        - name: never mind
          debug:
    - name: first
      fail:
      when: inventory_hostname == 'compute-1'
    - name: later
      fail:
""")
        self.assertEqual(('compute-1', 'first'),
                         (outcome.cause.node, outcome.cause.task))

    def test_messages_are_sentences(self):
        outcome, _told = self.play("""
    - name: install
      shell: |
        echo 'dpkg: error processing package x (--configure):' >&2
        echo 'E: Sub-process /usr/bin/dpkg returned an error code (1)' >&2
        exit 100
      when: inventory_hostname == 'compute-0'
    - name: loop
      shell: "echo no {{ item }} >&2; exit {{ item }}"
      loop: [0, 7]
""")
        self.assertEqual({
            'compute-0': 'dpkg: error processing package x (--configure):; '
                         'E: Sub-process /usr/bin/dpkg returned an error '
                         'code (1)',
            'compute-1': 'item 7: exit code 7: no 7'},
            {node: cause.message for node, cause in outcome.failed.items()})
        self.assertEqual('install', outcome.failed['compute-0'].task)

    def test_any_bytes_may_be_printed(self):
        element = self.element(apply=r'''
            - hosts: probe_node
              tasks:
                - name: print Latin-1
                  shell: printf 'caf\351 \377\000\n'; printf 'na\357f\n' >&2
                  register: said
                - name: use what was printed
                  shell: test '{{ said.rc }}' = 0
                - {name: tell of it, debug: {var: said.stdout_lines}}
                - name: raw bytes
                  raw: printf 'caf\351\n'
                - name: fail in Latin-1
                  shell: printf 'gr\374n ist kaputt\n'; exit 3
            ''')
        listener = self.carried_out(self.runner(), self.batch(
            self.task(element)))
        (outcome,) = listener.outcomes.values()
        self.assertEqual('fail in Latin-1', outcome.cause.task)
        self.assertRegex(outcome.cause.message, 'gr.n ist kaputt')
        # The database takes it, and so does whoever reads it.
        for step in listener.steps:
            for text in (step.output, step.message):
                text.encode()
        self.assertIn('caf', listener.log)

    def test_a_playbook_that_cannot_be_read_fails_all_nodes(self):
        first, second = self.work('one'), self.work('two')
        second.element.playbook('apply').write_text(
            '- hosts: two_node\n  tasks:\n    - nonsense_module: {}\n'
            '      nonsense_key: 1\n')
        second = self.task(second.element)
        told = self.carried_out(self.runner(), self.batch(first, second))
        self.assertEqual(4, len(self.shape(told)))
        for outcome in told.outcomes.values():
            self.assertEqual(set(self.names), set(outcome.failed))
            self.assertIn('two/apply.yaml:3', outcome.cause.message)

    def test_when_a_whole_play_fails_the_rest_is_not_said_to_be_well(self):
        element = self.element(roles=('server', 'client'), apply="""
            - hosts: probe_client
              tasks: [{command: "true"}]
            - hosts: probe_server
              tasks: [{name: serve, command: "false"}]
            - hosts: probe_client
              tasks: [{command: "true"}]
            """)
        first = self.task(element, roles={'server': ('compute-0',),
                                          'client': ('compute-1',)})
        second = self.work('two')
        told = self.carried_out(self.runner(), self.batch(first, second))
        outcome = told.outcomes[first.run_id]
        self.assertEqual((), outcome.succeeded)
        self.assertEqual('serve', outcome.failed['compute-0'].task)
        self.assertIn('compute-0', outcome.failed['compute-1'].message)
        self.assertEqual(set(self.names),
                         set(told.outcomes[second.run_id].untouched))

    def test_tasks_of_one_element_on_other_nodes_do_not_mix(self):
        element = self.element(apply=f"""
            - hosts: probe_node
              tasks:
                - shell: echo apply >> {self.marks}/$NAME
                  environment: {{NAME: "{{{{ inventory_hostname }}}}"}}
            """, revert=f"""
            - hosts: probe_node
              tasks:
                - shell: echo revert >> {self.marks}/$NAME
                  environment: {{NAME: "{{{{ inventory_hostname }}}}"}}
            """)
        told = self.carried_out(self.runner(), self.batch(
            self.task(element, ['compute-0'], verb=Verb.REVERT),
            self.task(element, ['compute-1'])))
        self.assertEqual([('compute-0',), ('compute-1',)], [
            outcome.succeeded for outcome in told.outcomes.values()])
        self.assertEqual('revert\n', (self.marks / 'compute-0').read_text())
        self.assertEqual('apply\n', (self.marks / 'compute-1').read_text())

    def test_nodes_that_cannot_be_reached_do_not_hold_up_the_others(self):
        with socket.socket() as silent:
            silent.bind(('127.0.0.1', 0))
            silent.listen()
            other = self.nodes['compute-1'].host()
            hosts = (self.nodes['compute-0'].host(), other,
                     self.unreachable('mute-0', silent.getsockname()[1]),
                     self.unreachable('closed-0', free_port()),
                     dataclasses.replace(
                         other, name='changed-0',
                         host_key=self.nodes['compute-0'].host_key))
            names = tuple(host.name for host in hosts)
            task = self.work('probe', nodes=names)
            begun = time.monotonic()
            told = self.carried_out(self.runner(),
                                    self.batch(task, hosts=hosts))
        self.assertLess(time.monotonic() - begun, 30)
        outcome = told.outcomes[task.run_id]
        self.assertEqual(self.names, outcome.succeeded)
        said = {node: cause.message
                for node, cause in outcome.failed.items()}
        self.assertEqual('mute-0 did not answer ssh within 3 s.',
                         said['mute-0'])
        self.assertIn('refused the ssh connection', said['closed-0'])
        self.assertIn('host key mismatch', said['changed-0'])

    def unreachable(self, name, port):
        return self.nodes['compute-0'].host(name=name, ssh_port=port)

    def test_a_jump_host_is_used_and_its_key_checked(self):
        head = self.nodes['compute-0']
        via = f'root@127.0.0.1:{head.port}'
        host = self.nodes['compute-1'].host(ssh_via=via,
                                            via_key=head.host_key)
        # That the key is some node's is not enough: it must be the head's.
        task = self.work('probe', nodes=['compute-1'], facts={
            'members': [{'name': 'compute-0', 'host_key': head.host_key}]})
        told = self.carried_out(self.runner(),
                                self.batch(task, hosts=(host,)))
        self.assertEqual(('compute-1',),
                         told.outcomes[task.run_id].succeeded, told.log)
        for key in (self.nodes['compute-1'].host_key, ''):
            told = self.carried_out(self.runner(), self.batch(
                task, epoch=2,
                hosts=(dataclasses.replace(host, via_key=key),)))
            self.assertEqual(['compute-1'],
                             list(told.outcomes[task.run_id].failed))

    def test_machines_are_reached_through_the_head_and_keys_are_checked(self):
        runner = self.runner()
        head, other = (self.nodes[name] for name in self.names)
        hosts = [head.host(), other.host(
            ssh_via=f'root@127.0.0.1:{head.port}'),
            self.unreachable('closed-0', free_port()),
            other.host(name='changed-0', host_key='ssh-ed25519 '
                       + head.host_key.split()[1])]
        key = self.batch(self.work('probe')).private_key
        said = runner.reach(hosts, [host.name for host in hosts], key)
        self.assertTrue(all(said.values()), said)
        self.eventually(lambda: '' == said['compute-1'] == said['compute-0']
                        if said.update(runner.reach(
                            hosts, [host.name for host in hosts], key))
                        is None else False)
        self.eventually(lambda: 'refused' in runner.reach(
            hosts, ['closed-0'], key)['closed-0'])
        self.eventually(lambda: 'verification failed' in runner.reach(
            hosts, ['changed-0'], key)['changed-0'])
        # Once reached, nobody is asked again.
        os.kill(head.process.pid, signal.SIGSTOP)
        try:
            self.assertEqual({'compute-0': ''},
                             runner.reach(hosts, ['compute-0'], key))
        finally:
            os.kill(head.process.pid, signal.SIGCONT)
        runner.close()
        self.assertEqual([], list((self.folder / 'w').glob('*')))

    @staticmethod
    def children():
        """Programs that this process has started and not seen end."""
        found = []
        for path in pathlib.Path('/proc/self/task').glob('*/children'):
            with contextlib.suppress(OSError):
                found += path.read_text().split()
        names = []
        for pid in found:
            with contextlib.suppress(OSError):
                names.append(pathlib.Path(f'/proc/{pid}/comm').read_text()
                             .strip())
        return names

    def test_many_new_machines_are_tried_a_few_at_a_time(self):
        runner = self.runner()
        self.addCleanup(runner.close)
        with socket.create_server(('127.0.0.1', 0), backlog=200) as silent:
            hosts = [dataclasses.replace(
                self.unreachable(f'mute-{number}', silent.getsockname()[1]),
                host_key=f'ssh-ed25519 AAAA{number}') for number in range(80)]
            names = {host.name for host in hosts}

            def busy():
                self.assertTrue(all(runner.reach(hosts, names, 'k').values()))
                seen = self.children().count('ssh')
                self.assertLessEqual(seen, 32)
                return seen == 32
            self.eventually(busy, 60)
            for _ in range(20):
                busy()
            self.assertEqual(1, len(list((self.folder / 'w').glob('ssh-*'))))
            runner.close()
        self.assertNotIn('ssh', self.children(), 'zombies as well')
        self.assertEqual([], list((self.folder / 'w').glob('*')))

    def test_no_ssh_for_a_machine_where_nobody_listens(self):
        runner = self.runner()
        host = self.unreachable('closed-0', free_port())
        behind = dataclasses.replace(
            host, name='behind-0', ssh_via=f'root@127.0.0.1:{host.ssh_port}')
        said = {}

        def refused():
            said.update(runner.reach([behind, host], [
                'closed-0', 'behind-0'], 'k'))
            self.assertNotIn('ssh', self.children())
            return 'refused' in said['closed-0']
        self.eventually(refused)
        self.assertEqual('closed-0, the way to it, has not answered yet',
                         said['behind-0'])
        runner.close()

    def test_a_node_that_stops_answering_ends_as_unreachable(self):
        node = self.nodes['compute-1']
        task = self.task(self.element(apply=f"""
            - hosts: probe_node
              tasks:
                - shell: touch {self.marks}/up; sleep 4
                - command: "true"
            """))
        threading.Thread(target=self.freeze, args=(node,)).start()
        begun = time.monotonic()
        told = self.carried_out(self.runner(), self.batch(task))
        self.assertLess(time.monotonic() - begun, 300)
        outcome = told.outcomes[task.run_id]
        self.assertEqual(('compute-0',), outcome.succeeded)
        self.assertEqual(['compute-1'], list(outcome.failed))
        self.assertIn(Result.UNREACHABLE,
                      {step.result for step in told.steps})

    def freeze(self, node):
        self.eventually((self.marks / 'up').exists)
        frozen = [node.process.pid, *node.sessions()]
        self.addCleanup(self.thaw, frozen)
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self, pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                continue

    def test_a_task_that_takes_too_long_fails(self):
        self.conf = self.configured(task_timeout=2)
        outcome, _told = self.play('    - command: sleep 300\n')
        self.assertEqual(set(self.names), set(outcome.failed))
        self.assertIn('2', outcome.cause.message)

    def test_a_killed_worker_is_told_of(self):
        task = self.task(self.element(apply=f"""
            - hosts: probe_node
              tasks: [{{shell: "touch {self.marks}/up; sleep 5"}}]
            """))
        told, runner = Recorder(), self.runner()

        def kill():
            self.eventually((self.marks / 'up').exists)
            os.kill(told.process.pid, signal.SIGKILL)

        threading.Thread(target=kill).start()
        runner.carry_out(self.batch(task), told, lambda: False)
        self.assert_nothing_left(told.process)
        outcome = told.outcomes[task.run_id]
        self.assertEqual(set(self.names), set(outcome.failed))
        self.assertIn('died', outcome.cause.message)
        self.assertTrue(outcome.died)
        again = self.work('again')
        told = self.carried_out(runner, self.batch(again))
        self.assertEqual(self.names, told.outcomes[again.run_id].succeeded)

    def test_nothing_is_done_before_the_process_is_recorded(self):
        task = self.task(self.element(apply=f"""
            - hosts: probe_node
              tasks: [{{shell: "touch {self.marks}/up"}}]
            """))
        told = Recorder()

        def refuse(process):
            told.process = process
            time.sleep(2)
            raise ValueError('not recorded')

        told.starting = refuse
        with self.assertRaises(ValueError):
            self.runner().carry_out(self.batch(task), told, lambda: False)
        self.assert_nothing_left(told.process)
        self.assertFalse((self.marks / 'up').exists())
        self.assertFalse((self.marks / 'fence').exists())

    def test_work_that_cannot_begin_is_refused(self):
        task = self.task(self.element(apply=''), verb=Verb.DRAIN)
        with self.assertRaises(RunnerError):
            self.carried_out(self.runner(), self.batch(task))

    def owner(self, *prefix):
        """A process that has a folder of ours for as long as it lives."""
        owner = subprocess.Popen(
            [*prefix, sys.executable, '-c', _OWNER, f'{self.folder}/w'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(owner.wait)
        self.addCleanup(owner.stdout.close)
        self.addCleanup(owner.stdin.close)
        return owner, pathlib.Path(owner.stdout.readline().strip())

    def test_folders_of_dead_processes_are_removed(self):
        owner, folder = self.owner()
        owner.kill()
        owner.wait()
        self.assertTrue((folder / 'key').exists())
        self.runner()
        self.assertFalse(folder.exists())

    def test_folders_of_living_processes_stay(self):
        for prefix in ((), ('unshare', '--pid', '--fork', '--mount-proc')):
            owner, folder = self.owner(*prefix)
            self.runner().stop(Process(2 ** 22 - 3, 1, processes.place()))
            self.assertTrue((folder / 'key').exists(), prefix)
            owner.stdin.close()
            owner.wait()
            self.runner()
            self.assertFalse(folder.exists(), prefix)

    def test_a_process_that_is_no_worker_is_never_ended(self):
        other = subprocess.Popen(['sleep', '600'], start_new_session=True)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        self.runner().stop(Process(
            other.pid, processes.started(other.pid), processes.place()))
        self.assertTrue(processes.alive(
            other.pid, processes.started(other.pid)))

    def test_finds_what_an_element_must_not_do(self):
        element = self.element(apply="""
            - hosts: all
              connection: local
              tasks:
                - command: "true"
                  delegate_to: localhost
                - local_action: command true
                - command: sleep 1
                  async: 10
            - hosts: probe_node,!probe_node
            """, revert='- hosts: [probe_node\n', verify='hosts: x\n')
        found = [(each.where, each.message.split()[0])
                 for each in check.findings(element)]
        self.assertEqual([
            ('apply.yaml:2', 'hosts'), ('apply.yaml:3', 'Elements'),
            ('apply.yaml:6', 'delegate_to'),
            ('apply.yaml:7', 'local_action'), ('apply.yaml:9', 'async'),
            ('revert.yaml:2', 'This'), ('verify.yaml:1', 'A')], found)

    def test_finds_missing_playbooks(self):
        element = self.element(apply=_PLAY.format(group='probe'))
        self.assertEqual([], check.findings(element))
        element.playbook('revert').unlink()
        self.assertEqual(['revert.yaml'], [
            found.where for found in check.findings(element)])
