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

"""How the service itself does, and the clusters of all projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from hpcdirect.client import proxy
from hpcdirect.dashboard import pages
from hpcdirect.dashboard.panels.clusters import views as clusters


class Index(pages.Page):
    """Whose work does not go on, and the processes of the service."""

    template_name = 'hpcdirect/admin.html'
    page_title = _('The service for clusters')

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        return {'operator': True, 'stalls': hpc.stalls(),
                'services': hpc.read('/services')['services']}


class Leftovers(pages.Poll):
    """What clouds have of clusters that are no more; clouds are slow."""

    def answer(self, hpc: proxy.Proxy, **words: Any) -> dict[str, Any]:
        return {'fragments': {'hpc-leftovers': pages.fragment(
                    '_leftovers', {'backends': hpc.leftovers()})},
                'wait': 0}


class Clusters(pages.Page):
    """The clusters of all projects."""

    template_name = 'hpcdirect/clusters.html'
    page_title = _('Clusters of all projects')

    def load(self, hpc: proxy.Proxy, **words: Any) -> Mapping[str, Any]:
        return {**clusters.listed(hpc, self.request.GET, all_projects='true'),
                'operator': True, 'everywhere': True,
                'statuses': clusters.STATUSES}
