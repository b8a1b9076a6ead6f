/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map, shared by all objects (weak: the linker keeps one). Keys and values: bpf/abi/policy.h. */
#pragma once

#include "bpf/abi/policy.h"
#include "bpf/lib/portable.h"

/* Set before load: where Bulkhead's top cgroup lies in the hierarchy, and its id. */
const volatile __u32 root_level __weak = 1;
const volatile __u64 root_cgroup_id __weak = 0;
#define TASK_LEVEL (root_level + 2)

/* Written by the agent; read for every flow's first packet. Replacing a record is the policy flip. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, POLICY_MAX_TASKS);
	__type(key, __u64);
	__type(value, struct task_record);
} tasks __weak SEC(".maps");

/* Written by the agent: last when a policy is installed, deleted first when it is retired. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, POLICY_MAX_POLICIES);
	__type(key, __u32);
	__type(value, struct policy_record);
} policies __weak SEC(".maps");

/* Written by the agent, for as long as the policy lives; direction and family with few distinct lengths. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, POLICY_MAX_PREFIXES);
	__type(key, struct prefix_key);
	__type(value, __u32);
} prefixes __weak SEC(".maps");

/* As prefixes, for more than POLICY_PROBE_LENGTHS distinct lengths. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, POLICY_MAX_PREFIXES);
	__type(key, struct prefix_lpm_key);
	__type(value, __u32);
} prefixes_lpm __weak SEC(".maps");

/* Written by the agent, for as long as the policy lives. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, POLICY_MAX_CLASSES);
	__type(key, struct class_key);
	__type(value, struct class_record);
} classes __weak SEC(".maps");

/* Written by the agent: which task owns an address (tasks in network namespaces of their own). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, POLICY_MAX_ADDRESSES);
	__type(key, struct address_key);
	__type(value, __u64);
} addresses __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct control_record);
} control __weak SEC(".maps");

/* Counted here, read and reset by the agent; by slot. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, POLICY_MAX_TASKS);
	__type(key, __u32);
	__type(value, struct traffic_record);
} traffic __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, POLICY_MAX_TASKS + 1);
	__type(key, __u32);
	__type(value, struct drop_record);
} drops __weak SEC(".maps");

/* Written by the programs alone; lives and dies with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct flow_state);
} flows __weak SEC(".maps");

/* Written by the programs alone; the least recently used entry makes room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, POLICY_MAX_UDP_FLOWS);
	__type(key, struct udp_flow_key);
	__type(value, struct udp_flow);
} udp_flows __weak SEC(".maps");

static __always_inline const struct policy_record *find_policy(__u32 policy_id)
{
	return bpf_map_lookup_elem(&policies, &policy_id);
}

static __always_inline const struct class_record *find_class(const struct class_key *key)
{
	return bpf_map_lookup_elem(&classes, key);
}

static __always_inline const __u32 *find_prefix(const struct prefix_key *key)
{
	return bpf_map_lookup_elem(&prefixes, key);
}

static __always_inline const __u32 *find_prefix_lpm(const struct prefix_lpm_key *key)
{
	return bpf_map_lookup_elem(&prefixes_lpm, key);
}

static __always_inline __u64 current_generation(void)
{
	__u32 zero = 0;
	const volatile struct control_record *record = bpf_map_lookup_elem(&control, &zero);

	return record ? record->generation : 0;
}
