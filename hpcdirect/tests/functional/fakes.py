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

"""The machines of the fake backend, read and changed behind its back."""

import json


def machines(folder):
    """Reference -> slot -> machine; *folder* is a service's state_path."""
    return {path.stem: json.loads(path.read_text())
            for path in sorted((folder / 'fake').glob('*.json'))}


def come(folder):
    """Machines that take their time are up now, all of them."""
    def change_all(clusters):
        for there in clusters.values():
            for values in there.values():
                values['up_at'] = 0.0

    change(folder, change_all)


def change(folder, what):
    """Let *what* change them, as somebody else might."""
    clusters = machines(folder)
    before = list(clusters)
    what(clusters)
    for ref, there in clusters.items():
        path = folder / 'fake' / f'{ref}.json'
        fresh = path.with_suffix('.fresh')
        fresh.write_text(json.dumps(there))
        fresh.replace(path)
    for ref in set(before) - set(clusters):
        (folder / 'fake' / f'{ref}.json').unlink()
