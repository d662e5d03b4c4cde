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

import logging
import sys

import hypothesis

# Threads only: whatever imports eventlet fails here, and not in production.
sys.modules['eventlet'] = None

from oslo_service import backend  # noqa: E402

backend.init_backend(backend.BackendType.THREADING)
logging.getLogger('alembic').setLevel(logging.WARNING)
# Much goes wrong on purpose. A warning that nobody asked for goes to a file,
# so that a traceback in the output of a run is one of a test that failed.
logging.lastResort = logging.FileHandler('.tests.log', delay=True)
logging.lastResort.setLevel(logging.WARNING)
# How long an example takes says something of the machine, not of the code.
hypothesis.settings.register_profile(
    'project', deadline=None, suppress_health_check=[
        hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile('project')
