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


"""A blueprint whose elements stand on one another, written to a folder.

Each element writes what it was applied with to a file on its nodes, and a
revert takes the file away: what is on a machine is there to be seen.
"""

import copy
import json

import yaml

#: Element -> what its element.yaml says besides the usual.
ELEMENTS = {
    'ground': {},
    'queue': {
        'requires': ['ground'],
        'roles': {'server': {'scope': 'cluster'},
                  'worker': {'watches': ['server.addresses']}},
        'outputs': {'server': {'role': 'server', 'fact': 'address'}},
        'parameters': {'limit': {'type': 'integer', 'default': 1},
                       'home': {'type': 'string', 'default': '/queue',
                                'x-update': 'reapply'}},
    },
    'ledger': {'requires': ['queue'],
               'parameters': {'note': {'type': 'string', 'default': ''}}},
    'gauge': {'parameters': {
        'port': {'type': 'integer', 'default': 9100}}},
    # Not of the blueprint.
    'tool': {'requires': ['ground'], 'conflicts': ['toy'],
             'parameters': {'threads': {'type': 'integer', 'default': 1,
                                        'minimum': 1}}},
    'toy': {'data': ['/srv/toys']},
    'helper': {'requires': ['tool'], 'required': ['word'],
               'parameters': {'word': {'type': 'string'}}},
    'census': {'watches': ['node.names']},
}

BLUEPRINT = {
    'name': 'stacked', 'version': '1.0.0', 'label': 'Stacked',
    'description': 'Elements that stand on one another.',
    'parameters': {
        'type': 'object', 'additionalProperties': False, 'properties': {
            'count': {'type': 'integer', 'default': 2},
            'limit': {'type': 'integer', 'default': 1, 'minimum': 1},
            'home': {'type': 'string', 'default': '/queue'},
            'note': {'type': 'string', 'default': 'n',
                     'x-update': 'reapply'},
            'gauge': {'type': 'boolean', 'default': True},
            'memory': {'type': 'integer', 'default': 256, 'minimum': 256,
                       'maximum': 512, 'x-update': 'replace'},
            'disk': {'type': 'integer', 'default': 1},
            'site': {'type': 'string', 'default': 'here',
                     'x-update': 'fixed',
                     'x-update-reason': 'Everything is addressed by it.'},
        }},
    'node_groups': {
        'head': {'count': 1, 'min_count': 1, 'max_count': 1},
        'worker': {'count': {'parameter': 'count'}, 'min_count': 0,
                   'max_count': 6}},
    'login': 'head',
    'infrastructure': {
        'fake': {'groups': {
            'head': {'delay': 0},
            'worker': {'delay': {'parameter': 'disk'},
                       'packages': {'parameter': 'memory'}}}},
        'local': {'groups': {
            'head': {'memory_mib': 256, 'pids': 256},
            'worker': {'memory_mib': {'parameter': 'memory'},
                       'pids': 256}}}},
    'elements': [
        {'name': 'ground'},
        {'name': 'queue', 'roles': {'server': ['head'],
                                    'worker': ['worker']},
         'variables': {'limit': {'parameter': 'limit'},
                       'home': {'parameter': 'home'}}},
        {'name': 'ledger', 'groups': ['head'],
         'variables': {'note': {'parameter': 'note'}}},
        {'name': 'gauge', 'when': {'parameter': 'gauge'}}],
    'outputs': {
        'queue': {'title': 'The queue', 'kind': 'url',
                  'value': 'http://$server/',
                  'with': {'server': {'output': 'queue.server'}}},
        'site': {'title': 'Site', 'kind': 'text', 'value': '$site',
                 'with': {'site': {'parameter': 'site'}}}},
}

_TASKS = {
    'apply': [{'ansible.builtin.copy': {
        'dest': '/var/lib/stack-NAME', 'mode': '0644',
        'content': '{{ VALUES | to_json }}'}}],
    'revert': [{'ansible.builtin.file': {
        'path': '/var/lib/stack-NAME', 'state': 'absent'}}],
    'verify': [{'ansible.builtin.command': 'cat /var/lib/stack-NAME',
                'changed_when': False}],
}


def write(folder, runner, **more):
    """All of it, for one runner.

    :param more: element -> what its element.yaml says otherwise.
    """
    for name, said in {**ELEMENTS, **more}.items():
        _element(folder / 'elements' / name, name, runner, dict(said))
    place = folder / 'blueprints' / 'stacked'
    place.mkdir(parents=True, exist_ok=True)
    (place / 'blueprint.yaml').write_text(yaml.safe_dump(
        BLUEPRINT, sort_keys=False))


def write_further(folder, runner):
    """What else the catalogue may have: people, and another tool."""
    _element(folder / 'elements' / 'people', 'people', runner, {
        'accounts': 'users', 'parameters': {'users': {
            'type': 'array', 'default': [], 'items': {
                'type': 'object', 'properties': {
                    'name': {'type': 'string'}, 'uid': {'type': 'integer'},
                    'keys': {'type': 'array'}}}}}})
    _element(folder / 'elements' / 'tool@2.0.0', 'tool', runner, {
        **ELEMENTS['tool'], 'version': '2.0.0'})


def respelt(folder):
    """The same in every file, said otherwise."""
    for file in folder.rglob('*.yaml'):
        said = yaml.safe_load(file.read_text())
        if isinstance(said, dict):
            said = dict(reversed(said.items()))
        file.write_text('# as it was\n\n' + json.dumps(said, indent=3) + '\n')


def write_next(folder, runner):
    """Version 1.1.0: another queue, no ledger, and a group of its own.

    Version 1.0.0 says then which queue it means.
    """
    pinned = copy.deepcopy(BLUEPRINT)
    pinned['elements'][1]['name'] = 'queue@1.0.0'
    (folder / 'blueprints' / 'stacked' / 'blueprint.yaml').write_text(
        yaml.safe_dump(pinned, sort_keys=False))
    _element(folder / 'elements' / 'queue@1.1.0', 'queue', runner, {
        **ELEMENTS['queue'], 'version': '1.1.0', 'parameters': {
            **ELEMENTS['queue']['parameters'],
            'depth': {'type': 'integer', 'default': 3}}})
    document = copy.deepcopy(BLUEPRINT)
    document['version'] = '1.1.0'
    properties = document['parameters']['properties']
    del properties['note']
    properties['limit']['maximum'] = 50
    properties['spare'] = {'type': 'integer', 'default': 1}
    document['node_groups']['spare'] = {
        'count': {'parameter': 'spare'}, 'min_count': 0, 'max_count': 2}
    for section in document['infrastructure'].values():
        section['groups']['spare'] = {}
    document['elements'] = [
        one for one in document['elements'] if one['name'] != 'ledger']
    document['elements'][1]['name'] = 'queue@1.1.0'
    place = folder / 'blueprints' / 'stacked@1.1.0'
    place.mkdir(parents=True, exist_ok=True)
    (place / 'blueprint.yaml').write_text(yaml.safe_dump(
        document, sort_keys=False))


def _element(place, name, runner, said):
    place.mkdir(parents=True, exist_ok=True)
    properties = said.pop('parameters', {})
    (place / 'element.yaml').write_text(yaml.safe_dump({
        'name': name, 'version': '1.0.0', 'label': name.capitalize(),
        'description': f'A {name}.', 'runner': runner,
        'parameters': {'type': 'object', 'properties': properties,
                       'required': said.pop('required', []),
                       'additionalProperties': False}, **said},
        sort_keys=False))
    roles = list(said.get('roles', {'node': {}}))
    values = ', '.join(f"'{key}': {key}" for key in properties)
    for verb, tasks in _TASKS.items():
        text = json.dumps(tasks).replace('NAME', name).replace(
            'VALUES', f'{{{values}}}')
        (place / f'{verb}.yaml').write_text(yaml.safe_dump([{
            'name': f'{verb} {name}',
            'hosts': ':'.join(f'{name}_{role}' for role in roles),
            'tasks': [{'name': f'{verb} it', **task}
                      for task in json.loads(text)]}], sort_keys=False))
