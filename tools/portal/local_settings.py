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

# Horizon's settings on a machine of one's own, read in place of a site's
# openstack_dashboard/local/local_settings.py.

import os
import pathlib
import sys

from horizon.utils import secret_key
from openstack_dashboard.settings import HORIZON_CONFIG

from hpcdirect import dashboard

_STATE = pathlib.Path(os.environ['HPCDIRECT_PORTAL_STATE'])

DEBUG = False
ALLOWED_HOSTS = ['127.0.0.1', 'localhost']
WEBROOT = '/'
SECRET_KEY = secret_key.generate_or_read_from_file(str(_STATE / 'secret'))
OPENSTACK_KEYSTONE_URL = os.environ['HPCDIRECT_PORTAL_KEYSTONE']
# Two portals of one address would take each other's cookies.
SESSION_COOKIE_NAME = f'sessionid-{_STATE.name}'
CSRF_COOKIE_NAME = f'csrftoken-{_STATE.name}'
SESSION_ENGINE = 'django.contrib.sessions.backends.file'
SESSION_FILE_PATH = str(_STATE / 'sessions')
CACHES = {'default': {
    'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}}
STATIC_ROOT = str(pathlib.Path(sys.prefix) / 'static')
COMPRESS_OFFLINE = True
# Style sheets that are made beforehand are those of one theme, the last; ours
# builds on Horizon's own.
_THEME = os.environ.get('HPCDIRECT_PORTAL_THEME', 'default')
AVAILABLE_THEMES = [('default', 'Default', 'themes/default')]
if _THEME != 'default':
    AVAILABLE_THEMES.append((_THEME, _THEME.title(), str(
        pathlib.Path(dashboard.__file__).parent / 'themes' / _THEME)))
DEFAULT_THEME = _THEME
SELECTABLE_THEMES = AVAILABLE_THEMES[-1:]
COMPRESS_OFFLINE_MANIFEST = f'manifest-{_THEME}.json'
TIME_ZONE = 'UTC'
HORIZON_CONFIG['user_home'] = '/project/hpc/'
LOGGING = {
    'version': 1, 'disable_existing_loggers': False,
    'handlers': {'console': {'class': 'logging.StreamHandler'}},
    'root': {'handlers': ['console'], 'level': 'WARNING'}}
