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

# Runs on a node, read from standard input by sh (POSIX; needs flock).
#   begin FOLDER EPOCH KEY SECONDS WISH OVER...
#                                let batch KEY in, all others out
#   end   FOLDER EPOCH KEY       batch KEY is over
# WISH: "GENERATION-DIGEST" of what is wanted; '' when it is nobody's.
# OVER: keys of batches known to be over although the node was not told.
#
# FOLDER/state    "EPOCH KEY open|over" of the batch that was let in last
# FOLDER/wish     the newest WISH that has been carried out here
# FOLDER/gate     locked while state is read and changed
# FOLDER/work     locked, shared, by each command of a batch while it runs
# FOLDER/running  a file for each of those: process group, pid, start time
# FOLDER/EPOCH-KEY/sh   the shell by which a batch runs its commands
set -eu
umask 022
action=$1 folder=$2 epoch=$3 key=$4
shift 4

refuse() { echo "$1" >&2; exit 76; }

write() {
    echo "$2" > "$folder/$1.new"
    sync "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    sync "$folder"
}

store() { write state "$epoch $key $1"; }

# Rows of an older wish may have been put back into the database.
compare() {
    newest=0
    [ ! -s "$folder/wish" ] || read -r newest < "$folder/wish"
    [ -n "$wish" ] && [ "$wish" != "$newest" ] || return 0
    [ "${wish%%-*}" -ge "${newest%%-*}" ] ||
        refuse "replayed: generation ${newest%%-*} of what is wanted has been here, this is ${wish%%-*}"
    [ "${wish%%-*}" != "${newest%%-*}" ] ||
        refuse "replayed: this is another generation ${wish%%-*} than the one that has been here"
    write wish "$wish"
}

admit() {
    [ "$at" -le "$epoch" ] ||
        refuse "refused: a run of epoch $at has been here, this one is of $epoch"
    [ "$at" = "$epoch" ] && [ "$holder" != "$key" ] && [ "$status" = open ] ||
        return 0
    for each in "$@"; do
        [ "$each" != "$holder" ] || return 0
    done
    refuse "refused: run $holder of the same epoch $epoch is at work here"
}

# $$ of a script read by sh is its own pid; state, ppid and pgrp follow the
# program's name, the start time is the 20th field after it.
install_shell() {
    mkdir -p "$folder/$epoch-$key"
    cat > "$folder/$epoch-$key/sh.new" << END
#!/bin/sh
[ "\${HPCDIRECT_FENCE:-}" != "$key" ] || exec /bin/sh "\$@"
refuse() { echo "refused: a newer run than $epoch $key was let in" >&2; exit 76; }
number() { shift 2; group=\$1; shift 17; echo "\$group \$\$ \$1" > "\$record"; }
exec 9< "$folder/work" || refuse
flock -s 9
read -r state < "$folder/state" || refuse
[ "\$state" = "$epoch $key open" ] || refuse
record=
if [ -w "$folder/running" ]; then
    record=$folder/running/\$\$
    read -r stat < /proc/\$\$/stat
    number \${stat##*) }
fi
HPCDIRECT_FENCE=$key /bin/sh "\$@" 9<&-
code=\$?
[ -z "\$record" ] || : > "\$record"
exit \$code
END
    chmod 755 "$folder/$epoch-$key/sh.new"
    mv "$folder/$epoch-$key/sh.new" "$folder/$epoch-$key/sh"
}

start_time() { shift 19; echo "$1"; }

# End the commands that are at work; their shells hold the lock "work".
end_commands() {
    for each in "$folder"/running/*; do
        read -r group pid start < "$each" 2> /dev/null || continue
        read -r stat < "/proc/$pid/stat" 2> /dev/null || continue
        [ "$(start_time ${stat##*) })" = "$start" ] || continue
        kill "-$1" "-$group" 2> /dev/null || :
    done
}

mkdir -p "$folder/running"
exec 8>> "$folder/gate" 7>> "$folder/work"
flock -w 20 8 || refuse 'refused: another run is being let in here'
at=0 holder='' status=''
[ ! -s "$folder/state" ] || read -r at holder status < "$folder/state"

if [ "$action" = end ]; then
    [ "$at $holder" != "$epoch $key" ] || store over
    rm -rf "$folder/$epoch-$key"
    exit 0
fi

patience=$1 wish=$2
shift 2
admit "$@"
compare
install_shell
store open
exec 8>&-
# From here on no other batch starts a command. Wait for those at work.
if ! flock -w "$patience" 7; then
    end_commands TERM
    if ! flock -w 5 7; then
        end_commands KILL
        flock -w 5 7 || refuse \
            'refused: a command of an earlier run does not end'
    fi
fi
find "$folder/running" -type f -exec rm -f {} +
find "$folder" -mindepth 1 -maxdepth 1 -name '*-*' -mtime +1 \
    ! -name "$epoch-$key" -exec rm -rf {} +
