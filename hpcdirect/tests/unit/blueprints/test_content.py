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


"""What counts of a folder's files, and what does not."""

import pathlib

import fixtures
import testtools

from hpcdirect.blueprints import content

PLAY = """\
- name: Slurm
  hosts: slurm_node
  vars: {word: !unsafe "{{ x }}", since: 2026-01-01}
  tasks:
    - name: One
      ansible.builtin.copy: {dest: /a, content: "x"}
    - name: Two
      ansible.builtin.command: "true"
"""
CALL = '- {hosts: some_node, tasks: [{shared: {}}]}\n'
ALIKE = """\
# The same, otherwise written.

- hosts:   slurm_node
  name: 'Slurm'
  tasks:
    - ansible.builtin.copy:
        content: x      # a comment
        dest: /a
      name: One
    - {name: Two, ansible.builtin.command: 'true'}
  vars:
    since: 2026-01-01
    word: !unsafe '{{ x }}'
"""


class ContentTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.write('apply.yaml', PLAY)
        self.write('files/key', 'k  \n')
        self.before = content.digest(self.folder)

    def test_what_cannot_be_read_counts_all_the_same(self):
        for text in ('!!bool x', '!!timestamp z', '!!int ""', '[' * 5000,
                     'system_accounts: !!bool x'):
            for name in ('apply.yaml', 'element.yaml'):
                self.write(name, text)
                before = content.digest(self.folder)
                self.write(name, text + 'y')
                self.assertNotEqual(before, content.digest(self.folder))

    def write(self, name, text):
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def differs(self):
        return content.digest(self.folder) != self.before

    def test_what_means_nothing(self):
        self.write('apply.yaml', ALIKE)
        self.assertFalse(self.differs())
        for name in ('README.rst', 'LICENSE', 'apply.yaml~', '.apply.swp',
                     '__pycache__/x.pyc'):
            self.write(name, 'x')
            self.assertFalse(self.differs(), name)

    def test_who_may_have_what_name(self):
        """Is the service's to know: layers that stand stay as they are."""
        self.write('element.yaml', 'name: x\nlabel: X\n')
        before = content.digest(self.folder)
        self.write('element.yaml', 'name: x\nsystem_accounts: [x]\nlabel: X')
        self.assertEqual(before, content.digest(self.folder))
        self.write('element.yaml', 'name: x\nsystem_accounts: [x]\nlabel: Y')
        self.assertNotEqual(before, content.digest(self.folder))

    def test_what_means_something(self):
        for name, text in (
                ('apply.yaml', PLAY.replace('"x"', '"y"')),
                ('apply.yaml', PLAY.replace('!unsafe ', '')),
                ('apply.yaml', PLAY.replace('2026-01-01', '2026-01-02')),
                ('apply.yaml', PLAY.replace('- name: One', '- name: On')),
                ('files/key', 'k \n'), ('files/README', 'x'),
                ('library/mine.py', 'x = 1  # a comment')):
            self.write(name, text)
            self.assertTrue(self.differs(), (name, text))
            self.write('apply.yaml', PLAY)
            self.write('files/key', 'k  \n')
            (self.folder / 'files/README').unlink(missing_ok=True)

    def test_the_order_of_tasks_counts(self):
        one, two = '    - name: One\n', '    - name: Two\n'
        head, _, tail = PLAY.partition(one)
        first, _, second = tail.partition(two)
        self.write('apply.yaml', head + two + second + one + first)
        self.assertTrue(self.differs())

    def test_what_is_no_yaml_counts_as_it_is(self):
        self.write('apply.yaml', 'a: [')
        broken = content.digest(self.folder)
        self.write('apply.yaml', 'a:  [')
        self.assertNotEqual(broken, content.digest(self.folder))

    def test_modules_beside_an_element(self):
        beside = self.folder / 'library'
        element = self.folder / 'some'
        beside.mkdir()
        element.mkdir()
        self.write('library/shared.py', 'x = 1\n')
        (element / 'apply.yaml').write_text(CALL)
        self.assertEqual({'apply.yaml'}, set(content.files(element)))
        (element / 'element.yaml').write_text('name: some\n')
        self.assertEqual(beside / 'shared.py',
                         content.files(element)['library/shared.py'])
        before = content.digest(element)
        self.write('library/shared.py', 'x = 2\n')
        self.assertNotEqual(before, content.digest(element))
        (element / 'library').mkdir()
        own = element / 'library/shared.py'
        own.write_text('x = 1\n')
        self.assertEqual(own, content.files(element)['library/shared.py'])
        self.assertEqual(before, content.digest(element))

    def test_modules_that_an_element_does_not_name(self):
        element = self.folder / 'some'
        element.mkdir()
        (element / 'element.yaml').write_text('name: some\n')
        (element / 'apply.yaml').write_text(CALL)
        self.write('library/shared.py', 'x = 1\n')
        before = content.digest(element)
        for name in ('other.py', 'share.py', 'shared_more.py',
                     'deep/none_such.py'):
            self.write(f'library/{name}', 'x = 1\n')
            self.assertEqual(before, content.digest(element), name)
        # A module that one which is named calls, or a task of any file.
        self.write('library/shared.py', "run('other')\n")
        self.assertEqual({'library/shared.py', 'library/other.py'}, {
            name for name in content.files(element)
            if name.startswith('library')})
        (element / 'tasks').mkdir()
        (element / 'tasks/main.yml').write_text('- ansible.legacy.share:\n')
        self.assertIn('library/share.py', content.files(element))

    def test_without(self):
        self.write('grade.yaml', 'grade: A')
        self.assertTrue(self.differs())
        self.assertEqual(self.before, content.digest(
            self.folder, {'grade.yaml'}))
