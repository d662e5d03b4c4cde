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

"""What is installed is whole, and needs the folder it came from no more."""

from importlib import metadata
import pathlib
import shutil
import subprocess
import sys
import tempfile

import testtools

ROOT = pathlib.Path(__file__).parents[3]
PARTS = ('hpcdirect', 'blueprints', 'elements', 'etc', 'setup.py',
         'setup.cfg', 'pyproject.toml', 'README.rst', 'requirements.txt')


class InstallTest(testtools.TestCase):

    def test_without_git_and_without_its_folder(self):
        before = metadata.version('hpcdirect')
        folder = pathlib.Path(tempfile.mkdtemp(prefix='hi-'))
        self.addCleanup(shutil.rmtree, folder)
        source = folder / 'source'
        source.mkdir()
        for name in PARTS:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name,
                                ignore=shutil.ignore_patterns('__pycache__'))
            else:
                shutil.copy(ROOT / name, source)
        subprocess.run(
            # What this very environment has is not taken out of it.
            [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps',
             '--ignore-installed',
             '--no-build-isolation', '--no-compile', '--prefix',
             str(folder / 'there'), str(source)], check=True,
            env={'PBR_VERSION': '0.1.0', 'PATH': '/usr/bin:/bin',
                 'HOME': str(folder), 'TMPDIR': str(folder)})
        self.assertEqual(before, metadata.version('hpcdirect'))
        wanted = {part: {
            path.relative_to(source / part) for path
            in (source / part).rglob('*') if path.is_file()
            and 'tests' not in path.relative_to(source / part).parts}
            for part in ('hpcdirect', 'blueprints', 'elements')}
        shutil.rmtree(source)
        package, = folder.glob('there/lib/python*/site-packages/hpcdirect')
        share = folder / 'there' / 'share' / 'hpcdirect'
        for part, there in (('hpcdirect', package),
                            ('blueprints', share / 'blueprints'),
                            ('elements', share / 'elements')):
            self.assertEqual([], [str(path) for path in sorted(wanted[part])
                                  if not (there / path).is_file()])
        said = subprocess.run(
            [sys.executable, '-P', '-c',
             'import hpcdirect; print(hpcdirect.__file__)'], check=True,
            cwd=folder, capture_output=True, text=True,
            env={'PYTHONPATH': str(package.parent)}).stdout
        self.assertEqual(str(package / '__init__.py'), said.strip())
