/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The verdict of a flow against a compiled policy (agent/model/compiled_policy.h says what it means). Pure: the including
 * file provides find_policy, find_class, find_prefix and find_prefix_lpm; the kernel looks into maps, tests into tables.
 */
#pragma once

#include "bpf/abi/policy.h"
#include "bpf/lib/portable.h"

struct flow_query {
	__u32 policy_id;
	__u32 identity; /* CLASS_NONE, CLASS_SAME_TENANT, CLASS_OTHER_TENANT */
	__u8 direction; /* DIR_INGRESS or DIR_EGRESS */
	__u8 family;
	__u8 protocol;
	__u8 pad;
	__u32 port;	/* host order: destination's for egress, local for ingress, 0 without ports */
	__u8 remote[16];
};

/* A verdict is rule << 1 | allow; no interval matched: VERDICT_NONE. */
#define VERDICT_NONE (-1)
#define VERDICT_DENY 0

struct interval_search {
	const struct class_record *record;
	__u32 protocol;
	__u32 port;
	int verdict;
};

static long interval_step(__u32 i, void *argument)
{
	struct interval_search *search = (struct interval_search *)argument;
	const struct policy_interval *interval = &search->record->intervals[i & (POLICY_CHUNK - 1)];

	if (i >= search->record->count)
		return 1;
	if ((interval->protocol != 0 && interval->protocol != search->protocol) || search->port < interval->low ||
	    search->port > interval->high)
		return 0;
	search->verdict = (int)((interval->rule & 0x3fffffff) << 1 | (interval->allow == 1));
	return 1;
}

/* The first interval of the class that covers protocol and port decides. */
SUBPROGRAM int class_match(__u32 policy_id, __u32 class_id, __u32 direction, __u32 protocol, __u32 port)
{
	struct interval_search search = {};
	struct class_key key = {};

	key.policy_id = policy_id;
	key.class_id = class_id;
	key.direction = (__u8)direction;
	search.protocol = protocol;
	search.port = port;
	search.verdict = VERDICT_NONE;
	for (__u32 chunk = 0; chunk < POLICY_MAX_CHUNKS; chunk++) {
		const struct class_record *record;

		key.chunk = (__u8)chunk;
		record = find_class(&key);
		if (!record) /* a hole inside a class never opens it */
			return chunk ? VERDICT_DENY : VERDICT_NONE;
		search.record = record;
		bpf_loop(POLICY_CHUNK, (void *)interval_step, &search, 0);
		if (search.verdict != VERDICT_NONE || !record->more)
			return search.verdict;
	}
	return VERDICT_DENY;
}

/* The word's bits below the prefix length, cleared; `word` counts from the address's start. */
static __always_inline __u32 masked_word(__u32 value, __u32 length, __u32 word)
{
	__u32 bits = length > word * 32 ? length - word * 32 : 0;

	if (bits > 32)
		bits = 32;
	return value & bpf_htonl((__u32)(0xffffffff00000000ULL >> bits));
}

/* Class of the most specific prefix that covers the remote address; CLASS_NONE without one. */
SUBPROGRAM int prefix_class(const struct flow_query *query)
{
	const struct policy_record *record;
	struct prefix_key key = {};
	__u32 words[4], family_index, count;
	const __u8 *lengths;

	if (!query)
		return CLASS_NONE;
	record = find_policy(query->policy_id);
	if (!record)
		return CLASS_NONE;
	__builtin_memcpy(words, query->remote, 16);
	family_index = query->family == FAMILY_V6;
	count = record->length_count[query->direction & 1][family_index];
	if (count > POLICY_PROBE_LENGTHS) {
		struct prefix_lpm_key lpm = {};
		const __u32 *found;

		lpm.bits = PREFIX_LPM_EXACT_BITS + (family_index ? 128 : 32);
		lpm.policy_id = query->policy_id;
		lpm.direction = query->direction;
		lpm.family = query->family;
		__builtin_memcpy(lpm.address, words, 16);
		found = find_prefix_lpm(&lpm);
		return found ? (int)*found : CLASS_NONE;
	}
	key.policy_id = query->policy_id;
	key.direction = query->direction;
	key.family = query->family;
	/* Read ahead: a loop that ends in a load instead of a jump is a back-edge that 6.1 refuses. */
	lengths = record->lengths[query->direction & 1][family_index];
	for (__u32 i = 0; i < POLICY_PROBE_LENGTHS; i++) {
		const __u32 *found;
		__u32 masked[4];

		if (i >= count)
			break;
		key.length = lengths[i];
		masked[0] = masked_word(words[0], key.length, 0);
		masked[1] = masked_word(words[1], key.length, 1);
		masked[2] = masked_word(words[2], key.length, 2);
		masked[3] = masked_word(words[3], key.length, 3);
		__builtin_memcpy(key.address, masked, 16);
		found = find_prefix(&key);
		if (found)
			return (int)*found;
	}
	return CLASS_NONE;
}

/* rule << 1 | allow. Whatever matches nothing is denied. */
SUBPROGRAM int policy_verdict(const struct flow_query *query)
{
	int verdict, class_id;

	if (!query || !find_policy(query->policy_id))
		return VERDICT_DENY;
	if (query->identity != CLASS_NONE) {
		verdict = class_match(query->policy_id, query->identity, query->direction, query->protocol, query->port);
		if (verdict != VERDICT_NONE)
			return verdict;
	}
	class_id = prefix_class(query);
	if (class_id == CLASS_NONE)
		return VERDICT_DENY;
	verdict = class_match(query->policy_id, (__u32)class_id, query->direction, query->protocol, query->port);
	return verdict == VERDICT_NONE ? VERDICT_DENY : verdict;
}

/* May this task bind the port? Unrestricted policies and DIR_BIND intervals allow. */
static __always_inline int bind_allowed(__u32 policy_id, __u32 protocol, __u32 port)
{
	const struct policy_record *record = find_policy(policy_id);
	int verdict;

	if (!record)
		return 0;
	if (!record->bind_restricted)
		return 1;
	verdict = class_match(policy_id, CLASS_BIND, DIR_BIND, protocol, port);
	return verdict != VERDICT_NONE && (verdict & 1);
}
