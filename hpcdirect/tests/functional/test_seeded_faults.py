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

"""Twenty faults, each with the first cause that must be named.

Real Ansible plays them on real sshd processes. Before six of them a failure
is ignored, after one the other node fails in a later task, and one is in a
handler. A rescue or an always section that fails as well is not among them.
"""

import socket
import textwrap

from hpcdirect.conductor.failures import Source
from hpcdirect.conductor.failures import diagnose
from hpcdirect.runners.ansible import AnsibleRunner
from hpcdirect.tests.functional.sshd_nodes import NodesCase
from hpcdirect.tests.functional.sshd_nodes import free_port

LEAST = 18
_HERE = "inventory_hostname == 'compute-1'"
_IGNORED = """\
- name: look
  command: cat /nonexistent/before
  ignore_errors: true
"""
#: Class, task and node that must be named, what is played. The node is
#: compute-1 unless it says otherwise.
FAULTS = {
    'package': ('package_not_found', 'install', f"""
        {{ignored}}
        - name: install
          command: apt-get install -y --no-install-recommends no-such-pkg
          when: {_HERE}
        """),
    'package in a module': ('package_not_found', 'install', f"""
        - name: install
          apt: {{{{name: no-such-package}}}}
          when: {_HERE}
        """),
    'name server': ('network', 'fetch', f"""
        {{ignored}}
        - name: fetch
          get_url: {{{{url: 'http://mirror.invalid/x', dest: '{{marks}}/x'}}}}
          when: {_HERE}
        """),
    'mirror refuses': ('network', 'fetch', f"""
        - name: fetch
          get_url:
            url: http://127.0.0.1:{{port}}/x
            dest: '{{marks}}/x'
          when: {_HERE}
        """),
    'disk full': ('disk_full', 'write', f"""
        {{ignored}}
        - name: write
          shell: cat /etc/passwd > /dev/full
          when: {_HERE}
        - name: later on the other node
          command: cat /nonexistent/after
        """),
    'permission': ('permission_denied', 'write', f"""
        - name: write
          shell: setpriv --reuid 65534 --clear-groups touch /etc/x-fault
          when: {_HERE}
        """),
    'read-only': ('read_only', 'write', f"""
        - name: write
          shell: unshare -m sh -c 'mount -t tmpfs -o ro x /mnt && > /mnt/x'
          when: {_HERE}
        """),
    'timeout': ('timeout', 'wait', f"""
        - name: wait
          wait_for: {{{{port: {{port}}, timeout: 1}}}}
          when: {_HERE}
        """),
    'bad parameter': ('bad_parameter', 'copy', f"""
        {{ignored}}
        - name: copy
          copy: {{{{content: x, dst: /nonexistent/x}}}}
          when: {_HERE}
        """),
    'assertion': ('bad_parameter', 'judge', f"""
        - name: judge
          assert: {{{{that: [1 > 2]}}}}
          when: {_HERE}
        """),
    'no service': ('service_failed', 'serve', f"""
        - name: serve
          service: {{{{name: no-such-service, state: started}}}}
          when: {_HERE}
        """),
    'no command': ('missing', 'call', f"""
        {{ignored}}
        - name: call
          command: no-such-command
          when: {_HERE}
        """),
    'no file': ('missing', 'read', f"""
        - block:
            - name: read
              command: cat /nonexistent/x
              when: {_HERE}
          always:
            - name: clean up
              command: "true"
        """),
    'memory': ('out_of_memory', 'reckon', f"""
        - name: reckon
          shell: ulimit -v 100000 && python3 -c 'bytearray(10 ** 9)'
          when: {_HERE}
        """),
    'checksum': ('checksum', 'fetch', f"""
        - name: fetch
          get_url:
            url: file:///etc/passwd
            dest: '{{marks}}/x'
            checksum: sha256:{'0' * 64}
          when: {_HERE}
        """),
    'undefined': ('undefined_variable', 'say', f"""
        {{ignored}}
        - name: say
          command: echo {{{{{{{{ no_such_value }}}}}}}}
          when: {_HERE}
        """),
    'no user': ('missing_user', 'own', f"""
        - name: own
          file: {{{{path: '{{marks}}', owner: no-such-user}}}}
          when: {_HERE}
        """),
    'port': ('port_in_use', 'listen', f"""
        - name: listen
          command:
            argv: [python3, -c, "import socket\\n\\
              socket.create_server(('127.0.0.1', {{used}}))"]
          when: {_HERE}
        """),
    'syntax': ('syntax_error', 'script', f"""
        - name: script
          shell: "if true; then"
          when: {_HERE}
        """),
    'handler': ('missing', 'restart', f"""
        - name: change
          command: "true"
          notify: restart
        - name: more
          command: cat /nonexistent/other
          failed_when: false
        handlers:
        - name: restart
          command: no-such-command
          when: {_HERE}
        """),
}


class SeededFaultsTest(NodesCase):

    def test_the_first_cause_is_named(self):
        with socket.create_server(('127.0.0.1', 0)) as used:
            values = {'used': used.getsockname()[1], 'port': free_port(),
                      'marks': self.marks}
            wrong = [said for name, fault in FAULTS.items()
                     if (said := self.missed(name, fault, values))]
        print(f'{len(FAULTS) - len(wrong)} of {len(FAULTS)} first causes')
        print('\n'.join(wrong))
        self.assertEqual(20, len(FAULTS))
        self.assertGreaterEqual(len(FAULTS) - len(wrong), LEAST, wrong)

    def missed(self, name, fault, values):
        """What was named instead of a fault; '' when it was the fault."""
        kind, task, text = fault
        text = textwrap.dedent(text).lstrip()
        tasks = text.format(ignored=_IGNORED, **values)
        tasks, _, handlers = tasks.partition('handlers:\n')
        play = '- hosts: probe_node\n  tasks:\n' + textwrap.indent(
            tasks, '    ')
        if handlers:
            play += '  handlers:\n' + textwrap.indent(handlers, '    ')
        work = self.task(self.element(apply=play))
        told = self.carried_out(AnsibleRunner(self.conf), self.batch(work))
        cause = told.outcomes[work.run_id].cause
        wanted = ('compute-1', task, kind)
        found = cause and (cause.node, cause.task,
                           diagnose(cause.message, Source.CONNECTION
                                    if cause.unreachable
                                    else Source.OUTPUT).name)
        return '' if found == wanted else (
            f'{name}: {wanted} expected, {found}: '
            f'{cause and cause.message}')
