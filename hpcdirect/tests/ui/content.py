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

"""The tree's blueprints and elements, for machines that are not there.

    python -m hpcdirect.tests.ui.content FOLDER

The same in all that a page shows; machines come from the fake backend, and
layers go on by the fake runner, which takes as long as the parameter
``seconds`` says and fails where ``failing`` says so.
"""

import pathlib
import shutil
import sys

import yaml

_TREE = pathlib.Path(__file__).parents[3]
_SECONDS = {'type': 'number', 'title': 'Seconds', 'default': 0, 'minimum': 0,
            'description': 'How long each step takes.',
            'x-group': 'For tests', 'x-advanced': True}
_FAILING = {'type': 'array', 'title': 'Failing nodes', 'default': [],
            'items': {'type': 'string'},
            'description': 'Nodes on which MUNGE fails.',
            'x-group': 'For tests', 'x-advanced': True}


def main() -> None:
    """Copy both, and say in each who does the work."""
    folder = pathlib.Path(sys.argv[1])
    for kind in ('blueprints', 'elements'):
        shutil.copytree(_TREE / kind, folder / kind, dirs_exist_ok=True)
    for path in folder.glob('elements/*/element.yaml'):
        document = yaml.safe_load(path.read_text())
        document['runner'] = 'fake'
        document['parameters']['properties'] |= {
            'fake_delay': _SECONDS, 'fake_fail': _FAILING}
        path.write_text(yaml.safe_dump(document, sort_keys=False))
    for path in folder.glob('blueprints/*/blueprint.yaml'):
        document = yaml.safe_load(path.read_text())
        document['parameters']['properties'] |= {
            'seconds': _SECONDS, 'failing': _FAILING}
        for use in document['elements']:
            use['variables'] = use.get('variables', {}) | {
                'fake_delay': {'parameter': 'seconds'}}
            if use['name'] == 'munge':
                use['variables']['fake_fail'] = {'parameter': 'failing'}
        document['infrastructure']['fake'] = {
            'groups': {name: {} for name in document['node_groups']}}
        path.write_text(yaml.safe_dump(document, sort_keys=False))


if __name__ == '__main__':
    main()
