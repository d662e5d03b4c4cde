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

"""What all services share: how they are told to end."""

import subprocess
import sys
import unittest

#: Comes to an end when a signal does, whatever line of Python is just being
#: run by who waits for it; or when nothing of Python is.
_TOLD = """
import signal, sys
from hpcdirect.cmd import parts

def end(*_):
    signal.raise_signal(signal.SIGTERM)

def line(*_):
    global left
    left -= 1
    if not left:
        end()
    return line

signal.signal(signal.SIGALRM, end)
for place in range(1, 25):
    until_told, left = parts.until_told(), place
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    sys.settrace(line)
    until_told()
    sys.settrace(None)
    signal.setitimer(signal.ITIMER_REAL, 0)
"""


class UntilToldTest(unittest.TestCase):

    def test_a_signal_at_any_moment(self):
        subprocess.run([sys.executable, '-c', _TOLD], check=True, timeout=60)
