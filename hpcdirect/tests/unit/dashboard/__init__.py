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

"""What the portal makes of what the service says, without a browser."""

import django
from django.conf import settings

# Nothing is translated; Horizon's own settings need all of Horizon.
if not settings.configured:
    settings.configure(USE_I18N=False, USE_TZ=True, TEMPLATES=[{
        'BACKEND': 'django.template.backends.django.DjangoTemplates',
        'OPTIONS': {'libraries': {
            'hpc': 'hpcdirect.dashboard.templatetags.hpc'}}}])
    django.setup()
