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

# 432 molecules of the SPC model at 300 K for a fifth of a picosecond. Their
# potential energy is known from the model's first paper: -41.4 kJ/mol each.
{ printf '#include "oplsaa.ff/forcefield.itp"\n'
  printf '#include "oplsaa.ff/spc.itp"\n'
  printf '[ system ]\nwater\n[ molecules ]\nSOL 432\n'; } > water.top
cat > water.mdp <<'INPUT'
integrator = md
nsteps = 100
dt = 0.002
coulombtype = PME
rcoulomb = 0.9
rvdw = 0.9
DispCorr = EnerPres
tcoupl = v-rescale
tc-grps = System
tau-t = 0.1
ref-t = 300
gen-vel = yes
gen-temp = 300
gen-seed = 1
nstenergy = 10
INPUT
{
  as_nobody gmx genconf -f /usr/share/gromacs/top/spc216.gro \
    -nbox 2 1 1 -o water.gro &&
  as_nobody gmx grompp -f water.mdp -c water.gro -p water.top -o water.tpr &&
  as_nobody mpirun --oversubscribe -np 2 gmx_mpi mdrun -ntomp 1 \
    -deffnm water &&
  echo Potential | as_nobody gmx energy -f water.edr -o water.xvg
} > log 2>&1 || { tail -40 log; exit 1; }
awk '$1 == "Potential" { found = 1; e = $2 / 432 }
     END { print "kJ/mol:", e; exit !(found && e < -40 && e > -43) }' log ||
  { tail -20 log; exit 1; }
