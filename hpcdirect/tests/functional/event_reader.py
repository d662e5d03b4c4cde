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

"""Reads the events of a cluster from a cursor that it writes down.

    event_reader.py URL USER:PASSWORD CLUSTER FILE

Each line of FILE is one event, ``[id, node, task, at, seen]`` in JSON, with
the moment (seconds since the epoch) at which it was seen. It is line and
cursor at once: whatever moment the reader is killed at, the last whole line
is where it goes on, and the rest of a broken one is cut off. It imports
nothing but the standard library, so that it starts at once.
"""

import base64
import json
import os
import pathlib
import sys
import time
import urllib.request


def follow(url, account, cluster, file):
    """Read on for ever."""
    whole = file.read_bytes() if file.exists() else b''
    whole = whole[:whole.rfind(b'\n') + 1]
    lines = whole.splitlines()
    marker = json.loads(lines[-1])[0] if lines else 0
    token = base64.b64encode(account.encode()).decode()
    with file.open('ab', buffering=0) as output:
        os.ftruncate(output.fileno(), len(whole))
        while True:
            request = urllib.request.Request(
                f'{url}/v1/events?cluster={cluster}&marker={marker}'
                '&wait=10&limit=1000',
                headers={'Authorization': f'Basic {token}'})
            with urllib.request.urlopen(request, timeout=60) as answer:
                events = json.load(answer)['events']
            seen = time.time()
            for event in events:
                marker = event['id']
                output.write(json.dumps([
                    marker, event['node'], event['task'], event['at'],
                    seen]).encode() + b'\n')


if __name__ == '__main__':
    follow(*sys.argv[1:4], pathlib.Path(sys.argv[4]))
