/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket remembers of its flow (struct flow_state), read and written on several CPUs at a time without a lock. */
#pragma once

#include "bpf/lib/judge.h"

static __always_inline int same_address(const __u8 *a, const __u8 *b)
{
	__u64 x[2], y[2];

	__builtin_memcpy(x, a, 16);
	__builtin_memcpy(y, b, 16);
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* The word again, after the fields that it guards were read. x86 keeps loads in order; others need the full barrier. */
static __always_inline __u64 flow_reread(struct flow_state *flow)
{
#ifdef __TARGET_ARCH_x86
	__asm__ __volatile__("" ::: "memory");
	return *(volatile __u64 *)&flow->word;
#else
	return __sync_fetch_and_add(&flow->word, 0);
#endif
}

/* Keeps a passing verdict with the socket. Another CPU that writes at the same time keeps its own, equally true one. */
static __always_inline void remember(struct flow_state *flow, const struct packet *packet, __u32 direction,
				     const struct judgement *judgement, __u32 scope, __u32 kind)
{
	__u64 old = *(volatile __u64 *)&flow->word, busy, word;

	if (!judgement->generation || (old & FLOW_KIND_MASK) == FLOW_BUSY)
		return;
	busy = (old & FLOW_SEQUENCE_MASK) | FLOW_BUSY;
	if (__sync_val_compare_and_swap(&flow->word, old, busy) != old)
		return;
	flow->peer = judgement->peer;
	if (kind == FLOW_UDP) {
		__builtin_memcpy(flow->remote, judgement->query.remote, 16);
		__builtin_memcpy(flow->local, direction == DIR_EGRESS ? packet->source : packet->destination, 16);
		flow->remote_port = direction == DIR_EGRESS ? packet->destination_port : packet->source_port;
		flow->local_port = direction == DIR_EGRESS ? packet->source_port : packet->destination_port;
		flow->family = packet->family;
	}
	word = judgement->generation << FLOW_GENERATION_SHIFT | ((old + FLOW_SEQUENCE_ONE) & FLOW_SEQUENCE_MASK) |
	       (__u64)(judgement->slot & FLOW_SLOT_MASK) << FLOW_SLOT_SHIFT |
	       (__u64)(scope & FLOW_SCOPE_MASK) << FLOW_SCOPE_SHIFT | kind;
	__sync_lock_test_and_set(&flow->word, word);
}
