#!/usr/bin/env python3
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

import pathlib

import setuptools

_PORTAL = pathlib.Path('hpcdirect/dashboard')

setuptools.setup(
    setup_requires=['pbr>=7.0.0'], pbr=True,
    # pbr asks git for these; a source tree without it has them, too.
    package_data={'': ['*.sh', '*.mako'], 'hpcdirect.dashboard': [
        str(path.relative_to(_PORTAL)) for path in _PORTAL.rglob('*')
        if path.is_file() and path.suffix not in ('.py', '.pyc')]})
