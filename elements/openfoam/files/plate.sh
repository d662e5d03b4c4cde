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

# Between two faces of a plate, the cold and the hot one, the temperature grows
# in proportion to the height. It takes one step, in which the ranks exchange
# little: it is over soon also on a node that is full of users' work.
head_of() {
  printf 'FoamFile { version 2.0; format ascii; class %s; object %s; }\n' \
    "${2-dictionary}" "$(basename "$1")"
}
put() { { head_of "$@"; cat; } > "$1"; }
mkdir 0 constant system
put system/blockMeshDict <<'INPUT'
vertices ((0 0 0) (1 0 0) (1 1 0) (0 1 0)
          (0 0 0.1) (1 0 0.1) (1 1 0.1) (0 1 0.1));
blocks (hex (0 1 2 3 4 5 6 7) (4 20 1) simpleGrading (1 1 1));
boundary (
  left { type cyclic; neighbourPatch right; faces ((0 4 7 3)); }
  right { type cyclic; neighbourPatch left; faces ((2 6 5 1)); }
  bottom { type wall; faces ((1 5 4 0)); }
  top { type wall; faces ((3 7 6 2)); }
  sides { type empty; faces ((0 3 2 1) (4 5 6 7)); });
INPUT
put system/controlDict <<'INPUT'
application laplacianFoam;
startFrom startTime; startTime 0; stopAt endTime; endTime 1;
deltaT 1; writeControl timeStep; writeInterval 1; writePrecision 8;
INPUT
put system/fvSchemes <<'INPUT'
ddtSchemes { default steadyState; }
gradSchemes { default Gauss linear; }
divSchemes { default none; }
laplacianSchemes { default Gauss linear orthogonal; }
interpolationSchemes { default linear; }
snGradSchemes { default orthogonal; }
INPUT
put system/fvSolution <<'INPUT'
solvers { T { solver PCG; preconditioner DIC; tolerance 1e-10; relTol 0; } }
SIMPLE { nNonOrthogonalCorrectors 0; }
INPUT
put system/decomposeParDict <<'INPUT'
numberOfSubdomains 2; method simple;
simpleCoeffs { n (1 2 1); delta 0.001; }
INPUT
put constant/transportProperties <<'INPUT'
DT 1;
INPUT
put 0/T volScalarField <<'INPUT'
dimensions [0 0 0 1 0 0 0];
internalField uniform 0;
boundaryField {
  left { type cyclic; } right { type cyclic; } sides { type empty; }
  bottom { type fixedValue; value uniform 0; }
  top { type fixedValue; value uniform 1; }
}
INPUT
chown -R nobody .
{
  as_nobody blockMesh && as_nobody decomposePar &&
  as_nobody mpirun --oversubscribe -np 2 laplacianFoam -parallel &&
  as_nobody reconstructPar
} > log 2>&1 || { tail -40 log; exit 1; }
# 4 cells in a row, 20 rows, the lowest one first
awk '/^[0-9.e-]+$/ && inside {
       row = int(n / 4); n += 1
       off = $1 - (row + 0.5) / 20
       if (off * off > 1e-12) bad += 1 }
     /^\(/ { inside = 1 }
     /^\)/ { inside = 0 }
     END { exit n != 80 || bad }' 1/T ||
  { tail -20 log; cat 1/T; exit 1; }
