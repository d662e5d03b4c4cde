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

"""What all templates of the portal keep to."""

import pathlib
import re

from django.template import base
from django.template import engines
from django.templatetags import i18n
import testtools

from hpcdirect import dashboard
from hpcdirect.dashboard.templatetags import hpc

FOLDER = pathlib.Path(dashboard.__file__).parent / 'templates/hpcdirect'
#: Filters and variables that give markup of ours, or numbers.
_SAFE = {'exact', 'state', 'standing', 'term', 'shape', 'seconds', 'when',
         'since',
         'plain', 'nodes', 'link', 'icon', 'urlencode', 'length', 'fits',
         'default'}
_OURS = {'block.super', 'readme', 'picture', 'forloop.counter',
         'step.done', 'step.nodes',
         'count', 'n', 'total', 'shown', 'up', 'all', 'one.free',
         'one.after', 'one.limit', 'one.uid', 'one.generation', 'one.pid',
         'again.generation',
         'type.free', 'type.total', 'event.id',
         'one.nodes.done', 'one.nodes.wanted', 'one.in_use', 'one.out',
         'summary.nodes.total'}


def variables(nodelist):
    """All variables that a template shows."""
    for node in nodelist.get_nodes_by_type(base.VariableNode):
        yield node.filter_expression
    for node in nodelist.get_nodes_by_type(i18n.BlockTranslateNode):
        yield from node.extra_context.values()
        if node.counter is not None:
            yield node.counter
        for token in (*node.singular, *node.plural):
            if token.token_type == base.TokenType.VAR and token.contents \
                    not in {*node.extra_context, node.countervar}:
                yield base.FilterExpression(token.contents, base.Parser([]))


class TemplatesTest(testtools.TestCase):
    """Text of others reaches a page by one filter alone."""

    def test_all_that_is_shown_is_escaped_to_the_letter(self):
        wrong = []
        for path in sorted(FOLDER.glob('*.html')):
            found = engines['django'].from_string(
                re.sub(r'{%\s*(extends|include)[^%]*%}', '',
                       path.read_text()))
            for shown in variables(found.template.nodelist):
                filters = [function.__name__ for function, _ in
                           shown.filters]
                if not ((filters and filters[-1] in _SAFE)
                        or shown.token in _OURS):
                    wrong.append(f'{path.name}: {shown.token}')
        self.assertEqual([], wrong)

    def test_nothing_of_ours_stands_where_angular_runs(self):
        for path in sorted(FOLDER.glob('*.html')):
            text = path.read_text()
            blocks = set(re.findall(r'{% block (\w+) %}', text))
            if path.name == 'base.html':
                for name in ('breadcrumb_nav', 'page_header', 'main'):
                    begun = text.split(f'{{% block {name} %}}')[1]
                    self.assertIn('ng-non-bindable',
                                  begun.strip().splitlines()[0], name)
            else:
                self.assertLessEqual(blocks, {
                    'hpc', 'hpc_crumbs', 'hpc_tab', 'hpc_head'}, path.name)

    def test_no_style_and_no_script_in_a_page(self):
        for path in sorted(FOLDER.glob('*.html')):
            self.assertNotRegex(path.read_text(),
                                r'style=|<script(?! defer src="{% static)'
                                r'|\son\w+=', path.name)


class WordsTest(testtools.TestCase):
    """How times and states are told."""

    def test_seconds(self):
        for value, said in ((None, ''), (0.04, '0.0 s'), (9.94, '9.9 s'),
                            (53, '53 s'), (119.6, '2 min'), (3599, '59 min'),
                            (7500, '2 h 5 min'), (273600, '3 d 4 h')):
            self.assertEqual(said, hpc.seconds(value))

    def test_a_time_that_is_none(self):
        for value in (None, '', 'soon', '2026-13-01T00:00:00Z', 7):
            self.assertEqual('', hpc.when(value))
            self.assertEqual('', hpc.until(value))

    def test_a_state_that_nobody_knows(self):
        self.assertIn('&lt;b&gt;', hpc.state('<b>'))
        self.assertNotIn('<b>', hpc.shape('<b>'))

    def test_where_a_link_leads(self):
        self.assertEqual('javascript:alert(1)',
                         hpc.link('javascript:alert(1)'))
        self.assertIn('href="https://a/?x=&quot;"',
                      hpc.link('https://a/?x="'))

    def test_how_to_log_in(self):
        at = {'node': 'head-0', 'address': '192.0.2.1', 'port': 22, 'via': ''}
        self.assertEqual('ssh 192.0.2.1', hpc.login(
            {'name': 'a', 'login': at}))
        self.assertEqual('ssh -p 2222 192.0.2.1', hpc.login(
            {'name': 'a', 'login': {**at, 'port': 2222}}))
        for none in (None, {**at, 'address': ''}, {**at, 'via': 'x'}):
            self.assertEqual('openstack hpc cluster ssh a', hpc.login(
                {'name': 'a', 'login': none}))
