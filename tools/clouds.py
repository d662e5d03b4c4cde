#!/usr/bin/env python3
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

"""Puts the cloud ``hpcdirect-local`` into a clouds.yaml, or takes it out.

    clouds.py add FILE ENDPOINT USER PASSWORD [KEYSTONE]
    clouds.py remove FILE

Everything else in the file stays to the letter, comments included: the entry
is a block of lines between two marks.
"""

import contextlib
import os
import pathlib
import re
import sys

import yaml

NAME = 'hpcdirect-local'
BEGIN = '  # begin hpcdirect-local (tools/quickstart.sh)\n'
END = '  # end hpcdirect-local\n'
ENTRY = """\
  {name}:
    auth_type: http_basic
    auth:
      endpoint: {endpoint}
      username: {user}
      password: {password}
    hpc_cluster_endpoint_override: {endpoint}
"""


#: With the user's project of the same name.
KEYSTONES = """\
  {name}:
    auth:
      auth_url: {keystone}
      username: {user}
      password: {password}
      project_name: {user}
      user_domain_id: default
      project_domain_id: default
    hpc_cluster_endpoint_override: {endpoint}
"""


def without(text: str) -> str:
    """The text without our block, and without the header we made for it."""
    text = re.sub(re.escape(BEGIN) + '.*?' + re.escape(END), '', text,
                  flags=re.DOTALL)
    return '' if text == 'clouds:\n' else text


def with_entry(text: str, endpoint: str, user: str, password: str,
               keystone: str = '') -> str:
    """The text with our block as the first of its clouds."""
    entry = KEYSTONES if keystone else ENTRY
    block = BEGIN + entry.format(name=NAME, endpoint=endpoint, user=user,
                                 password=password, keystone=keystone) + END
    clean = without(text)
    if not (yaml.safe_load(clean) or {}):
        return clean + 'clouds:\n' + block
    new, count = re.subn(r'^clouds:[ \t]*(#.*)?\n', lambda found:
                         found.group(0) + block, clean, count=1,
                         flags=re.MULTILINE)
    if not count:
        sys.exit('clouds.py: the file has no line "clouds:" to put a cloud '
                 'under; add it and run again')
    return new


def main() -> None:
    """Do what the arguments say; the file is replaced in one move."""
    verb, path = sys.argv[1], pathlib.Path(sys.argv[2])
    old = path.read_text() if path.exists() else ''
    before = (yaml.safe_load(old) or {}).get('clouds') or {}
    new = (with_entry(old, *sys.argv[3:7]) if verb == 'add'
           else without(old))
    after = (yaml.safe_load(new) or {}).get('clouds') or {}
    if {k: v for k, v in before.items() if k != NAME} != {
            k: v for k, v in after.items() if k != NAME}:
        sys.exit(f'clouds.py: {path} is written in a way this script cannot '
                 'extend without changing it; it was left alone')
    if verb == 'remove' and not new:
        path.unlink()
        # The folder goes when nothing else is in it.
        with contextlib.suppress(OSError):
            path.parent.rmdir()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{path.name}.hpcdirect')
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                           mode), 'w') as file:
        file.write(new)
    temporary.replace(path)


if __name__ == '__main__':
    main()
