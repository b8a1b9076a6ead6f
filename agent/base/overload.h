#pragma once

namespace bulkhead {

// std::visit(Overload{[](const A&) {...}, [](const B&) {...}}, variant)
template <typename... Ts>
struct Overload : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overload(Ts...) -> Overload<Ts...>;  // clang 14 has no deduction guide for aggregates

}  // namespace bulkhead
