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

"""Every keyword of JSON Schema, in words of our own."""

import jsonschema
import testtools

from hpcdirect.blueprints import wording

#: Keyword -> a schema with it, and a value that does not fit.
WRONG = {
    'additionalProperties': ({'additionalProperties': {'type': 'string'}},
                             {'a': 1}),
    'anyOf': ({'anyOf': [{'type': 'string'}, {'minimum': 5}]}, 3),
    'const': ({'const': 1}, 2),
    'contains': ({'contains': {'type': 'string'}}, [1]),
    'maxContains': ({'contains': {}, 'maxContains': 1}, [1, 2]),
    'minContains': ({'contains': {'const': 1}, 'minContains': 2}, [1]),
    'dependentRequired': ({'dependentRequired': {'a': ['b', 'c']}},
                          {'a': 1}),
    'dependentSchemas': ({'dependentSchemas': {'a': {'required': ['b']}}},
                         {'a': 1}),
    'enum': ({'enum': ['a', 'b']}, 'c'),
    'exclusiveMaximum': ({'exclusiveMaximum': 1}, 1),
    'exclusiveMinimum': ({'exclusiveMinimum': 1}, 1),
    'format': ({'format': 'time-zone'}, 'Mars/Phobos'),
    'if': ({'if': {'minimum': 1}, 'then': {'maximum': 2},
            'else': False}, 0),
    'items': ({'prefixItems': [{}], 'items': False}, [1, 2]),
    'maxItems': ({'maxItems': 1}, [1, 2]),
    'maxLength': ({'maxLength': 1}, 'ab'),
    'maxProperties': ({'maxProperties': 0}, {'a': 1}),
    'maximum': ({'maximum': 1}, 2),
    'minItems': ({'minItems': 1}, []),
    'minLength': ({'minLength': 1}, ''),
    'minProperties': ({'minProperties': 1}, {}),
    'minimum': ({'minimum': 1}, 0),
    'multipleOf': ({'multipleOf': 2}, 1),
    'not': ({'not': {}}, 1),
    'oneOf': ({'oneOf': [{}, {}]}, 1),
    'pattern': ({'pattern': '^a$'}, 'b'),
    'patternProperties': ({'patternProperties': {'^a': False}}, {'a': 1}),
    'prefixItems': ({'prefixItems': [{'type': 'string'}]}, [1]),
    'properties': ({'properties': {'a': False}}, {'a': 1}),
    'propertyNames': ({'propertyNames': {'pattern': '^a'}}, {'b': 1}),
    'required': ({'required': ['a']}, {}),
    'type': ({'type': ['string', 'null']}, 1),
    'unevaluatedItems': ({'unevaluatedItems': False}, [1]),
    'unevaluatedProperties': ({'unevaluatedProperties': False}, {'a': 1}),
    'uniqueItems': ({'uniqueItems': True}, [1, 1]),
}
#: They give no findings of their own.
SILENT = {'$ref', '$dynamicRef', 'allOf'}


class WordingTest(testtools.TestCase):

    def test_no_words_of_the_library(self):
        for keyword, (schema, value) in WRONG.items():
            theirs = {error.message for error in
                      jsonschema.Draft202012Validator(
                          schema).iter_errors(value)}
            found = list(wording.findings(schema, value))
            self.assertNotEqual([], found, keyword)
            for _, message in found:
                self.assertNotIn(message, theirs, keyword)
                self.assertNotIn('schema', message, keyword)

    def test_no_keyword_is_forgotten(self):
        self.assertEqual(
            set(), set(jsonschema.Draft202012Validator.VALIDATORS)
            - set(WRONG) - SILENT)

    def test_places(self):
        for schema, value, places in (
                (*WRONG['dependentRequired'], {('b',), ('c',)}),
                (*WRONG['propertyNames'], {('b',)})):
            self.assertEqual(places, {
                path for path, _ in wording.findings(schema, value)})

    def test_time_zones(self):
        for name, fits in (('Europe/Berlin', True), ('Etc/UTC', True),
                           ('Mars/Phobos', False), ('Europe', False)):
            found = list(wording.findings({'format': 'time-zone'}, name))
            self.assertEqual(fits, not found, name)
            for _, message in found:
                self.assertIn('tz database, such as Europe/Berlin', message)
