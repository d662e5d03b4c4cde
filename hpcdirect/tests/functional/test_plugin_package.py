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

"""A distribution of somebody else's is installed and used."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import fixtures
import testtools

PACKAGE = pathlib.Path(__file__).with_name('plugin_package')
ROOT = pathlib.Path(__file__).resolve().parents[3]

#: Run where the distribution is on the path; says what it found.
PROGRAM = '''
import importlib.metadata, json, sys
from oslo_config import cfg
from hpcdirect.backends import base as backends
from hpcdirect.runners import base as runners
from hpcdirect.sources import catalogue
from hpcdirect.sources import package

source = package.PackageSource(cfg.ConfigOpts())
found = catalogue.Catalogue([source])
imported = 'weather_hpc' in sys.modules
plugins = {}
for kind, base in (('backends', backends.Backend),
                   ('runners', runners.ElementRunner)):
    entry, = importlib.metadata.entry_points(
        group=f'hpcdirect.{kind}', name='weather')
    plugins[kind] = isinstance(entry.load()(None), base)
tiny = found.blueprint('tiny')
print(json.dumps({
    'ref': tiny.ref, 'readme': tiny.readme, 'imported': imported,
    'elements': [use.element.name for use in tiny.elements],
    'can': [verb for verb in ('apply', 'revert', 'verify')
            if found.element('greeting').can(verb)],
    'problems': len(found.problems()), 'plugins': plugins}))
'''


class PluginPackageTest(testtools.TestCase):

    def install(self):
        top = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        # setuptools builds where the source is; ours stays clean.
        source = shutil.copytree(PACKAGE, top / 'source')
        target = top / 'target'
        subprocess.run(
            [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps',
             '--no-build-isolation', '--no-index',
             '--disable-pip-version-check', '--target', str(target),
             str(source)], check=True, capture_output=True, text=True)
        return target

    def test_installed_and_used(self):
        target = self.install()
        done = subprocess.run(
            [sys.executable, '-c', PROGRAM], text=True, check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, 'PYTHONPATH': f'{target}:{ROOT}'})
        self.assertEqual(
            {'ref': 'tiny@0.1.0', 'readme': 'One machine that greets.\n',
             'imported': False, 'elements': ['greeting'],
             'can': ['apply', 'revert', 'verify'], 'problems': 0,
             'plugins': {'backends': True, 'runners': True}},
            json.loads(done.stdout))
