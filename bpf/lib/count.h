/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counters. Atomic although per CPU: a send in process context is interrupted by the same task's receive or ACK, and a
 * lost increment is a wrong bill.
 */
#pragma once

#include "bpf/lib/maps.h"

static __always_inline void count_drop(__u32 slot, __u32 direction, __u32 reason)
{
	struct drop_record *record = bpf_map_lookup_elem(&drops, &slot);

	if (record)
		__sync_fetch_and_add(&record->packets[direction & 1][reason & (DROP_REASONS - 1)], 1);
}

/* Bytes are those of layer 3 on the wire: every segment of a GSO packet repeats the headers. */
static __always_inline void count_passed(__u32 slot, __u32 direction, __u32 scope, __u64 bytes, __u64 packets)
{
	struct traffic_record *record = bpf_map_lookup_elem(&traffic, &slot);

	if (!record || scope >= SCOPES)
		return;
	__sync_fetch_and_add(&record->passed[direction & 1][scope].bytes, bytes);
	__sync_fetch_and_add(&record->passed[direction & 1][scope].packets, packets);
}
