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

"""The elements and blueprints that we ship, without any node."""

import importlib.util
import pathlib
import shutil
import tempfile
import unittest

from hpcdirect.blueprints import validate
from hpcdirect.runners.ansible import check

ROOT = pathlib.Path(__file__).parents[3]
ELEMENTS = sorted(path.parent for path in
                  ROOT.glob('elements/*/element.yaml'))
BLUEPRINTS = sorted(path.parent for path in
                    ROOT.glob('blueprints/*/blueprint.yaml'))


def module(path):
    """An Ansible module of an element, to be called as Python."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


class ShippedTest(unittest.TestCase):

    def test_all_are_well_formed(self):
        for folder in (*ELEMENTS, *BLUEPRINTS):
            with self.subTest(folder.name):
                self.assertEqual([], validate.validate_folder(folder))
                self.assertTrue((folder / 'README.rst').is_file())

    def test_the_runner_accepts_every_playbook(self):
        find = validate.Finder([ROOT / 'elements'])
        for folder in ELEMENTS:
            with self.subTest(folder.name):
                self.assertEqual([], check.findings(find(folder.name)))

    def test_there_is_one_module(self):
        there = list(ROOT.glob('elements/*/library/hpc_layer.py'))
        self.assertGreater(len(there), 5)
        self.assertEqual({ROOT / 'elements/base/library/hpc_layer.py'},
                         {path.resolve() for path in there})

    def test_a_digest_covers_what_links_lead_to(self):
        folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        shutil.copytree(ROOT / 'elements', folder / 'elements',
                        symlinks=True)
        find = validate.Finder([folder / 'elements'])
        before = find('munge').digest
        module = folder / 'elements/base/library/hpc_layer.py'
        module.write_text(module.read_text() + '# changed\n')
        after = validate.Finder([folder / 'elements'])('munge').digest
        self.assertNotEqual(before, after)


class UserIdsTest(unittest.TestCase):

    def setUp(self):
        self.users = module(ROOT / 'elements/users/library/hpc_users.py')

    def test_an_id_does_not_depend_on_the_others(self):
        alone, _ = self.users.ids([{'name': 'bob'}])
        both, groups = self.users.ids(
            [{'name': 'alice', 'groups': ['lab']}, {'name': 'bob'}])
        self.assertEqual(alone['bob'], both['bob'])
        self.assertEqual({'alice', 'bob', 'lab'}, set(groups))

    def test_a_given_id_is_taken(self):
        uids, gids = self.users.ids([{'name': 'bob', 'uid': 5000}])
        self.assertEqual(({'bob': 5000}, {'bob': 5000}), (uids, gids))

    def test_two_names_with_one_id_are_refused(self):
        taken = self.users.number('user', 'bob')
        with self.assertRaisesRegex(self.users.Problem, 'same id'):
            self.users.ids([{'name': 'bob'}, {'name': 'eve', 'uid': taken}])

    def test_bad_names_and_doubles_are_refused(self):
        for users in ([{'name': '../bob'}],
                      [{'name': 'bob'}, {'name': 'bob'}]):
            with self.assertRaises(self.users.Problem):
                self.users.ids(users)


class LayerFilesTest(unittest.TestCase):
    """Whatever was there before can be had again."""

    def setUp(self):
        self.layer = module(ROOT / 'elements/base/library/hpc_layer.py')
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.folder = pathlib.Path(work.name)
        self.node = {'parents': []}

    def wanted(self, path, text):
        stat = self.folder.stat()
        return {'content': self.layer.base64.b64encode(text).decode(),
                'mode': 0o640, 'uid': stat.st_uid, 'gid': stat.st_gid}

    def test_there_and_back(self):
        file, link = self.folder / 'file', self.folder / 'link'
        file.write_bytes(b'before \xff')
        link.symlink_to('nowhere')
        for path in (file, link, self.folder / 'deep' / 'er' / 'new'):
            before = self.layer.snapshot(path)
            wanted = self.wanted(path, b'ours')
            self.assertTrue(self.layer.put(path, wanted, self.node))
            self.assertFalse(self.layer.put(path, wanted, self.node))
            self.assertEqual(b'ours', path.read_bytes())
            self.assertTrue(self.layer.put(path, before, self.node))
            self.assertEqual(before, self.layer.snapshot(path))
        self.layer.tidy(self.node)
        self.assertEqual({file, link}, set(self.folder.iterdir()))

    def test_folders_of_others_stay_when_they_are_in_use(self):
        path = self.folder / 'shared' / 'ours'
        self.layer.put(path, self.wanted(path, b''), self.node)
        (self.folder / 'shared' / 'theirs').touch()
        self.layer.put(path, None, self.node)
        self.layer.tidy(self.node)
        self.assertTrue((self.folder / 'shared' / 'theirs').exists())
        self.assertEqual([str(self.folder / 'shared')], self.node['parents'])
