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

"""OpenSSH public keys, as they stand in a file of authorized keys.

Every way in which a key reaches the service is judged by this one parser, so
that what it lets through is what sshd on a node accepts. What is refused is
named for what it is, but never quoted: it may be a private key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
import dataclasses
import hashlib
import re

#: The longest line that sshd reads a key from, in characters.
_LONGEST = 8192
#: Bits of an RSA key. sshd takes smaller ones, which can be broken.
_RSA_BITS = range(2048, 16385)
_CURVES = {'nistp256': 'SECP256R1', 'nistp384': 'SECP384R1',
           'nistp521': 'SECP521R1'}
_MAKE_ONE = 'make one with: ssh-keygen -t ed25519'
_CONVERT = 'convert it with: ssh-keygen -i {}-f FILE'

_PRIVATE = ('is a private key, which nobody else may ever see; the public '
            'one is in the file whose name ends in .pub')
#: What only private keys have in them.
_PRIVATE_MARKS = re.compile(
    r'PRIVATE KEY-----|BEGIN SSH2 ENCRYPTED PRIVATE KEY|'
    r'PuTTY-User-Key-File|SSH PRIVATE KEY FILE FORMAT|'
    r'^\s*b3BlbnNzaC1rZXktdjEA', re.M)
#: Other things that people take for an OpenSSH public key.
_OTHERS = (
    (r'BEGIN SSH2 PUBLIC KEY', 'is a public key in the format of RFC 4716; '
     + _CONVERT.format('')),
    (r'-----BEGIN RSA PUBLIC KEY', 'is a public key in PEM format; '
     + _CONVERT.format('-m PEM ')),
    (r'-----BEGIN PUBLIC KEY', 'is a public key in PEM format; '
     + _CONVERT.format('-m PKCS8 ')),
    (r'-----BEGIN CERTIFICATE', 'is an X.509 certificate, not an OpenSSH '
     'public key'),
    (r'-----BEGIN PGP', 'is a PGP key, not an OpenSSH public key'),
    (r'-cert-v01@openssh\.com\s', 'is a certificate; give the public key '
     'that it was made for'),
    (r'^\s*(SHA256:|MD5:|([0-9a-f]{2}:){15})', 'is the fingerprint of a '
     'key; give the key itself'),
)
#: Options that sshd knows; True: with a value.
_OPTIONS = {
    **dict.fromkeys((
        'agent-forwarding', 'cert-authority', 'no-agent-forwarding',
        'no-port-forwarding', 'no-pty', 'no-touch-required', 'no-user-rc',
        'no-x11-forwarding', 'port-forwarding', 'pty', 'restrict', 'user-rc',
        'verify-required', 'x11-forwarding'), False),
    **dict.fromkeys((
        'command', 'environment', 'expiry-time', 'from', 'permitlisten',
        'permitopen', 'principals', 'tunnel'), True)}
_OPTION = re.compile(r'([A-Za-z0-9-]+)(?:=("(?:[^"\\]|\\.)*"))?(?=[, \t]|\Z)')


@dataclasses.dataclass(frozen=True)
class PublicKey:
    """One line of a file of authorized keys.

    :param kind: such as ``ssh-ed25519``.
    :param options: as they are written before the key; '' for none.
    """

    kind: str
    blob: bytes
    options: str = ''
    comment: str = ''

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` shows it: ``SHA256:...``."""
        text = base64.b64encode(hashlib.sha256(self.blob).digest())
        return f'SHA256:{text.decode().rstrip("=")}'


def parse(line: str) -> PublicKey:
    """The public key of a line.

    :raises ValueError: a clause on what is wrong with it, which does not
        quote it: "is a private key, ...".
    """
    problem = is_private(line) or _other(line)
    if problem:
        raise ValueError(problem)
    options, rest = _split(line.strip(' \t'))
    kind, _, rest = rest.partition(' ')
    text, _, comment = rest.strip().partition(' ')
    if kind == 'ssh-dss':
        raise ValueError(f'is a DSA key, which sshd does not accept any '
                         f'more; {_MAKE_ONE}')
    if kind not in _KINDS:
        raise ValueError('is not an OpenSSH public key, which begins with '
                         f'its type, such as ssh-ed25519; {_MAKE_ONE}')
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError('is damaged: what follows its type is not base64; '
                         'copy it again as one line') from None
    _check(kind, blob)
    return PublicKey(kind, blob, options, comment.strip())


def problem(line: str) -> str:
    """What is wrong with a line as a public key; '' when nothing is."""
    try:
        parse(line)
    except ValueError as exc:
        return str(exc)
    return ''


def is_private(text: str) -> str:
    """A clause that says so when a text holds a private key; else ''."""
    return _PRIVATE if _PRIVATE_MARKS.search(text) else ''


def _other(line: str) -> str:
    """What a line is, when it cannot be an OpenSSH public key."""
    if '\ufeff' in line:
        return ('begins with a byte order mark, which sshd takes for a part '
                'of the key; save the file as UTF-8 without one')
    for expression, said in _OTHERS:
        if re.search(expression, line):
            return said
    if len(line) > _LONGEST:
        return (f'has {len(line)} characters; a key has at most {_LONGEST} '
                'of them')
    if re.search(r'[\x00-\x08\x0a-\x1f\x7f]', line):
        return 'must be one line of plain text'
    return ''


def _split(line: str) -> tuple[str, str]:
    """The options before a key, and the rest of the line.

    :raises ValueError: sshd would not take the options.
    """
    line = line.replace('\t', ' ')
    if line.partition(' ')[0] in (*_KINDS, 'ssh-dss'):
        return '', line
    place = 0
    while True:
        found = _OPTION.match(line, place)
        takes = _OPTIONS.get(found[1].lower()) if found else None
        if found is None or takes is None:
            # A line that holds no key at all is no option, either.
            known = any(f' {kind} ' in line for kind in _KINDS)
            raise ValueError(
                'has an option before the key that sshd does not know'
                if known else
                'is not an OpenSSH public key, which begins with its type, '
                f'such as ssh-ed25519; {_MAKE_ONE}')
        if takes != (found[2] is not None):
            raise ValueError(
                f'has the option {found[1].lower()}, which takes '
                + ('a value: write it as name="value"' if takes
                   else 'no value'))
        place = found.end()
        if line[place:place + 1] != ',':
            return line[:place], line[place:].lstrip()
        place += 1


def _check(kind: str, blob: bytes) -> None:
    """Pass when the key's bytes are what its type says."""
    damaged = 'is damaged: it is shorter or longer than a key of its type'
    try:
        name, *fields = _fields(blob)
    except ValueError:
        raise ValueError(damaged) from None
    if name != kind.encode():
        raise ValueError('is damaged: it says that it is of one type and '
                         'holds a key of another')
    if len(fields) != len(_KINDS[kind]):
        raise ValueError(damaged)
    for what, field in zip(_KINDS[kind], fields, strict=True):
        if what == 'point' and not _on_curve(fields[0].decode(), field):
            raise ValueError('is damaged: it is not a point of its curve')
        if what == 'ed25519' and len(field) != 32:
            raise ValueError(damaged)
        if what == 'curve' and kind.split('@')[0].rpartition('-')[2] \
                != field.decode('ascii', 'replace'):
            raise ValueError('is damaged: it is of another curve than it '
                             'says')
        if what in ('modulus', 'exponent'):
            _check_number(what, int.from_bytes(field))


def _check_number(what: str, number: int) -> None:
    """Pass when a part of an RSA key is safe to use."""
    bits = number.bit_length()
    if what == 'modulus' and bits not in _RSA_BITS:
        raise ValueError(
            f'is an RSA key of {bits} bits; it must have {_RSA_BITS.start} '
            f'to {_RSA_BITS.stop - 1}; {_MAKE_ONE}')
    if number < 3 or number % 2 == 0:
        raise ValueError('is damaged: no RSA key has such numbers')


def _fields(blob: bytes) -> Iterator[bytes]:
    """The parts of a key, each of which is preceded by its length."""
    while blob:
        size = int.from_bytes(blob[:4])
        if len(blob) < 4 or len(blob) < 4 + size:
            raise ValueError
        yield blob[4:4 + size]
        blob = blob[4 + size:]


def _on_curve(curve: str, point: bytes) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        ec.EllipticCurvePublicKey.from_encoded_point(
            getattr(ec, _CURVES[curve])(), point)
    except ValueError:
        return False
    return point[:1] == b'\x04'  # OpenSSH takes no compressed ones


#: Type of a key -> what it is made of, after the type.
_KINDS: dict[str, tuple[str, ...]] = {
    'ssh-ed25519': ('ed25519',),
    'sk-ssh-ed25519@openssh.com': ('ed25519', 'application'),
    'ssh-rsa': ('exponent', 'modulus'),
    'sk-ecdsa-sha2-nistp256@openssh.com': ('curve', 'point', 'application'),
    **{f'ecdsa-sha2-{curve}': ('curve', 'point') for curve in _CURVES}}
