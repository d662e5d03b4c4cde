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

"""Where ssh goes to: a cluster's nodes, and the hosts on the way to them.

What the service says becomes arguments of ssh and lines of its files, where a
space or a leading ``-`` would mean something else. So everything is checked
on the way in.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import contextlib
import dataclasses
import getpass
import re
from typing import Any

_HOST = re.compile(r'[A-Za-z0-9:][A-Za-z0-9:._%-]*\Z')
_USER = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?\Z')
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*\Z')
_KEY = re.compile(r'[a-z0-9@.-]+ [A-Za-z0-9+/]+=*\Z')


class Strange(Exception):
    """The service says something that ssh would take for something else."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A host that ssh goes to.

    :param name: the node's; '' for a host that is not one of the cluster's.
    :param user: whom the service logs in as.
    :param alias: what its key is filed under, so that addresses that several
        clusters use do not get into each other's way; '' when its key is not
        ours to know.
    :param key: its OpenSSH host key, or ''.
    :param way: the host to go through first.
    """

    name: str
    host: str
    port: int = 22
    user: str = ''
    alias: str = ''
    key: str = ''
    way: Place | None = None


def nodes(cluster_id: str, found: Iterable[Mapping[str, Any]]
          ) -> dict[str, Place]:
    """A cluster's nodes by name, those that ssh can go to.

    :param found: nodes as the API shows them, or ``login`` of a cluster.
    :raises Strange: one of them must not come near ssh.
    """
    told = {str(one.get('name') or one.get('node')): _plain(one)
            for one in found}
    reached = {name: _place(cluster_id, name, said)
               for name, said in told.items()
               if said.get('host') and said.get('host_key')}
    return {name: dataclasses.replace(place, way=_way(
        str(told[name].get('via') or ''), reached.values()))
        for name, place in reached.items()}


def known_hosts(places: Iterable[Place]) -> str:
    """The lines by which ssh knows them, and those on the way."""
    found = {place.alias: place.key for one in places
             for place in (one, one.way) if place and place.alias}
    return ''.join(f'{alias} {key}\n'
                   for alias, key in sorted(found.items()))


def user(asked: str | None, accounts: Iterable[Mapping[str, Any]],
         place: Place) -> str:
    """Whom to log in as.

    :param asked: what the command says.
    :param accounts: the cluster's users as the API lists them.
    :returns: you, when you have an account that is on; else its first user,
        those of its blueprint before others; else whom the service logs in
        as.
    """
    names = [str(one['name']) for one in sorted(
        accounts, key=lambda one: bool(one.get('own')))
        if one.get('state') == 'on']
    with contextlib.suppress(KeyError, OSError):
        if getpass.getuser() in names:
            names.insert(0, getpass.getuser())
    return _fits(_USER, asked or (names or [place.user or 'root'])[0],
                 'user name')


def is_host(text: str) -> bool:
    """Whether it is an address or a name that ssh may see."""
    return bool(_HOST.match(text))


def _plain(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a node is reached; ``login`` says it without ``ssh`` around it."""
    if 'ssh' in one:
        return dict(one['ssh'] or {})
    return {**one, 'host': one.get('address')}


def _place(cluster_id: str, name: str, said: Mapping[str, Any]) -> Place:
    return Place(
        _fits(_NAME, name, 'node name'),
        _fits(_HOST, str(said['host']), 'address'),
        int(said.get('port') or 22), str(said.get('user') or ''),
        f'hpcdirect-{_fits(_NAME, cluster_id, "cluster id")}-{name}',
        _fits(_KEY, ' '.join(str(said['host_key']).split()[:2]), 'host key'))


def _way(text: str, known: Iterable[Place]) -> Place | None:
    """The host that ``user@host[:port]`` means.

    One of the cluster's own is known by its key, and people log in to it as
    themselves; another one is the site's.
    """
    if not text:
        return None
    login, _, rest = text.rpartition('@')
    host, colon, port = rest.rpartition(':')
    if not colon or (':' in host and not host.startswith('[')):
        host, port = rest, '22'
    host = host.strip('[]')
    for place in known:
        if (place.host, str(place.port)) == (host, port):
            return place
    return Place('', _fits(_HOST, host, 'address'), int(port),
                 _fits(_USER, login, 'user name') if login else '')


def _fits(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.match(text):
        raise Strange(f'{text!r} is no {what} that ssh should see')
    return text
