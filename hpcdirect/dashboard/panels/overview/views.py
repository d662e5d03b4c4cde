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

"""How everything stands, at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from hpcdirect.client import proxy
from hpcdirect.dashboard import pages


def _shown(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {'summary': summary,
            'total': sum(summary['clusters'].values()),
            'counts': list(summary['clusters'].items())}


class Index(pages.Page):
    """Counts, what needs somebody, what goes on, what happened."""

    template_name = 'hpcdirect/overview.html'
    page_title = _('Clusters at a glance')

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        return _shown(hpc.summary())


class Poll(pages.Poll):
    """The same again."""

    def answer(self, hpc: proxy.Proxy, **words: Any) -> dict[str, Any]:
        summary = hpc.summary()
        return {'fragments': {'hpc-overview': pages.fragment(
                    '_overview', _shown(summary))},
                'wait': 2 if summary['busy'] else 10}


class Capacity(pages.Poll):
    """What could be had now; asked for apart, since clouds are slow."""

    def answer(self, hpc: proxy.Proxy, **words: Any) -> dict[str, Any]:
        return {'fragments': {'hpc-capacity': pages.fragment(
                    '_capacity', hpc.capacity())},
                'wait': 60}
