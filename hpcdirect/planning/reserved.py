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

"""Names and ids of users that a machine has of its own, before any of ours.

The image declares its own here; what the packages of an element bring, the
element declares (``system_accounts`` in ``element.yaml``).
"""

from __future__ import annotations

from collections.abc import Mapping

from hpcdirect.blueprints.model import Blueprint

#: Users and groups of a Debian image and of its cloud variant. Whatever begins
#: with "_" or "systemd-" is the system's as well, by Debian's policy.
IMAGE = frozenset((
    'adm', 'audio', 'avahi', 'backup', 'bin', 'bluetooth', 'cdrom',
    'crontab', 'daemon', 'debian', 'dialout', 'dip', 'disk', 'dnsmasq',
    'fax', 'floppy', 'fwupd-refresh', 'games', 'geoclue', 'gnats', 'input',
    'irc', 'kmem', 'kvm', 'landscape', 'list', 'lp', 'lxd', 'mail', 'man',
    'messagebus', 'netdev', 'news', 'nobody', 'nogroup', 'ntp', 'operator',
    'plugdev', 'polkitd', 'pollinate', 'postfix', 'proxy', 'render',
    'root', 'rtkit', 'sasl', 'sgx', 'shadow', 'src', 'ssh', 'sshd',
    'ssl-cert', 'staff', 'sudo', 'sync', 'sys', 'syslog', 'tape',
    'tcpdump', 'tss', 'tty', 'users', 'utmp', 'uucp', 'uuidd', 'video',
    'voice', 'wheel', 'www-data'))
_BEGINNINGS = ('_', 'systemd-')
#: Debian gives out 60000 to 64999, systemd 61184 to 65519; then there is
#: nobody, and what means "no id" in 16 bits.
SYSTEM_IDS = range(60000, 65536)


def of(blueprint: Blueprint) -> dict[str, str]:
    """Name -> what brings it: the accounts that a blueprint's elements bring.

    :param blueprint: with just the elements the cluster has.
    """
    return {name: f'element {use.element.name}'
            for use in blueprint.elements
            for name in use.element.system_accounts}


def name_problem(name: str, brought: Mapping[str, str]) -> str:
    """Why a user cannot have a name; '' when nothing is in the way.

    :param brought: what :func:`of` gives.
    """
    owner = brought.get(name) or (
        'the system' if name in IMAGE or name.startswith(_BEGINNINGS) else '')
    return f'{owner} has a user or a group of that name on every node; ' \
           'choose another name' if owner else ''


def id_problem(uid: int) -> str:
    """Why a user cannot have an id; '' when nothing is in the way."""
    return (f'{SYSTEM_IDS.start} to {SYSTEM_IDS.stop - 1} are the system\'s; '
            'leave it out, or take 1000 to 59999' if uid in SYSTEM_IDS
            else '')
