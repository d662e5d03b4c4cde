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

"""The numbers of a cluster over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from hpcdirect.client import proxy
from hpcdirect.dashboard import pages

#: Seconds -> how a stretch of time is called.
RANGES = {3600: _('1 hour'), 6 * 3600: _('6 hours'), 86400: _('1 day'),
          7 * 86400: _('7 days'), 15 * 86400: _('15 days')}
#: Above so many nodes a line for each tells nothing.
_LINES = 12
_POINTS = 240


def _stretch(asked: Mapping[str, str]) -> int:
    seconds = asked.get('seconds', '')
    return int(seconds) if seconds.isdecimal() and int(seconds) in RANGES \
        else 3600


class Monitoring(pages.Page):
    """Which numbers there are, and why some are not; a script draws them."""

    template_name = 'hpcdirect/monitoring.html'

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        cluster = hpc.get_cluster(words['cluster'])
        metrics = hpc.metrics(cluster['id'])['metrics']
        count = sum(group['count'] for group in cluster['node_groups'])
        return {
            'cluster': cluster, 'tab': 'monitoring',
            'page_title': cluster['name'],
            'may': cluster['allowed']['update'] == '',
            'there': [one for one in metrics if not one['needs']],
            'missing': dict.fromkeys(
                need for one in metrics for need in one['needs']),
            'ranges': RANGES.items(),
            'stretch': _stretch(self.request.GET),
            'by': 'node' if count <= _LINES else 'group'}


class Numbers(pages.Poll):
    """The numbers themselves, all in one answer."""

    def answer(self, hpc: proxy.Proxy, **words: Any) -> dict[str, Any]:
        asked = self.request.GET
        found = hpc.metrics(
            words['cluster'], names=asked.get('names', ''),
            seconds=_stretch(asked), points=_POINTS,
            by='group' if asked.get('by') == 'group' else 'node')
        return {'numbers': found, 'wait': 15, 'fragments': {
            'hpc-done': pages.fragment('_done', found)}}
