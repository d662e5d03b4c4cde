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

"""What tools really say, and of what kind it is."""

import testtools

from hpcdirect.conductor import failures
from hpcdirect.conductor.failures import Source

SAID = (
    ('package_not_found', "No package matching 'slurmm' is available"),
    ('package_not_found', 'E: Unable to locate package nosuch'),
    ('package_not_found', "E: Package 'vim-x' has no installation candidate"),
    ('package_not_found', 'E: Version \'9\' for \'bash\' was not found'),
    ('package_conflict', 'dpkg: error processing package x (--configure):; '
     'E: Sub-process /usr/bin/dpkg returned an error code (1)'),
    ('package_conflict', 'E: Could not get lock /var/lib/dpkg/lock-frontend.'
     ' It is held by process 812 (apt-get)'),
    ('network', 'E: Failed to fetch http://deb.debian.org/x.deb  Could not '
     "connect to deb.debian.org:80 (1.2.3.4), Connection refused"),
    ('network', "Err:1 http://m x Temporary failure resolving 'm'"),
    ('network', 'exit code 6: curl: (6) Could not resolve host: a.invalid'),
    ('network', 'Request failed: <urlopen error [Errno 111] Connection '
     'refused>'),
    ('network', 'exit code 1: connect: Network is unreachable'),
    ('network', "E: The repository 'http://m bookworm Release' no longer has "
     'a Release file.'),
    ('disk_full', 'E: You don\'t have enough free space in '
     '/var/cache/apt/archives/.'),
    ('disk_full', "exit code 1: dd: error writing '/x': No space left on "
     'device'),
    ('permission_denied', 'exit code 1: cat: /etc/shadow: Permission denied'),
    ('permission_denied', 'exit code 1: touch: cannot touch \'/x\': '
     'Operation not permitted'),
    ('node_unreachable', 'compute-0 did not answer ssh within 3 s.'),
    ('node_unreachable', 'compute-0 refused the ssh connection.'),
    ('node_unreachable', 'root@10.0.0.1: Permission denied (publickey).'),
    ('node_unreachable', 'Failed to connect to the host via ssh: x'),
    ('timeout', 'Timed out after 2 second(s).'),
    ('timeout', 'Timeout when waiting for 127.0.0.1:6817'),
    ('timeout', 'The machine was not up within 300 s.'),
    ('service_failed', 'Unable to start service slurmd: Job for '
     'slurmd.service failed because the control process exited'),
    ('service_failed', 'Could not find the requested service nosuch: host'),
    ('missing', "exit code 127: /bin/sh: 1: sinfo: not found"),
    ('missing', "Error executing command: [Errno 2] No such file or "
     "directory: b'sinfo'"),
    ('missing', '[Errno 2] No such file or directory: b\'mpirun\''),
    ('missing', 'Path /etc/nosuch does not exist !'),
    ('out_of_memory', 'exit code 1: bash: fork: Cannot allocate memory'),
    ('checksum', 'The checksum for /tmp/x did not match abc; it was def.'),
    ('checksum', 'E: Failed to fetch http://m/x  Hash Sum mismatch'),
    ('signature', "E: The repository 'http://m x' is not signed."),
    ('undefined_variable', "Task failed: Finalization of task args failed: "
     "Error while resolving value for 'msg': 'nosuch' is undefined"),
    ('syntax_error', "one/apply.yaml:3: couldn't resolve module/action "
     "'nosuch'"),
    ('syntax_error', 'exit code 2: sh: 1: Syntax error: Unterminated'),
    ('missing_user', "chown failed: failed to look up user nobody2"),
    ('missing_user', 'Group nosuch does not exist'),
    ('missing_user', "exit code 1: chown: invalid user: 'nosuch'"),
    ('port_in_use', 'exit code 1: OSError: [Errno 98] Address already in '
     'use'),
    ('read_only', "exit code 1: touch: cannot touch '/sys/x': Read-only "
     'file system'),
    ('kernel', 'exit code 1: This kernel has no NFS server, so the head '
     'cannot share its /home.'),
    ('kernel', 'modprobe: FATAL: Module nfsd not found in directory '
     '/lib/modules/6.1.0'),
    ('kernel', "mount: /mnt: unknown filesystem type 'nfs4'."),
    ('bad_parameter', 'Unsupported parameters for (copy) module: dst.'),
    ('bad_parameter', 'value of state must be one of: absent, present, '
     'got: there'),
    ('bad_parameter', 'missing required arguments: path'),
    ('bad_parameter', 'Assertion failed'),
    ('hidden', 'The result is hidden, because it may hold a secret '
     '(no_log).'),
    ('stopped', 'The run was stopped.'),
    ('unknown', 'It was told to fail.'),
    ('unknown', 'exit code 1: it rains'),
    ('unknown', ''),
)


def told(name, text):
    """What is made of a text, written by who may say such a thing."""
    return failures.diagnose(text, Source.CONNECTION if name ==
                              'node_unreachable' else Source.OUTPUT)


class DiagnosisTest(testtools.TestCase):

    def test_what_is_said_is_of_its_kind(self):
        self.assertEqual([], [
            (name, told(name, text).name, text) for name, text in SAID
            if told(name, text).name != name])

    def test_every_kind_was_heard(self):
        self.assertEqual(set(failures.NAMES), {name for name, _ in SAID})

    def test_every_kind_has_something_to_try(self):
        hints = {told(*said).hint for said in SAID}
        self.assertEqual(len(failures.NAMES), len(hints))
        for hint in hints:
            self.assertTrue(hint.endswith(failures.RETRY), hint)

    def test_no_hint_by_which_data_could_be_lost(self):
        for said in SAID:
            for word in ('replace', 'new node', 'delete', 'again from'):
                self.assertNotIn(word, told(*said).hint.lower())

    def test_output_of_a_task_makes_no_node_unreachable(self):
        """A user can have a task print what they like."""
        for _, text in SAID:
            found = failures.diagnose(text)
            self.assertEqual(Source.OUTPUT, found.source)
            self.assertNotEqual('node_unreachable', found.name, text)
        self.assertEqual('node_unreachable', failures.diagnose(
            'ann is in the way', Source.CONNECTION).name)
        self.assertEqual('disk_full', failures.diagnose(
            'Failed to create temporary directory: No space left on device',
            Source.CONNECTION).name)
        # A backend says it of a machine that it waits for.
        self.assertEqual('node_unreachable', failures.diagnose(
            'c-0 did not answer ssh within 3 s.', Source.SERVICE).name)
