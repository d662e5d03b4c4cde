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

"""What element.yaml and blueprint.yaml may say: JSON Schema, 2020-12."""

from __future__ import annotations

from hpcdirect.jsontypes import Object

_DIALECT = 'https://json-schema.org/draft/2020-12/schema'
_NAME = '^[a-z][a-z0-9-]*$'

name: Object = {
    'type': 'string', 'pattern': _NAME, 'maxLength': 40,
    'description': 'small letters, digits and dashes, a letter first'}
version: Object = {
    'type': 'string', 'pattern': r'^[0-9]+(\.[0-9]+){0,3}$',
    'description': 'numbers and dots, such as 1.2.0'}
text: Object = {'type': 'string', 'minLength': 1, 'maxLength': 2000}
names: Object = {
    'type': 'array', 'items': name, 'uniqueItems': True}
parameters: Object = {
    'type': 'object',
    'description': 'JSON Schema of an object, with titles and defaults.',
    'properties': {
        'type': {'const': 'object'},
        'additionalProperties': {'const': False},
        'properties': {
            'type': 'object',
            'propertyNames': {
                'pattern': '^[a-z][a-z0-9_]*$',
                'description': 'small letters, digits and underscores'}}},
    'required': ['type', 'additionalProperties']}
watches: Object = {
    'type': 'array', 'items': {'type': 'string'}, 'uniqueItems': True,
    'description': 'ROLE.FACT whose change applies this role again.'}
scope: Object = {
    'enum': ['node', 'cluster'],
    'description': 'cluster: exactly one node plays it.'}
parameter_wire: Object = {
    'type': 'object', 'description': "Wire to one of the blueprint's own.",
    'properties': {'parameter': {'type': 'string'}},
    'required': ['parameter'], 'additionalProperties': False}

role: Object = {
    'type': ['object', 'null'],
    'properties': {
        'scope': scope, 'watches': watches,
        'parameters': {
            'type': 'array', 'uniqueItems': True,
            'items': {'type': 'string'},
            'description': 'Parameters whose change is for this role; all '
            'of them when it is left out.'}},
    'additionalProperties': False}
secret: Object = {
    'type': ['object', 'null'],
    'properties': {
        'kind': {'enum': ['random', 'password', 'ssh-ca']},
        'bytes': {'type': 'integer', 'minimum': 8, 'maximum': 4096}},
    'additionalProperties': False}
exporter: Object = {
    'type': 'object',
    'properties': {
        'port': {'type': 'integer', 'minimum': 1, 'maximum': 65535},
        'roles': {**names, 'minItems': 1, 'description': 'Whose nodes have '
                  'it; default all of the element.'}},
    'required': ['port'],
    'additionalProperties': False}
trial: Object = {
    'type': 'object',
    'properties': {
        'parameters': {'type': 'object',
                       'description': 'Its parameters in a trial.'},
        'roles': {
            'type': 'object',
            'additionalProperties': {
                'type': 'array', 'minItems': 1, 'uniqueItems': True,
                'items': {'enum': ['head', 'compute']}},
            'description': 'Role -> groups of the trial\'s nodes.'},
        'with': {**names, 'description': 'Elements it is tried on top of, '
                 'besides those it requires.'},
        'volumes': {
            'type': 'object', 'propertyNames': name,
            'additionalProperties': {'type': 'string', 'pattern': '^/.',
                                     'description': 'an absolute path'},
            'description': 'Name -> mount point of what all nodes share.'},
        'state': {'type': 'array', 'uniqueItems': True,
                  'items': {'type': 'string', 'pattern': '^/.'},
                  'description': 'Paths it writes by itself while it '
                  'stands; not held against what is tried on top of it.'}},
    'additionalProperties': False}

element: Object = {
    '$schema': _DIALECT,
    'title': 'element.yaml',
    'type': 'object',
    'properties': {
        'name': name,
        'version': version,
        'label': text,
        'description': text,
        'runner': {**name, 'description': 'Who carries it out.'},
        'parameters': parameters,
        'requires': {**names, 'description': 'Elements that must stand on '
                     'the same nodes before this one.'},
        'conflicts': {**names, 'description': 'Elements that must not be in '
                      'the same blueprint.'},
        'needs': {'enum': ['node', 'cluster'],
                  'description': 'What must answer before it can begin.'},
        'roles': {'type': 'object', 'propertyNames': name,
                  'additionalProperties': role, 'minProperties': 1},
        'scope': scope,
        'watches': watches,
        'secrets': {'type': 'object', 'additionalProperties': secret,
                    'propertyNames': {'pattern': '^[a-z][a-z0-9_]*$'}},
        'accounts': {'type': 'string', 'description': 'The parameter that '
                     'takes people\'s accounts: a list of objects.'},
        'system_accounts': {
            'type': 'array', 'uniqueItems': True,
            'items': {'type': 'string', 'pattern': '^[a-z_][a-z0-9_-]*$'},
            'description': 'Users and groups that its packages make; no '
                           'person may have such a name.'},
        'drain_with': {**names, 'description': 'Roles that take part in '
                       'drain and resume besides the nodes that leave.'},
        'rolling': {'type': 'boolean', 'description': 'Whether nodes are '
                    'drained before it is changed or taken off there.'},
        'data': {'type': 'array', 'uniqueItems': True,
                 'items': {'type': 'string', 'pattern': '^/.'},
                 'description': 'Paths that survive a revert.'},
        'outputs': {'type': 'object',
                    'propertyNames': {'pattern': '^[a-z][a-z0-9_]*$'},
                    'description': '{role, fact} or a plain value.'},
        'exporters': {'type': 'object', 'propertyNames': name,
                      'additionalProperties': exporter,
                      'description': 'Where it gives numbers to Prometheus: '
                      'at /metrics of a port of the node\'s address.'},
        'trial': {**trial, 'description': 'How it is to be tried out.'},
    },
    'required': ['name', 'version', 'label', 'description'],
    # Roles carry their own scope and watches.
    'dependentSchemas': {'roles': {
        'properties': {'scope': {'not': {}}, 'watches': {'not': {}}}}},
    'additionalProperties': False,
}

_left: Object = {
    'type': 'object',
    'additionalProperties': {'type': 'array', 'items': {'type': 'string'}}}
grade: Object = {
    '$schema': _DIALECT,
    'title': 'grade.yaml',
    'type': 'object',
    'properties': {
        'grade': {'enum': ['A', 'C', 'D']},
        'digest': {'type': 'string', 'pattern': '^[0-9a-f]{64}$'},
        'left': {**_left, 'description': 'Role -> what stays.'},
        'data': {'type': 'array', 'items': {'type': 'string'}},
        'nodes': {'type': 'object',
                  'additionalProperties': {'type': 'integer'}},
        'elements': {'type': 'array', 'items': {'type': 'string'}},
        'parameters': {'type': 'object'},
        'seconds': {'type': 'object',
                    'additionalProperties': {'type': 'number'}},
        'packages': {'type': 'integer', 'minimum': 0},
        'mib': {'type': 'number', 'minimum': 0},
        'operating_system': {'type': 'string'},
        'tested_at': {'type': 'string'},
    },
    'required': ['grade', 'digest'],
    'additionalProperties': False,
}

node_group: Object = {
    'type': 'object',
    'properties': {
        'label': text,
        'count': {'anyOf': [{'type': 'integer', 'minimum': 0},
                            parameter_wire]},
        'min_count': {'type': 'integer', 'minimum': 0},
        'max_count': {'type': 'integer', 'minimum': 1, 'maximum': 100000},
        'max_unavailable': {
            'anyOf': [{'type': 'integer', 'minimum': 1},
                      {'type': 'string',
                       'pattern': '^([1-9][0-9]?|100)%$',
                       'description': 'a share like 25%'}],
            'description': 'How many may be out of service at once.'}},
    'additionalProperties': False}
volume: Object = {
    'type': 'object',
    'properties': {
        'mount': {'type': 'string', 'pattern': '^/.',
                  'description': 'an absolute path'},
        'groups': {**names, 'minItems': 1}},
    'required': ['mount', 'groups'],
    'additionalProperties': False}
element_use: Object = {
    'type': 'object',
    'properties': {
        'name': {'type': 'string',
                 'description': 'Name, or name@version.'},
        'roles': {'type': 'object',
                  'additionalProperties': {**names, 'minItems': 1},
                  'description': 'Role -> node groups.'},
        'groups': {**names, 'minItems': 1,
                   'description': 'Of an element without roles; default '
                   'all groups.'},
        'variables': {'type': 'object',
                      'description': "Parameter of the element -> value, "
                      "{parameter: X} or {output: ELEMENT.NAME}."},
        'when': parameter_wire},
    'required': ['name'],
    'dependentSchemas': {'roles': {
        'properties': {'groups': {'not': {}}}}},
    'additionalProperties': False}

_wire: Object = {
    'description': 'a wire: {parameter: X} or {output: ELEMENT.NAME}',
    'type': 'object', 'minProperties': 1, 'maxProperties': 1,
    'properties': {'parameter': {'type': 'string'},
                   'output': {'type': 'string'}},
    'additionalProperties': False}
output: Object = {
    'type': 'object',
    'properties': {
        'title': {'type': 'string', 'minLength': 1, 'maxLength': 80},
        'description': text,
        'kind': {'enum': ['url', 'command', 'text']},
        'value': {**text, 'description': 'Text with $NAME for what "with" '
                  'names.'},
        'with': {'type': 'object', 'additionalProperties': _wire,
                 'propertyNames': {
                     'pattern': '^[a-z][a-z0-9_]*$',
                     'description': 'small letters, digits and '
                     'underscores'},
                 'description': 'NAME -> wire.'},
        'when': _wire},
    'required': ['title', 'kind', 'value'],
    'additionalProperties': False}

#: What is looked at before a blueprint is merged into the one that it is made
#: from. All else is held to the schema of a blueprint then.
composed: Object = {
    '$schema': _DIALECT,
    'title': 'blueprint.yaml that is made from another one',
    'type': 'object',
    'properties': {
        'from': {
            'type': 'string',
            'pattern': r'^[a-z][a-z0-9-]*@[0-9]+(\.[0-9]+){0,3}$',
            'description': 'a blueprint and its version, such as slurm@1 or '
            'slurm@1.0.0'},
        'elements': {
            'type': ['array', 'null'],
            'items': {
                'type': 'object',
                'properties': {'name': {'type': 'string'}, 'before': name,
                               'remove': {'const': True}},
                'required': ['name'],
                'dependentSchemas': {'remove': {
                    'propertyNames': {'enum': ['name', 'remove']}}}}}},
    'required': ['from'],
}

blueprint: Object = {
    '$schema': _DIALECT,
    'title': 'blueprint.yaml',
    'type': 'object',
    'properties': {
        'name': name,
        'version': version,
        'label': text,
        'description': text,
        'parameters': parameters,
        'node_groups': {'type': 'object', 'propertyNames': name,
                        'additionalProperties': node_group,
                        'minProperties': 1},
        'login': {**name, 'description': 'Group whose first node people '
                  'log in to; default the first group.'},
        'infrastructure': {
            'type': 'object', 'minProperties': 1, 'propertyNames': name,
            'description': 'Backend -> its own section.',
            'additionalProperties': {
                'type': 'object',
                'properties': {
                    'template': {
                        'type': 'string',
                        'pattern': r'^[A-Za-z0-9._-]+\.yaml$',
                        'description': 'A YAML file beside this one.'},
                    'groups': {
                        'type': 'object',
                        'additionalProperties': {'type': 'object'}}}}},
        'volumes': {'type': 'object', 'propertyNames': name,
                    'additionalProperties': volume},
        'elements': {'type': 'array', 'items': element_use},
        'fields': {**names, 'maxItems': 10, 'description': 'What it is for, '
                   'such as genomics; people find it by them.'},
        'outputs': {'type': 'object', 'propertyNames': {
            'pattern': '^[a-z][a-z0-9_]*$',
            'description': 'small letters, digits and underscores'},
            'maxProperties': 50, 'additionalProperties': output,
            'description': 'What people can open, type or want to know.'},
    },
    'required': ['name', 'version', 'label', 'description', 'node_groups',
                 'infrastructure'],
    'additionalProperties': False,
}
