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

"""A cluster's secrets: generated once, sealed in the database.

Besides what its elements ask for, every cluster has a key pair of its own by
which its machines are reached.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
import datetime
import secrets
import string

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from hpcdirect import digests
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import Secret
from hpcdirect.db import models
from hpcdirect.digests import digest
from hpcdirect.jsontypes import JSON
from hpcdirect.jsontypes import Object
from hpcdirect.keys import KeyRing
from hpcdirect.planning.wanted import Member
from hpcdirect.signing import Notes

#: (element, name) of the key that opens the cluster's machines.
ACCESS_KEY = ('', 'access_key')

# A certificate has to outlive its machine, whose clock may be behind.
_VALID = datetime.timedelta(days=10 * 365)
_SKEW = datetime.timedelta(days=1)


class Vault:
    """The secrets of one cluster, opened."""

    def __init__(self, keys: KeyRing, cluster_id: str) -> None:
        self._keys = keys
        self._cluster_id = cluster_id
        self._values: dict[tuple[str, str], str] = {}
        # (element, name, version) -> digest of the seal that was opened.
        self._seen: dict[tuple[str, str, int], str] = {}
        self.versions: dict[tuple[str, str], int] = {}

    def open(self, rows: Iterable[models.Secret]) -> None:
        """Read what is stored; the highest version of each counts.

        What was read before is not opened again.

        :raises Unavailable: no key opens one, or it is another's.
        """
        for row in sorted(rows, key=lambda row: row.version):
            one = (row.element, row.name, row.version)
            seal = digest(row.sealed)
            if self._seen.get(one) == seal:
                continue
            self._values[row.element, row.name] = self._keys.decrypt(
                row.sealed, row.about())
            self._seen[one] = seal
            self.versions[row.element, row.name] = row.version

    def _made(self, element: str, name: str, text: str) -> models.Secret:
        """A new row."""
        row = models.Secret(cluster_id=self._cluster_id, element=element,
                            name=name, version=1)
        row.sealed = self._keys.encrypt(text, row.about())
        return row

    def complete(self, blueprint: Blueprint) -> list[models.Secret]:
        """Generate what is missing.

        :returns: the new rows, to be stored before anything is used.
        """
        wanted = {ACCESS_KEY: Secret('access_key', 'ssh-ca')} | {
            (use.element.name, secret.name): secret
            for use in blueprint.elements for secret in use.element.secrets}
        rows = [self._made(*key, _generate(secret))
                for key, secret in wanted.items() if key not in self._values]
        self.open(rows)
        return rows

    @property
    def notes(self) -> Notes:
        """What is written down of the cluster's nodes is signed by these."""
        return Notes(self._keys, self._cluster_id)

    @property
    def private_key(self) -> str:
        """The cluster's private key, OpenSSH format."""
        return self._values[ACCESS_KEY]

    @property
    def public_key(self) -> str:
        """The OpenSSH line of the cluster's key."""
        return _public_line(self.private_key, 'hpcdirect')

    def values(self, element: Element) -> dict[str, str]:
        """What an element is given: of a CA, its public line only."""
        return {secret.name: (
            _public_line(self._values[element.name, secret.name], secret.name)
            if secret.kind == 'ssh-ca'
            else self._values[element.name, secret.name])
            for secret in element.secrets}

    def opened(self, variables: Object
               ) -> tuple[dict[str, JSON], tuple[str, ...]]:
        """Variables with the secrets of people, and these alone."""
        found: list[str] = []

        def one(box: Object) -> JSON:
            value = self._keys.unboxed(box)
            found.append(str(value))
            return value

        return {name: digests.opened(value, one)
                for name, value in variables.items()}, tuple(found)

    def certify(self, element: Element, members: Iterable[Member]
                ) -> list[models.Secret]:
        """Make the host certificates that nodes still lack.

        :returns: the new rows, to be stored before anything is used. They
            are kept, since no two certificates of one key are the same: an
            element that installs one could never report that nothing changed.
        """
        authorities = [secret.name for secret in element.secrets
                       if secret.kind == 'ssh-ca']
        rows = [self._made(
            element.name, _certificate_name(authority, member),
            _certify(self._values[element.name, authority], member))
            for member in members for authority in authorities
            if member.host_key and (
                element.name, _certificate_name(authority, member)
            ) not in self._values]
        self.open(rows)
        return rows

    def certificates(self, element: Element, member: Member
                     ) -> dict[str, str]:
        """Host certificates of a node, one for each CA of the element."""
        names = {secret.name: (element.name,
                               _certificate_name(secret.name, member))
                 for secret in element.secrets if secret.kind == 'ssh-ca'}
        return {name: self._values[key] for name, key in names.items()
                if key in self._values}


def _generate(secret: Secret) -> str:
    if secret.kind == 'ssh-ca':
        return ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption()).decode()
    if secret.kind == 'password':
        letters = string.ascii_letters + string.digits
        return ''.join(secrets.choice(letters) for _ in range(secret.bytes))
    return base64.b64encode(secrets.token_bytes(secret.bytes)).decode()


def _private(text: str) -> ed25519.Ed25519PrivateKey:
    key = serialization.load_ssh_private_key(text.encode(), None)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise TypeError(f'not an ed25519 key but {type(key).__name__}')
    return key


def _public_line(text: str, comment: str) -> str:
    line = _private(text).public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return f'{line.decode()} {comment}'


def _certificate_name(authority: str, member: Member) -> str:
    """What a node's certificate is kept under; new when the node is."""
    return f'{authority}.' + digest(
        [member.name, member.address, member.host_key])[:16]


def _certify(authority: str, member: Member) -> str:
    """Sign a machine's host key for its name and its address."""
    host = serialization.load_ssh_public_key(member.host_key.encode())
    if not isinstance(host, ed25519.Ed25519PublicKey):
        raise TypeError(f'{member.name} shows no ed25519 host key')
    start = datetime.datetime.now(datetime.UTC) - _SKEW
    builder = serialization.SSHCertificateBuilder()
    certificate = (
        builder.public_key(host).serial(1)
        .type(serialization.SSHCertificateType.HOST)
        .key_id(member.name.encode())
        .valid_principals([member.name.encode(), member.address.encode()])
        .valid_after(int(start.timestamp()))
        .valid_before(int((start + _VALID).timestamp()))
        .sign(_private(authority)))
    return certificate.public_bytes().decode()
