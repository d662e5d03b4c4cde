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

"""An element's grade lies in its folder and holds for what is there."""

import pathlib

import fixtures
import testtools

from hpcdirect import exception
from hpcdirect.blueprints import grading
from hpcdirect.blueprints import load
from hpcdirect.blueprints import validate
from hpcdirect.blueprints.model import Grade
from hpcdirect.tests.unit.blueprints import folders
from hpcdirect.tests.unit.blueprints.folders import BLUEPRINT
from hpcdirect.tests.unit.blueprints.folders import MUNGE
from hpcdirect.tests.unit.blueprints.folders import SLURM


class GradingTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.blueprint = folders.write_tree(self.root, BLUEPRINT,
                                            (MUNGE, SLURM))
        self.folder = self.root / 'elements' / 'slurm'

    def load(self):
        return load.load_element(self.folder)

    def graded(self, **values):
        grade = Grade('C', self.load().digest, {'compute': ('/etc/x stays',)},
                      ('/srv/y',), {'head': 1}, ('munge@1.0.0',),
                      {'slots': 2}, {'apply': 1.5}, 3, 0.5, 'Debian', 'now')
        grading.write(self.folder, grade)
        return grade

    def test_there_and_back(self):
        self.assertIsNone(self.load().grade)
        before = self.load().digest
        grade = self.graded()
        found = self.load()
        self.assertEqual(grade, found.grade)
        self.assertEqual(before, found.digest)
        self.assertEqual([], validate.validate_folder(self.folder))

    def test_a_blueprint_is_the_same_with_it(self):
        find = validate.Finder([self.root / 'elements'])
        before = load.load_blueprint(self.blueprint, find).digest
        self.graded()
        after = load.load_blueprint(self.blueprint, find)
        self.assertEqual(before, after.digest)
        self.assertEqual(['', 'C'], [
            use.element.grade.grade if use.element.grade else ''
            for use in after.elements])

    def test_a_change_takes_it_away(self):
        self.graded()
        with (self.folder / 'apply.yaml').open('a') as file:
            file.write('- {name: Another, hosts: all}\n')
        self.assertIsNone(self.load().grade)

    def test_only_that_very_file_does_not_count(self):
        before = self.load().digest
        (self.folder / 'files').mkdir()
        (self.folder / 'files' / grading.FILE).touch()
        self.assertNotEqual(before, self.load().digest)

    def test_a_broken_file_is_told(self):
        self.graded()
        file = self.folder / grading.FILE
        file.write_text(file.read_text().replace('grade: C', 'grade: B'))
        found = self.assertRaises(exception.BlueprintInvalid, self.load)
        self.assertRegex(str(found), r'grade.yaml:\d+: grade is "B"')


class TrialTest(testtools.TestCase):

    def findings(self, trial):
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        folders.write_tree(root, BLUEPRINT, (MUNGE, {**SLURM,
                                                     'trial': trial}))
        return [one.message for one in validate.validate_folder(
            root / 'elements' / 'slurm')]

    def test_well_said(self):
        self.assertEqual([], self.findings({
            'parameters': {'slots': 3}, 'with': ['names'],
            'roles': {'compute': ['head', 'compute']},
            'volumes': {'home': '/home'}, 'state': ['/var/x']}))

    def test_wrongly_said(self):
        for trial, said in (
                ({'parameters': {'slots': 0}}, 'slots is 0'),
                ({'parameters': {'slot': 1}}, 'slot'),
                ({'roles': {'computer': ['head']}},
                 'slurm has no role "computer"; did you mean "compute"'),
                ({'roles': {'compute': ['tail']}}, 'tail'),
                ({'with': ['slurm']}, 'on top of itself'),
                ({'volumes': {'home': 'home'}}, 'an absolute path'),
                ({'element': 'x'}, 'element')):
            found = self.findings(trial)
            self.assertEqual(1, len(found), (trial, found))
            self.assertIn(said, found[0])
