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

# What apply.yaml and revert.yaml do; functions, put before a call of them.
set -u

# database < PASSWORD: Slurm's own one, that user slurm may write to. The
# password is on no command line.
database() {
  local password
  read -r password || [ -n "$password" ] || return 1
  if mariadb --defaults-extra-file=<(printf '[client]\npassword=%s\n' \
      "$password") -u slurm -e 'SELECT 1' slurm_acct_db > /dev/null 2>&1; then
    return 0
  fi
  mariadb <<SQL || return 1
CREATE DATABASE IF NOT EXISTS slurm_acct_db;
CREATE OR REPLACE USER slurm@localhost IDENTIFIED BY '$password';
GRANT ALL ON slurm_acct_db.* TO slurm@localhost;
SQL
  echo made
}

answers() {
  for _ in {1..120}; do
    scontrol ping 2> /dev/null | grep -q UP && return 0
    sleep 0.5
  done
  echo 'the controller does not answer' >&2
  return 1
}

# taken TYPE HOST ENFORCE: whether the controller runs with that already
taken() {
  local all word enforced
  all=$(scontrol show config 2> /dev/null) || return 1
  said() {
    awk -F' = ' -v name="$1" '$1 ~ "^" name " *$" { print $2 }' <<< "$all"
  }
  [ "$(said AccountingStorageType)" = "accounting_storage/$1" ] || return 1
  [ "$1" = none ] && return 0
  [ "$(said AccountingStorageHost)" = "$2" ] || return 1
  enforced=$(said AccountingStorageEnforce)
  for word in ${3//,/ }; do  # what one implies is told as well
    [[ ,$enforced, == *,$word,* ]] || return 1
  done
}

# controller: it reads its configuration anew, and hands it to the nodes.
# Nothing but a restart makes it change the kind of accounting; one after the
# handing out frees nodes that would stay allocated.
controller() {
  if [ -e /etc/slurm/slurmdbd.conf ]; then
    for _ in {1..120}; do
      (: < /dev/tcp/localhost/6819) 2> /dev/null && break
      sleep 0.5
    done
  fi
  answers && systemctl restart slurmctld && answers &&
    scontrol reconfigure && sleep 1.5 &&
    systemctl restart slurmctld && answers && echo restarted
}

listed() { sacctmgr -nP list "$@"; }

# accounts CLUSTER ACCOUNT USER...: just these users are in the account
accounts() {
  local cluster=$1 account=$2 name said
  shift 2
  for _ in {1..60}; do  # the controller makes itself known
    listed cluster format=cluster | grep -qixF "$cluster" && break
    sleep 0.5
  done
  listed account format=account | grep -qxF "$account" ||
    sacctmgr -iQ add account "$account" cluster="$cluster" \
      description="users of the cluster" organization=hpcdirect || return 1
  local there
  there=$(listed assoc account="$account" format=user | grep .)
  for name; do
    grep -qxF "$name" <<< "$there" && continue
    sacctmgr -iQ add user "$name" account="$account" cluster="$cluster" ||
      return 1
    echo "added $name"
  done
  for name in $there; do
    [[ " $* " == *" $name "* ]] && continue
    if [[ " ${spared-} " == *" $name "* ]]; then
      # Not while there are jobs; the next change takes it.
      sacctmgr -iQ delete user "$name" account="$account" > /dev/null 2>&1 &&
        echo "removed $name"
      continue
    fi
    scancel -u "$name" 2> /dev/null
    for _ in {1..20}; do
      said=$(sacctmgr -iQ delete user "$name" account="$account" 2>&1) && break
      sleep 0.5
    done || { echo "$said" >&2; return 1; }
    echo "removed $name"
  done
}
