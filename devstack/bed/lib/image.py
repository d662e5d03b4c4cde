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

"""What the machines boot: a golden image as a site would have it.

    image.py FOLDER PROVIDER

Run by hpcdirect's Python outside of the bed, where packages can be fetched.
The base and a layer with every package that the blueprints name come from the
local backend's cache; FOLDER gets a layer of settings and the file ``lower``,
all of them as overlayfs takes them.
"""

from __future__ import annotations

from collections.abc import Iterator
import ipaddress
import os
import pathlib
import sys

from hpcdirect.backends.local import images
from hpcdirect.backends.local import mirror
from hpcdirect.blueprints import validate
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.jsontypes import texts

_CACHE = pathlib.Path('/var/cache/hpcdirect')
#: What makes it a cloud's image.
_PACKAGES = ('cloud-init', 'sudo')
#: For the shared home, where this kernel can; without it their units fail.
_NFS = ('nfs-common', 'nfs-kernel-server')
_CLOUD = """\
# One source, so that it is not searched for.
datasource_list: [ConfigDrive]
datasource: {ConfigDrive: {dsmode: local}}
system_info:
  network: {renderers: [networkd]}
ssh_genkeytypes: [ed25519]
ssh_deletekeys: true
disable_root: true
# Else sudo cannot resolve the machine's own name.
manage_etc_hosts: localhost
no_ssh_fingerprints: true
cloud_init_modules:
  [bootcmd, write-files, set_hostname, update_etc_hosts, users-groups, ssh]
cloud_config_modules: [package-update-upgrade-install, runcmd]
cloud_final_modules: [scripts-user, final-message]
"""
_UNITS = 'etc/systemd/system'


def main(folder: pathlib.Path, provider: str) -> None:
    """Make what is missing of the image."""
    made = images.Images(_CACHE, mirror.Mirror(_CACHE / 'packages'))
    packages = sorted({*_PACKAGES, *_named(),
                       *(_NFS if _has_nfs() else ())})
    said = made.missing(packages)
    if said:
        print(f'      {said}', flush=True)
    lower = made.lower(packages)
    settings = folder / 'settings'
    _settle(settings, str(ipaddress.ip_network(provider)[1]))
    (folder / 'lower').write_text(f'{settings}:{lower}\n')


def _has_nfs() -> bool:
    known = pathlib.Path('/proc/filesystems').read_text().split()
    return {'nfs4', 'nfsd'} <= set(known)


def _named() -> Iterator[str]:
    """The packages that blueprints want of local machines."""
    for path in pathlib.Path('blueprints').glob('*/blueprint.yaml'):
        blueprint = validate.read_blueprint(path.parent)
        local = blueprint.infrastructure.get('local', Infrastructure())
        for values in local.groups.values():
            yield from texts(values.get('packages'))


def _settle(root: pathlib.Path, gateway: str) -> None:
    """The layer of settings, which differ from bed to bed."""
    files = {
        'etc/cloud/cloud.cfg.d/90-local-metal.cfg': _CLOUD,
        # A first boot would enable all that is installed.
        'etc/systemd/system-preset/00-nothing-else.preset': 'disable *\n',
        'etc/ssh/sshd_config.d/50-keys-only.conf':
            'PasswordAuthentication no\n',
        # Only machines on the provider network get there: other nodes'
        # packages come by element package-relay.
        'etc/apt/apt.conf.d/95mirror':
            f'Acquire::http::Proxy "http://{gateway}:3142";\n'}
    links = {
        # The base has it masked; cloud-init writes its files.
        f'{_UNITS}/systemd-networkd.service':
            '/lib/systemd/system/systemd-networkd.service',
        f'{_UNITS}/multi-user.target.wants/systemd-networkd.service':
            '/lib/systemd/system/systemd-networkd.service',
        f'{_UNITS}/cloud-init-hotplugd.socket': '/dev/null',
        # It asks a console that nobody sits at.
        f'{_UNITS}/systemd-firstboot.service': '/dev/null'}
    for name in {**files, **links}:
        (root / name).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    for name, text in files.items():
        (root / name).write_text(text)
    for name, target in links.items():
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)


if __name__ == '__main__':
    os.umask(0o022)
    main(pathlib.Path(sys.argv[1]), sys.argv[2])
