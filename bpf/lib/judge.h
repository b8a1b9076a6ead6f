/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One flow of one task: finds the task and its peer's tenant, evaluates the policy. Used by packet and call hooks. */
#pragma once

#include "bpf/lib/maps.h"
#include "bpf/lib/verdict.h"

#define JUDGE_ATTEMPTS 3

struct judgement {
	__u64 task; /* cgroup id */
	__u64 peer; /* cgroup id, PEER_NONE or PEER_UNKNOWN */
	struct flow_query query; /* direction, family, protocol, port, remote; DIR_BIND: protocol, port; the rest is found */
	__u64 generation; /* out: in which the verdict was made; 0 when the rules changed all the while */
	__u32 slot; /* out */
	__u32 known; /* out: the task is bound */
};

static __always_inline __u32 identity_of(__u64 peer, __u64 tenant)
{
	const struct task_record *record;

	if (peer == PEER_NONE)
		return CLASS_NONE;
	record = bpf_map_lookup_elem(&tasks, &peer);
	return record && record->tenant_cgroup_id == tenant ? CLASS_SAME_TENANT : CLASS_OTHER_TENANT;
}

/*
 * rule << 1 | allow. Hash elements are reused at once when they are deleted, so what was read counts only if the
 * generation stayed the same meanwhile: the agent raises it between a deletion and the next insertion.
 */
SUBPROGRAM int judge(struct judgement *judgement)
{
	if (!judgement)
		return VERDICT_DENY;
	for (int attempt = 0; attempt < JUDGE_ATTEMPTS; attempt++) {
		__u64 generation = current_generation();
		__u64 key = judgement->task, tenant;
		const struct task_record *task = bpf_map_lookup_elem(&tasks, &key);
		int verdict = VERDICT_DENY;

		judgement->known = task != 0;
		judgement->slot = DROP_SLOT_UNKNOWN;
		if (task) {
			judgement->slot = task->slot;
			judgement->query.policy_id = task->policy_id;
			tenant = task->tenant_cgroup_id;
			judgement->query.identity = identity_of(judgement->peer, tenant);
			verdict = judgement->query.direction == DIR_BIND ?
					  bind_allowed(task->policy_id, judgement->query.protocol,
						       judgement->query.port) :
					  policy_verdict(&judgement->query);
		}
		if (generation == current_generation()) {
			judgement->generation = generation;
			return verdict;
		}
	}
	judgement->generation = 0;
	return VERDICT_DENY;
}

static __always_inline __u64 address_owner(__u8 family, const __u8 *address)
{
	struct address_key key = {};
	const __u64 *owner;

	key.family = family;
	__builtin_memcpy(key.address, address, 16);
	owner = bpf_map_lookup_elem(&addresses, &key);
	return owner ? *owner : PEER_NONE;
}

static __always_inline int protocol_has_sockets(__u8 protocol)
{
	return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP;
}

/* The tuple that finds the socket which receives what `from` sends to `to`. Returns its length. */
static __always_inline __u32 fill_tuple(struct bpf_sock_tuple *tuple, __u8 family, const __u8 *from, __be16 from_port,
					const __u8 *to, __be16 to_port)
{
	if (family == FAMILY_V4) {
		__builtin_memcpy(&tuple->ipv4.saddr, from, 4);
		__builtin_memcpy(&tuple->ipv4.daddr, to, 4);
		tuple->ipv4.sport = from_port;
		tuple->ipv4.dport = to_port;
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, from, 16);
	__builtin_memcpy(tuple->ipv6.daddr, to, 16);
	tuple->ipv6.sport = from_port;
	tuple->ipv6.dport = to_port;
	return sizeof(tuple->ipv6);
}

#define LOOPBACK_IFINDEX 1 /* in every network namespace */
