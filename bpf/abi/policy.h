/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the data plane (bpf/) and user space (agent/kernel): every map's key and value. Fixed width,
 * padding explicit, checked on both sides. A change of meaning or layout needs a new POLICY_SCHEMA: pins of different
 * schemas lie in different directories and never mix.
 */
#pragma once

#include <linux/types.h>

#ifdef __cplusplus
#define ABI_ASSERT(condition, why) static_assert(condition, why)
#else
#define ABI_ASSERT(condition, why) _Static_assert(condition, why)
#endif

#define POLICY_SCHEMA 1

#define POLICY_MAX_TASKS 16384
#define POLICY_MAX_POLICIES 16384
#define POLICY_MAX_PREFIXES 1048576
#define POLICY_MAX_CLASSES 131072
#define POLICY_MAX_ADDRESSES 65536
#define POLICY_MAX_UDP_FLOWS 131072
#define POLICY_CHUNK 32	     /* intervals in one class record */
#define POLICY_MAX_CHUNKS 8  /* records of one class: 256 intervals */
#define POLICY_PROBE_LENGTHS 8 /* distinct prefix lengths probed by hash; more fall to the LPM map */

enum policy_direction { DIR_INGRESS = 0, DIR_EGRESS = 1, DIR_BIND = 2 };
enum policy_family { FAMILY_V4 = 4, FAMILY_V6 = 6 };
enum policy_class_id { CLASS_NONE = 0, CLASS_SAME_TENANT = 1, CLASS_OTHER_TENANT = 2, CLASS_BIND = 3 };
enum policy_scope {
	SCOPE_SAME_TENANT = 0,
	SCOPE_OTHER_TENANT = 1,
	SCOPE_HOST = 2,
	SCOPE_PRIVATE = 3,
	SCOPE_INTERNET = 4,
	SCOPES = 5,
};
enum drop_reason {
	DROP_NONE = 0,
	DROP_UNKNOWN_TASK = 1,
	DROP_POLICY = 2,
	DROP_MALFORMED = 3,
	DROP_FRAGMENT = 4,
	DROP_NO_STATE = 5,
	DROP_SPOOFED = 6,
	DROP_BIND = 7,
	DROP_REASONS = 8,
};

/* map "tasks", hash: cgroup id (u64) of a task → its record. Written by the agent; replacing a record is the policy flip. */
struct task_record {
	__u64 tenant_cgroup_id;
	__u32 policy_id;
	__u32 slot;
};
ABI_ASSERT(sizeof(struct task_record) == 16, "task_record");

/* map "policies", hash: policy id (u32) → what is probed. Written last on install, deleted first on retire. */
struct policy_record {
	__u64 hash[2];	/* CompiledPolicy::ContentHash */
	/* Prefix lengths in use, longest first, [DIR_INGRESS/DIR_EGRESS][0 = v4, 1 = v6]. */
	__u8 lengths[2][2][POLICY_PROBE_LENGTHS];
	__u8 length_count[2][2];	/* > POLICY_PROBE_LENGTHS: the LPM map holds this set */
	__u8 bind_restricted;
	__u8 pad[3];
};
ABI_ASSERT(sizeof(struct policy_record) == 56, "policy_record");

/* maps "prefixes" (hash) → class id (u32). */
struct prefix_key {
	__u32 policy_id;
	__u8 direction;
	__u8 family;
	__u8 length;
	__u8 pad;
	__u8 address[16];	/* network order; IPv4 in the first four bytes; bits past length zero */
};
ABI_ASSERT(sizeof(struct prefix_key) == 24, "prefix_key");

/* map "prefixes_lpm" (LPM trie) → class id (u32). The exact fields come first: 48 bits + the prefix length. */
struct prefix_lpm_key {
	__u32 bits;	/* PREFIX_LPM_EXACT_BITS + prefix length */
	__u32 policy_id;
	__u8 direction;
	__u8 family;
	__u8 address[16];
	__u8 pad[2];	/* past the longest prefix: never compared */
};
ABI_ASSERT(sizeof(struct prefix_lpm_key) == 28, "prefix_lpm_key");
#define PREFIX_LPM_EXACT_BITS 48

/* map "classes", hash: one record holds up to POLICY_CHUNK intervals; chunk 0, 1, … in order; the first match decides. */
struct class_key {
	__u32 policy_id;
	__u32 class_id;
	__u8 direction;
	__u8 chunk;
	__u8 pad[2];
};
ABI_ASSERT(sizeof(struct class_key) == 12, "class_key");

struct policy_interval {
	__u8 protocol;	/* 0 = any */
	__u8 allow;
	__u16 low;	/* host order, inclusive */
	__u16 high;
	__u16 pad;
	__u32 rule;
};
ABI_ASSERT(sizeof(struct policy_interval) == 12, "policy_interval");

struct class_record {
	__u32 count;
	__u32 more;	/* another chunk follows */
	struct policy_interval intervals[POLICY_CHUNK];
};
ABI_ASSERT(sizeof(struct class_record) == 8 + 12 * POLICY_CHUNK, "class_record");

/* map "addresses", hash → cgroup id (u64) of the task that owns the address. Written by the agent. */
struct address_key {
	__u8 family;
	__u8 pad[3];
	__u8 address[16];
};
ABI_ASSERT(sizeof(struct address_key) == 20, "address_key");

/*
 * map "control", array of one. The agent raises generation after every change, and before the memory of what it deleted
 * can be used again; cached verdicts of older generations lapse. Its low 32 bits are never 0.
 */
struct control_record {
	__u64 generation;
};

/* map "traffic", per-CPU array by slot. */
struct traffic_counter {
	__u64 bytes;
	__u64 packets;
};
struct traffic_record {
	struct traffic_counter passed[2][SCOPES];
};
ABI_ASSERT(sizeof(struct traffic_record) == 160, "traffic_record");

/* map "drops", per-CPU array by slot; the last slot (POLICY_MAX_TASKS) counts packets of no task. */
struct drop_record {
	__u64 packets[2][DROP_REASONS];
};
ABI_ASSERT(sizeof(struct drop_record) == 128, "drop_record");
#define DROP_SLOT_UNKNOWN POLICY_MAX_TASKS

/*
 * map "flows", socket storage: what is known of the socket's flow. Only flows that pass are cached; a cached flow passes
 * in both directions. `word` holds everything that a cached packet needs and is read and replaced as one value:
 *   63..32 low half of the generation it was judged in (never 0) · 31..20 sequence, counts replacements
 *   19..5 slot · 4..2 scope · 1..0 kind
 * A writer owns the other cached fields while kind is FLOW_BUSY; a reader compares `word` before and after reading them.
 */
struct flow_state {
	__u64 word;
	__u64 owner;		/* cgroup id of the task that made the socket; 0 for an accepted one */
	__u64 peer;		/* cgroup id of the peer task on this host; PEER_* */
	__u8 remote[16];	/* UDP only, like the rest of the tuple */
	__u8 local[16];
	__be16 remote_port;
	__be16 local_port;
	__u8 family;
	__u8 opener;		/* TCP: who opened the connection, FLOW_OPENER_*; set by its first packet */
	__u8 pad[2];
};
ABI_ASSERT(sizeof(struct flow_state) == 64, "flow_state");
enum flow_kind { FLOW_NONE = 0, FLOW_TCP = 1, FLOW_UDP = 2, FLOW_BUSY = 3 };
enum flow_opener { FLOW_OPENER_UNSET = 0, FLOW_OPENER_REMOTE = 1, FLOW_OPENER_TASK = 2 };
#define FLOW_GENERATION_SHIFT 32
#define FLOW_SEQUENCE_ONE (1ULL << 20)
#define FLOW_SEQUENCE_MASK 0xfff00000ULL
#define FLOW_SLOT_SHIFT 5
#define FLOW_SLOT_MASK 0x7fff
#define FLOW_SCOPE_SHIFT 2
#define FLOW_SCOPE_MASK 7
#define FLOW_KIND_MASK 3
#define PEER_NONE 0ULL		/* the other end is no task of this host */
#define PEER_UNKNOWN (~0ULL)	/* on this host, but of no known task: judged as another tenant's */

/* map "udp_flows", LRU hash: conversations of unconnected UDP, ICMP and raw sockets. */
struct udp_flow_key {
	__u64 cookie;	/* of the socket: no other task can use the entry */
	__u8 remote[16];
	__u16 remote_port;
	__u8 family;
	__u8 protocol;
	__u8 pad[4];
};
ABI_ASSERT(sizeof(struct udp_flow_key) == 32, "udp_flow_key");
struct udp_flow {
	__u32 opened;	/* bit DIR_INGRESS: the remote spoke first and was allowed; bit DIR_EGRESS: the task did */
	__u32 pad;
};
ABI_ASSERT(sizeof(struct udp_flow) == 8, "udp_flow");
