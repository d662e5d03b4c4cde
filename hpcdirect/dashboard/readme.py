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

"""A README as HTML that can do nothing."""

from __future__ import annotations

import re

from django.utils.safestring import SafeString
from django.utils.safestring import mark_safe
from docutils import core
from docutils import nodes
from docutils import utils
from docutils.readers import standalone
from docutils.transforms import Transform

_HARMLESS = re.compile(r'(https?://|mailto:|#)', re.IGNORECASE)
_MOST = 200_000


class _Links(Transform):
    """Takes away links that a browser would run, or that lead nowhere."""

    default_priority = 990

    def apply(self) -> None:
        for link in list(self.document.findall(nodes.reference)):
            if not _HARMLESS.match(link.get('refuri', '#')):
                link.replace_self(nodes.inline('', link.astext()))
        for kind in (nodes.image, nodes.raw, nodes.system_message):
            for node in list(self.document.findall(kind)):
                node.parent.remove(node)


class _Reader(standalone.Reader):
    def get_transforms(self) -> list[type[Transform]]:
        return [*super().get_transforms(), _Links]


def html(text: str) -> SafeString:
    """Its body, headings from the second level on.

    :param text: reStructuredText, of whoever made a blueprint.
    """
    parts = core.publish_parts(
        text[:_MOST], reader=_Reader(), writer_name='html5',
        settings_overrides={
            'raw_enabled': False, 'file_insertion_enabled': False,
            '_disable_config': True, 'halt_level': 5,
            'report_level': utils.Reporter.SEVERE_LEVEL,
            'embed_stylesheet': False, 'initial_header_level': 3,
            'doctitle_xform': False, 'syntax_highlight': 'none',
            'math_output': 'LaTeX'})
    return mark_safe(parts['body'])  # noqa: S308
