/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What lets bpf/lib/ compile for the kernel and, by a C++ compiler, for tests on the host. */
#pragma once

#ifdef __bpf__
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
/* Verified once, called from anywhere; the first of several objects' copies is linked. */
#define SUBPROGRAM __weak __attribute__((noinline))
/* Keeps the compiler from rewriting what follows by what it knows of the value: the verifier may not know that. */
#define OPAQUE(value) asm volatile("" : "+r"(value))
#else
#include <arpa/inet.h>
#include <endian.h>
#include <linux/types.h>
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define SUBPROGRAM inline
#define OPAQUE(value) ((void)(value))
#define bpf_htonl(value) htonl(value)
#define bpf_cpu_to_be64(value) htobe64(value)
static inline long bpf_loop(__u32 count, void *step, void *argument, __u64 flags)
{
	(void)flags;
	for (__u32 i = 0; i < count; i++)
		if (((long (*)(__u32, void *))step)(i, argument))
			return i + 1;
	return count;
}
#endif
