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

"""Tests through the front door, with real processes."""

import faulthandler
import os
import pathlib
import sys
import time
import unittest

#: When there is no time left for more of them, by the clock: see .ci/run.
UNTIL = float(os.environ.get('HPCDIRECT_UNTIL') or 'inf')

# A test that waits for ever ends its worker, and says where it waited.
# Benchmarks use what is here as well, and take as long as they take.
if not os.environ.get('HPCDIRECT_SOAK') \
        and pathlib.Path(sys.argv[0]).parent.name != 'benchmarks':
    faulthandler.dump_traceback_later(60 * 60, exit=True)


def _in_time(_):
    if time.time() > UNTIL:
        raise unittest.SkipTest('no minutes were left for it')


# Whichever tests they are, and before a class makes what its tests share.
unittest.TestCase.setUp = _in_time
unittest.TestCase.setUpClass = classmethod(_in_time)
