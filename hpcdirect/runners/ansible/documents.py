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

"""The YAML that Ansible reads: values of users are data, never templates.

Every text gets the tag ``!unsafe``: Ansible does not look for templates in
it, not even when another template uses it. Nor does it, since 2.19, in what
comes out of a file by ``lookup`` and ``from_json``.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import json
from typing import Any

import yaml

#: A list or mapping of more entries than this is kept in a file of its own.
#: With 50, eight nodes cost the controller 4 % more, says controller.py of
#: benchmarks/.
MANY = 6

_Dumper: Any = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)


class _Data(str):
    """A text that is not to be looked at for templates."""


class _AnsibleDumper(_Dumper):
    """Writes _Data with its tag, and the same thing twice, not by alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_TEXT = 'tag:yaml.org,2002:str'


def _represented(dumper: Any, text: _Data) -> Any:
    """A scalar that Ansible reads as just this text.

    Ansible 2.19 asks of what is ``!unsafe`` what it would be without quotes:
    "on" would be true, "1.10" a number and "" nothing. Whatever looks like
    that is not a template, and needs no tag.
    """
    looks_like = dumper.resolve(yaml.ScalarNode, str(text), (True, False))
    return dumper.represent_scalar(
        '!unsafe' if looks_like == _TEXT else _TEXT, str(text), style='"')


_AnsibleDumper.add_representer(_Data, _represented)


def data(value: Any, keep: Callable[[str], str] | None = None) -> Any:
    """*value*, JSON-like, with every text in it marked as data.

    Ansible copies what it is given for every play, and every task of every
    node goes through what it uses. A thousand users or members are therefore
    left in a file: that costs one word, and reading it where it is used.

    :param keep: stores a text and returns the path of its file; without it
        everything stays where it is.
    """
    if isinstance(value, str):
        return _Data(value)
    many = isinstance(value, Mapping | list | tuple) and len(value) > MANY
    if many and keep is not None:
        path = json.dumps(keep(json.dumps(value)))
        return f'{{{{ lookup("ansible.builtin.file", {path}) | from_json }}}}'
    if isinstance(value, Mapping):
        return {str(key): data(each, keep) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [data(each, keep) for each in value]
    return value


def dump(document: Any) -> str:
    """YAML of a document that may hold data()."""
    return str(yaml.dump(document, Dumper=_AnsibleDumper, sort_keys=False,
                         allow_unicode=True, width=10000))


def inventory(hosts: Mapping[str, Mapping[str, Any]],
              groups: Mapping[str, Iterable[str]], left_out: Iterable[str]
              ) -> str:
    """An inventory in YAML.

    :param hosts: node -> its variables, all of them data.
    :param groups: group -> its nodes; stays, empty, when all are left out.
    """
    out = set(left_out)
    return dump({'all': {
        'hosts': {name: data(values) for name, values in hosts.items()
                  if name not in out},
        'children': {
            group: {'hosts': {name: {} for name in names if name not in out}}
            for group, names in groups.items()}}})
