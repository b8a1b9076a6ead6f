// EXPECT_THAT(engine.Apply(…), StatusIs(StatusCode::kNotFound, HasSubstr("acme"))); also for Result<T>.
#pragma once

#include <string>

#include <gmock/gmock.h>

#include "agent/base/status.h"

namespace bulkhead::test {

inline Status StatusOf(const Status& status) { return status; }
template <typename T>
Status StatusOf(const Result<T>& result) {
  return result.status();
}

MATCHER(IsOk, negation ? "is an error" : "is ok") {
  const Status status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.ok();
}

MATCHER_P2(StatusIs, code, message, "") {
  const Status status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code && ::testing::ExplainMatchResult(message, Message(status), result_listener);
}

}  // namespace bulkhead::test

#define BULKHEAD_TEST_ASSIGN(decl, expr) BULKHEAD_TEST_ASSIGN_IMPL(BULKHEAD_CONCAT(test_result_, __LINE__), decl, expr)
#define BULKHEAD_TEST_ASSIGN_IMPL(tmp, decl, expr)  \
  auto tmp = (expr);                                \
  ASSERT_TRUE(tmp.ok()) << tmp.status().ToString(); \
  decl = *std::move(tmp)
