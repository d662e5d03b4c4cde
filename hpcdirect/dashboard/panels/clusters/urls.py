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

from django.urls import path

from hpcdirect.dashboard.panels.clusters import changes
from hpcdirect.dashboard.panels.clusters import monitoring
from hpcdirect.dashboard.panels.clusters import views

urlpatterns = [
    path('', views.Index.as_view(), name='index'),
    path('rows', views.Rows.as_view(), name='rows'),
    path('<hpc:cluster>/', views.Detail.as_view(), name='detail'),
    path('<hpc:cluster>/gone', views.Gone.as_view(), name='gone'),
    path('<hpc:cluster>/live', views.Live.as_view(), name='live'),
    path('<hpc:cluster>/act', views.Act.as_view(), name='act'),
    path('<hpc:cluster>/delete', views.Delete.as_view(), name='delete'),
    path('<hpc:cluster>/nodes', changes.Nodes.as_view(), name='nodes'),
    path('<hpc:cluster>/layers', changes.Layers.as_view(), name='layers'),
    path('<hpc:cluster>/users', changes.Users.as_view(), name='users'),
    path('<hpc:cluster>/users/table', changes.UserTable.as_view(),
         name='user_table'),
    path('<hpc:cluster>/history', changes.History.as_view(), name='history'),
    path('<hpc:cluster>/compare', changes.Compare.as_view(), name='compare'),
    path('<hpc:cluster>/settings', changes.Settings.as_view(),
         name='settings'),
    path('<hpc:cluster>/plan', changes.PlanPage.as_view(), name='plan'),
    path('<hpc:cluster>/apply', changes.Apply.as_view(), name='apply'),
    path('<hpc:cluster>/label', changes.Label.as_view(), name='label'),
    path('<hpc:cluster>/monitoring', monitoring.Monitoring.as_view(),
         name='monitoring'),
    path('<hpc:cluster>/numbers', monitoring.Numbers.as_view(),
         name='numbers'),
]
