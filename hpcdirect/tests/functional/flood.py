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

"""A blueprint whose one element makes the fake runner tell many events."""

import yaml

_EVENTS = {'type': 'object', 'properties': {
    'rate': {'type': 'number', 'exclusiveMinimum': 0},
    'count': {'type': 'integer', 'minimum': 0},
    'until': {'type': 'string'}}}
ELEMENT = {
    'name': 'flood', 'version': '1.0.0', 'label': 'Flood',
    'description': 'Tells many events.', 'runner': 'fake',
    'parameters': {'type': 'object', 'additionalProperties': False,
                   'properties': {'fake_events': _EVENTS}},
}
BLUEPRINT = {
    'name': 'flood', 'version': '1.0.0', 'label': 'Flood',
    'description': 'Many events.',
    'parameters': {
        'type': 'object', 'additionalProperties': False, 'properties': {
            'count': {'type': 'integer', 'default': 1},
            'events': {**_EVENTS, 'default': {'rate': 1, 'count': 0}}}},
    'node_groups': {'node': {'count': {'parameter': 'count'},
                             'min_count': 1, 'max_count': 64}},
    'login': 'node',
    'infrastructure': {'fake': {'groups': {'node': {'delay': 0}}}},
    'elements': [{'name': 'flood', 'variables': {
        'fake_events': {'parameter': 'events'}}}],
}


def write(folder):
    """The element and the blueprint, below a folder."""
    element = folder / 'elements' / 'flood'
    blueprint = folder / 'blueprints' / 'flood'
    for place in (element, blueprint):
        place.mkdir(parents=True)
    (element / 'element.yaml').write_text(yaml.safe_dump(ELEMENT))
    (blueprint / 'blueprint.yaml').write_text(yaml.safe_dump(BLUEPRINT))
    for verb in ('apply', 'revert', 'verify'):
        (element / f'{verb}.yaml').write_text('- hosts: flood_node\n')
