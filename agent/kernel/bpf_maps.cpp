#include "agent/kernel/bpf_maps.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include <bpf/bpf.h>
#include <fmt/format.h>

namespace bulkhead {
namespace {

// Entries of one batch: enough that the system call is not what costs, little enough to keep the agent small.
constexpr uint32_t kBatch = 8192;

}  // namespace

Result<RawBpfMap> RawBpfMap::Adopt(int fd, const std::string& name, size_t key_size, size_t value_size) {
  bpf_map_info info{};
  uint32_t length = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) return Errno(errno, "read information of map " + name);
  if (info.key_size != key_size || info.value_size != value_size)
    return FailedPrecondition(fmt::format("map {}: key and value have {} and {} bytes, not {} and {}", name,
                                          info.key_size, info.value_size, key_size, value_size));
  RawBpfMap map;
  map.fd_ = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!map.fd_.valid()) return Errno(errno, "keep map " + name);
  map.name_ = name;
  map.capacity_ = info.max_entries;
  map.key_size_ = key_size;
  map.value_size_ = value_size;
  return map;
}

Result<bool> RawBpfMap::LookupRaw(const void* key, void* value) const {
  if (bpf_map_lookup_elem(fd(), key, value) == 0) return true;
  if (errno == ENOENT) return false;
  return Errno(errno, "read map " + name_);
}

Status RawBpfMap::UpdateRaw(const void* key, const void* value) const {
  if (bpf_map_update_elem(fd(), key, value, BPF_ANY) == 0) return Ok();
  return Errno(errno, "write map " + name_);
}

Status RawBpfMap::DeleteRaw(const void* key) const {
  if (bpf_map_delete_elem(fd(), key) == 0 || errno == ENOENT) return Ok();
  return Errno(errno, "delete from map " + name_);
}

Status RawBpfMap::UpdateBatchRaw(const void* keys, const void* values, size_t count) const {
  const auto* key = static_cast<const char*>(keys);
  const auto* value = static_cast<const char*>(values);
  while (count > 0) {
    uint32_t done = static_cast<uint32_t>(std::min<size_t>(count, kBatch));
    if (bpf_map_update_batch(fd(), key, value, &done, nullptr) != 0) return Errno(errno, "write map " + name_);
    key += done * key_size_;
    value += done * value_size_;
    count -= done;
  }
  return Ok();
}

Status RawBpfMap::DeleteBatchRaw(const void* keys, size_t count) const {
  const auto* key = static_cast<const char*>(keys);
  while (count > 0) {
    uint32_t done = static_cast<uint32_t>(std::min<size_t>(count, kBatch));
    if (bpf_map_delete_batch(fd(), key, &done, nullptr) != 0) return Errno(errno, "delete from map " + name_);
    key += done * key_size_;
    count -= done;
  }
  return Ok();
}

Status RawBpfMap::ForEachRaw(const std::function<bool(const void* key, const void* value)>& visit) const {
  uint32_t room = std::min(kBatch, capacity_);
  std::vector<char> keys(room * key_size_), values(room * value_size_);
  // Where the next batch goes on: a bucket number for hashes, a key for tries.
  std::vector<char> position(std::max<size_t>(key_size_, 8)), next(position.size());
  bool first = true;
  for (;;) {
    uint32_t count = room;
    const int failed = bpf_map_lookup_batch(fd(), first ? nullptr : position.data(), next.data(), keys.data(),
                                            values.data(), &count, nullptr);
    const int error = failed != 0 ? errno : 0;
    if (error == ENOSPC) {  // one bucket holds more than a batch
      room *= 2;
      keys.resize(room * key_size_);
      values.resize(room * value_size_);
      continue;
    }
    if (error != 0 && error != ENOENT) return Errno(error, "read map " + name_);
    for (uint32_t i = 0; i < count; ++i)
      if (!visit(&keys[i * key_size_], &values[i * value_size_])) return Ok();
    if (error == ENOENT) return Ok();
    position.swap(next);
    first = false;
  }
}

}  // namespace bulkhead
