// Licensed under the Apache License, Version 2.0 (the "License"); you may
// not use this file except in compliance with the License. You may obtain
// a copy of the License at
//
//      https://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
// WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
// License for the specific language governing permissions and limitations
// under the License.

// A call and a put: share at 100, strike 100, one year, 5 % interest,
// 20 % volatility. By Black and Scholes they are worth 10.4506 and 5.5735.
#include <cmath>
#include <cstdio>

#include <ql/pricingengines/blackformula.hpp>

int main() {
  const double discount = std::exp(-0.05), forward = 100 / discount;
  std::printf("%.4f %.4f\n",
              QuantLib::blackFormula(QuantLib::Option::Call, 100, forward,
                                     0.2, discount),
              QuantLib::blackFormula(QuantLib::Option::Put, 100, forward, 0.2,
                                     discount));
}
