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

One blueprint more, "hostile", says in each place where a text may stand what a
page must not obey (:data:`HOSTILE`); "endless" is the same, and its nodes tell
lines that do not end (:data:`ENDLESS`).
"""

import pathlib
import shutil
import sys

import yaml

from hpcdirect.blueprints import validate

_TREE = pathlib.Path(__file__).parents[3]
_SECONDS = {'type': 'number', 'title': 'Seconds', 'default': 0, 'minimum': 0,
            'description': 'How long each step takes.',
            'x-group': 'For tests', 'x-advanced': True}
_FAILING = {'type': 'array', 'title': 'Failing nodes', 'default': [],
            'items': {'type': 'string'},
            'description': 'Nodes on which MUNGE fails.',
            'x-group': 'For tests', 'x-advanced': True}

#: What people and blueprints may write, and browsers must not run.
HOSTILE = (
    '<script>window.pwned=1</script><img src=x onerror="window.pwned=1">'
    '{$ constructor.constructor("window.pwned=1")() $}{{ 7*7 }}'
    "'\"><svg/onload=window.pwned=1>")
#: What a terminal or a reader would be led astray by, and how it is shown up
#: to the NUL: a column of text keeps it as "?", one of JSON as it is.
ASTRAY = '\u202egnp.exe \x1b[31mred\x1b]0;title\x07\x00 end'
ASTRAY_SHOWN = '<U+202E>gnp.exe <U+001B>[31mred<U+001B>]0;title<U+0007>'
#: As long as a line of a run can be; see runners/ansible/worker.py.
ENDLESS = 'endless ' * 8192
_README = """\
Hostile
=======

{words}

`a link <javascript:window.pwned=1>`_

.. raw:: html

   <script>window.pwned=1</script>

.. include:: /etc/passwd
"""


def _hostile(folder: pathlib.Path, called: str, said: str) -> None:
    """Write a blueprint whose every text is hostile.

    :param called: its name, and that of its element.
    :param said: what is told of each of its nodes.
    """
    blueprint = yaml.safe_load(
        (folder / 'blueprints/single/blueprint.yaml').read_text())
    element = yaml.safe_load(
        (folder / 'elements/monitoring/element.yaml').read_text())
    place = folder / 'elements' / called
    shutil.copytree(folder / 'elements/monitoring', place,
                    dirs_exist_ok=True)
    (place / 'grade.yaml').unlink(missing_ok=True)

    def text(**more: object) -> dict[str, object]:
        return {'type': 'string', 'title': HOSTILE[:80],
                'description': HOSTILE, **more}

    element |= {'name': called, 'label': HOSTILE, 'description': HOSTILE,
                'exporters': {}}
    element['parameters']['properties'] |= {
        'fake_say': text(), 'words': text()}
    (place / 'element.yaml').write_text(yaml.safe_dump(element))
    place = folder / 'blueprints' / called
    shutil.copytree(folder / 'blueprints/single', place, dirs_exist_ok=True)
    blueprint |= {'name': called, 'label': HOSTILE,
                  'description': HOSTILE}
    blueprint['node_groups']['node']['label'] = HOSTILE
    parameters = blueprint['parameters']['properties']
    parameters |= {
        'words': text(default=HOSTILE, **{'x-group': HOSTILE[:40]}),
        'choice': text(enum=[HOSTILE, 'fine'], default=HOSTILE),
        'list': {'type': 'array', 'title': HOSTILE[:80], 'items': text(),
                 'default': [HOSTILE]}}
    blueprint['elements'].append({'name': called, 'variables': {
        'fake_say': said, 'words': {'parameter': 'words'},
        'fake_fail': {'parameter': 'failing'},
        'fake_delay': {'parameter': 'seconds'}}})
    blueprint['outputs'] = {'words': {
        'title': HOSTILE[:80], 'description': HOSTILE, 'kind': 'text',
        'value': '$words', 'with': {'words': {'parameter': 'words'}}}}
    (place / 'blueprint.yaml').write_text(yaml.safe_dump(blueprint))
    (place / 'README.rst').write_text(_README.format(words=HOSTILE))


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
    for source in sorted(_TREE.glob('blueprints/*/blueprint.yaml')):
        one = validate.read_blueprint(source.parent)
        path = folder / 'blueprints' / one.name / source.name
        for name, text in one.files.items():
            (path.parent / name).write_text(text)
        document = one.source.data  # whole: what each says is changed
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
    _hostile(folder, 'hostile', HOSTILE + ASTRAY)
    _hostile(folder, 'endless', HOSTILE + ENDLESS)


if __name__ == '__main__':
    main()
