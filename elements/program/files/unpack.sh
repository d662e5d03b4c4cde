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

# Lines "SHA256 FILE NAME" come in: unpack each archive that is not there yet
# as /opt/NAME, and drop the files that no line names.
set -u
cd /var/lib/hpcdirect-programs || exit 1
named=
while read -r sum file name; do
  named+=" $file "
  [ "$(cat "$file.right" 2> /dev/null)" = "$sum" ] &&
    [ ! "$file" -nt "$file.right" ] || {
    echo "$sum  $file" | sha256sum --check --status || {
      echo "$file has another sha256: $(sha256sum < "$file")" >&2
      exit 1
    }
    echo "$sum" > "$file.right"
  }
  case $file in *.deb) continue ;; esac
  [ "$(cat "/opt/$name/.hpcdirect" 2> /dev/null)" = "$sum" ] && continue
  if [ ! -e "/opt/$name/.hpcdirect" ] && [ -n "$(ls -A "/opt/$name")" ]; then
    echo "/opt/$name is somebody else's" >&2
    exit 1
  fi
  rm -rf "/opt/.$name.new" && mkdir "/opt/.$name.new" || exit 1
  top=/opt/.$name.new
  tar -x --no-same-owner -f "$file" -C "$top" || { rm -rf "$top"; exit 1; }
  # one folder around everything is taken off
  if [ "$(ls -A "$top" | wc -l)" = 1 ] && [ -d "$top"/* ]; then
    mv "$top"/* "$top.in" && rmdir "$top" && mv "$top.in" "$top" || exit 1
  fi
  chmod 0755 "$top"
  echo "$sum" > "$top/.hpcdirect"
  rm -rf "/opt/$name" && mv "$top" "/opt/$name" || exit 1
  echo "unpacked $name"
done
for file in *; do
  [[ $named == *" ${file%.right} "* ]] || { rm -f "$file"; echo "$file went"; }
done
