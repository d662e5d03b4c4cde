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

"""Every route says what it takes and what it gives."""

import jsonschema
import testtools

from hpcdirect import policies
from hpcdirect.tests.functional.api import Api


class SchemaTests(testtools.TestCase):
    """A route without schemas fails here, not in a review."""

    def setUp(self):
        super().setUp()
        api = self.useFixture(Api())
        from hpcdirect.api.controllers.root import Root
        self.routes = list(Root(api.services).walk())

    def test_every_route_has_schemas(self):
        for path, verb, method in self.routes:
            said = getattr(method, 'schemas', None)
            self.assertIsNotNone(said, f'{verb} {path}: no schemas')
            if verb in ('post', 'patch'):
                self.assertIsNotNone(said.body, f'{verb} {path}: no body')
            self.assertTrue(method.__doc__, f'{verb} {path}: no docstring')

    def test_schemas_are_schemas_and_closed(self):
        for path, verb, method in self.routes:
            for schema in (method.schemas.query, method.schemas.body,
                           method.schemas.response):
                if schema is not None:
                    jsonschema.Draft202012Validator.check_schema(schema)
            for schema in (method.schemas.query, method.schemas.body):
                if schema is not None:
                    self.assertIs(False, schema['additionalProperties'],
                                  f'{verb} {path} is not closed')

    def test_everything_is_described(self):
        def walk(schema, where):
            for name, inner in schema.get('properties', {}).items():
                self.assertTrue(
                    inner.get('description') or inner.get('enum'),
                    f'{where}.{name} is not described')
                walk(inner, f'{where}.{name}')
            if isinstance(schema.get('items'), dict):
                walk(schema['items'], f'{where}[]')

        for path, verb, method in self.routes:
            for schema in (method.schemas.query, method.schemas.body,
                           method.schemas.response):
                walk(schema or {}, f'{verb} {path}: $')

    def test_every_route_is_in_a_rule(self):
        said = {(one['method'].lower(), one['path'].partition('?')[0])
                for rule in policies.list_rules()
                for one in getattr(rule, 'operations', ())}
        for path, verb, method in self.routes:
            if not method.schemas.public:
                self.assertIn((verb, path), said)
