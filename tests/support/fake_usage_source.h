// Counters that a test sets. A cgroup is there from its first Set until Vanish.
#pragma once

#include <map>
#include <string>

#include "agent/kernel/usage_source.h"
#include "tests/support/faults.h"

namespace bulkhead {

class FakeUsageSource final : public UsageSource {
 public:
  explicit FakeUsageSource(const Clock& clock) : clock_(clock), faults_(nullptr) {}

  // Operations: track, read.
  void FailNext(const std::string& operation, int error) { faults_.FailNext(operation, error); }
  // What the kernel counts now; `at` is stamped when it is read, `network` is seen only when tracked with a slot.
  void Set(const CgroupPath& path, const UsageReading& reading) { readings_[path] = reading; }
  UsageReading& At(const CgroupPath& path) { return readings_[path]; }
  void Vanish(const CgroupPath& path) { readings_.erase(path); }  // the cgroup is removed
  bool IsTracked(const CgroupPath& path) const { return tracked_.contains(path); }

  Status Track(const CgroupPath& path, std::optional<uint32_t> slot) override;
  void Forget(const CgroupPath& path) override { tracked_.erase(path); }
  Result<UsageReading> Read(const CgroupPath& path) override;

 private:
  const Clock& clock_;
  Faults faults_;
  std::map<CgroupPath, UsageReading> readings_;
  std::map<CgroupPath, std::optional<uint32_t>> tracked_;
};

}  // namespace bulkhead
