// Typed access to BPF maps on descriptors. Batches are one system call for many entries; every error names the map.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/status.h"
#include "agent/base/unique_fd.h"

namespace bulkhead {

// Untyped half: keys and values as bytes. Core thread only.
class RawBpfMap {
 public:
  RawBpfMap() = default;
  // Takes its own copy of the descriptor.
  static Result<RawBpfMap> Adopt(int fd, const std::string& name, size_t key_size, size_t value_size);

  int fd() const { return fd_.get(); }
  const std::string& name() const { return name_; }
  uint32_t capacity() const { return capacity_; }

 protected:
  Result<bool> LookupRaw(const void* key, void* value) const;  // false = no such key
  Status UpdateRaw(const void* key, const void* value) const;
  Status DeleteRaw(const void* key) const;  // no such key = ok
  Status UpdateBatchRaw(const void* keys, const void* values, size_t count) const;
  Status DeleteBatchRaw(const void* keys, size_t count) const;  // stops at the first key that is not there
  // Each entry once, if nobody changes the map meanwhile. `visit` returns false to stop.
  Status ForEachRaw(const std::function<bool(const void* key, const void* value)>& visit) const;

 private:
  UniqueFd fd_;
  std::string name_;
  uint32_t capacity_ = 0;
  size_t key_size_ = 0;
  size_t value_size_ = 0;
};

template <typename Key, typename Value>
class BpfMap : public RawBpfMap {
 public:
  BpfMap() = default;
  static Result<BpfMap> Adopt(int fd, const std::string& name) {
    BULKHEAD_ASSIGN(RawBpfMap raw, RawBpfMap::Adopt(fd, name, sizeof(Key), sizeof(Value)));
    BpfMap map;
    static_cast<RawBpfMap&>(map) = std::move(raw);
    return map;
  }

  Result<std::optional<Value>> Lookup(const Key& key) const {
    Value value{};
    BULKHEAD_ASSIGN(const bool found, LookupRaw(&key, &value));
    return found ? std::optional<Value>(value) : std::nullopt;
  }
  Status Update(const Key& key, const Value& value) const { return UpdateRaw(&key, &value); }
  Status Delete(const Key& key) const { return DeleteRaw(&key); }
  Status UpdateBatch(const std::vector<Key>& keys, const std::vector<Value>& values) const {
    return UpdateBatchRaw(keys.data(), values.data(), keys.size());
  }
  // Keys that are not there are skipped.
  Status DeleteAll(const std::vector<Key>& keys) const {
    if (DeleteBatchRaw(keys.data(), keys.size()).ok()) return Ok();
    for (const Key& key : keys) BULKHEAD_RETURN_IF_ERROR(Delete(key));
    return Ok();
  }
  Status ForEach(const std::function<bool(const Key&, const Value&)>& visit) const {
    return ForEachRaw([&visit](const void* key, const void* value) {
      return visit(*static_cast<const Key*>(key), *static_cast<const Value*>(value));
    });
  }
};

// A per-CPU array: what a lookup returns is one value per possible CPU.
template <typename Value>
class BpfCounterMap : public RawBpfMap {
 public:
  BpfCounterMap() = default;
  static Result<BpfCounterMap> Adopt(int fd, const std::string& name, int cpus) {
    static_assert(sizeof(Value) % 8 == 0);  // the kernel pads each CPU's value to 8 bytes
    BULKHEAD_ASSIGN(RawBpfMap raw, RawBpfMap::Adopt(fd, name, sizeof(uint32_t), sizeof(Value)));
    BpfCounterMap map;
    static_cast<RawBpfMap&>(map) = std::move(raw);
    map.values_.resize(static_cast<size_t>(cpus));
    return map;
  }
  // Valid until the next call.
  Result<const std::vector<Value>*> Read(uint32_t index) {
    BULKHEAD_ASSIGN(const bool found, LookupRaw(&index, values_.data()));
    if (!found) return NotFound(name() + ": no such slot");
    return &values_;
  }
  Status Zero(uint32_t index) {
    values_.assign(values_.size(), Value{});
    return UpdateRaw(&index, values_.data());
  }

 private:
  std::vector<Value> values_;
};

}  // namespace bulkhead
