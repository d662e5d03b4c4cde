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

"""What lies in the source tree."""

import contextlib
import importlib.util
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).parents[3]


class TreeTest(unittest.TestCase):

    @unittest.skipUnless((ROOT / '.git').exists(), 'not a checkout')
    def test_nothing_came_in_by_chance(self):
        """What programs keep in hidden folders is no part of the project."""
        kept = subprocess.run(['git', 'ls-files'], cwd=ROOT, check=True,
                              capture_output=True, text=True).stdout.split()
        self.assertEqual({'.ci', '.gitignore', '.stestr.conf'}, {
            part for path in kept for part in pathlib.PurePath(path).parts
            if part.startswith('.')})

    def test_the_bed_installs_what_blueprints_name(self):
        """Of those that are made from others as well."""
        spec = importlib.util.spec_from_file_location(
            'image', ROOT / 'devstack/bed/lib/image.py')
        image = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(image)
        with contextlib.chdir(ROOT):
            named = set(image._named())
        self.assertLessEqual({'gcc', 'openmpi-bin', 'slurmd'}, named)
