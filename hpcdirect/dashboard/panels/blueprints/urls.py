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

from hpcdirect.dashboard.panels.blueprints import views

urlpatterns = [
    path('', views.Index.as_view(), name='index'),
    path('<hpc:blueprint>/', views.Detail.as_view(), name='detail'),
    path('<hpc:blueprint>/launch', views.Launch.as_view(), name='launch'),
    path('<hpc:blueprint>/review', views.Review.as_view(), name='review'),
    # Last, since a blueprint may be called so.
    path('choices/<hpc:source>', views.Choices.as_view(), name='choices'),
]
