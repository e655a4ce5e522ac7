// One function object out of several, for std::visit().
#pragma once

namespace upkeep {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

}  // namespace upkeep
