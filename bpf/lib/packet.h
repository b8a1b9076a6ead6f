/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bounded parse of a packet from its layer 3 header on. The including file provides
 *   packet_load(context, offset, destination, length)  0 when all bytes are there,
 * so the same code runs in the kernel and in host-compiled tests. What cannot be parsed within the bounds is refused.
 */
#pragma once

#include "bpf/abi/policy.h"
#include "bpf/lib/portable.h"

#define PACKET_MAX_EXTENSIONS 8	/* IPv6 extension headers; a longer chain is malformed */
#define PACKET_MAX_OPTIONS 40	/* bytes of IPv4 options */

enum packet_option { OPTION_END = 0, OPTION_NOTHING = 1, OPTION_LOOSE_ROUTE = 131, OPTION_STRICT_ROUTE = 137 };

enum packet_protocol {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_DCCP = 33,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_AH = 51,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_DESTINATION = 60,
	PROTOCOL_SCTP = 132,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_UDPLITE = 136,
};

#define TCP_FLAG_SYN_BIT 0x02
#define TCP_FLAG_RST_BIT 0x04
#define TCP_FLAG_ACK_BIT 0x10

struct packet {
	__u8 source[16]; /* network order; IPv4 in the first four bytes */
	__u8 destination[16];
	__be16 source_port; /* 0 for protocols without ports */
	__be16 destination_port;
	__u8 family;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 pad;
	__u32 header; /* bytes of all headers: what each segment of a GSO packet repeats */
};

/* The layer 4 header at `offset`. */
static __always_inline int packet_transport(void *context, struct packet *packet, __u32 offset)
{
	__u8 bytes[20];

	switch (packet->protocol) {
	case PROTOCOL_TCP:
		if (packet_load(context, offset, bytes, 20))
			return DROP_MALFORMED;
		if ((bytes[12] >> 4) < 5)
			return DROP_MALFORMED;
		packet->tcp_flags = bytes[13];
		packet->header = offset + (bytes[12] >> 4) * 4u;
		break;
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
		if (packet_load(context, offset, bytes, 8))
			return DROP_MALFORMED;
		packet->header = offset + 8;
		break;
	case PROTOCOL_SCTP:
	case PROTOCOL_DCCP:
		if (packet_load(context, offset, bytes, 12))
			return DROP_MALFORMED;
		packet->header = offset + 12;
		break;
	default:
		packet->header = offset;
		return DROP_NONE;
	}
	__builtin_memcpy(&packet->source_port, bytes, 2);
	__builtin_memcpy(&packet->destination_port, bytes + 2, 2);
	return DROP_NONE;
}

struct option_walk {
	__u8 options[PACKET_MAX_OPTIONS];
	__u32 length;
	__u32 at;
	__u32 refused;
};

static long option_step(__u32 step, void *argument)
{
	struct option_walk *walk = (struct option_walk *)argument;
	__u32 at = walk->at;

	(void)step;
	if (at >= PACKET_MAX_OPTIONS - 1 || at >= walk->length || walk->options[at] == OPTION_END)
		return 1;
	if (walk->options[at] == OPTION_NOTHING) {
		walk->at = at + 1;
		return 0;
	}
	if (walk->options[at] == OPTION_LOOSE_ROUTE || walk->options[at] == OPTION_STRICT_ROUTE ||
	    walk->options[at + 1] < 2) {
		walk->refused = 1;
		return 1;
	}
	walk->at = at + walk->options[at + 1];
	return 0;
}

/* A source route sends the packet on to another address than the one that is judged. */
static __always_inline int packet_source_routed(void *context, __u32 length)
{
	struct option_walk walk = {};

	OPAQUE(length); /* a multiple of 4; the verifier of 6.1 sees that "below 4" leaves no 0, but not that "not 0" does */
	if (length < 4)
		return 0;
	if (length > PACKET_MAX_OPTIONS || packet_load(context, 20, walk.options, length))
		return 1;
	walk.length = length;
	bpf_loop(PACKET_MAX_OPTIONS, (void *)option_step, &walk, 0);
	return walk.refused != 0;
}

static __always_inline int packet_parse_v4(void *context, struct packet *packet)
{
	__u8 ip[20];
	__u32 header;

	if (packet_load(context, 0, ip, 20))
		return DROP_MALFORMED;
	header = (ip[0] & 15) * 4u;
	if ((ip[0] >> 4) != 4 || header < 20)
		return DROP_MALFORMED;
	if ((ip[6] & 0x3f) || ip[7]) /* more fragments, or not the first one */
		return DROP_FRAGMENT;
	if (packet_source_routed(context, header - 20))
		return DROP_MALFORMED;
	packet->family = FAMILY_V4;
	packet->protocol = ip[9];
	__builtin_memcpy(packet->source, ip + 12, 4);
	__builtin_memcpy(packet->destination, ip + 16, 4);
	return packet_transport(context, packet, header);
}

static __always_inline int packet_is_extension(__u8 protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING || protocol == PROTOCOL_FRAGMENT ||
	       protocol == PROTOCOL_AH || protocol == PROTOCOL_DESTINATION || protocol == PROTOCOL_MOBILITY;
}

static __always_inline int packet_parse_v6(void *context, struct packet *packet)
{
	__u8 ip[40];
	__u32 offset = 40;
	int found = 0;
	__u8 next;

	if (packet_load(context, 0, ip, 40) || (ip[0] >> 4) != 6)
		return DROP_MALFORMED;
	packet->family = FAMILY_V6;
	__builtin_memcpy(packet->source, ip + 8, 16);
	__builtin_memcpy(packet->destination, ip + 24, 16);
	next = ip[6];
	for (int step = 0; step < PACKET_MAX_EXTENSIONS + 1; step++) {
		__u8 extension[8];

		if (!packet_is_extension(next)) {
			found = 1;
			break;
		}
		if (packet_load(context, offset, extension, 8))
			return DROP_MALFORMED;
		if (next == PROTOCOL_ROUTING && extension[3] != 0) /* segments left: not yet at its destination */
			return DROP_MALFORMED;
		if (next == PROTOCOL_FRAGMENT && (extension[2] || (extension[3] & 0xf9)))
			return DROP_FRAGMENT; /* an atomic fragment is a whole packet */
		if (next == PROTOCOL_FRAGMENT)
			extension[1] = 0; /* reserved there; its length is fixed */
		offset += next == PROTOCOL_AH ? (extension[1] + 2u) * 4u : (extension[1] + 1u) * 8u;
		next = extension[0];
	}
	if (!found)
		return DROP_MALFORMED;
	packet->protocol = next;
	return packet_transport(context, packet, offset);
}

static __always_inline int address_is_loopback(__u8 family, const __u8 *address)
{
	__u64 halves[2];

	if (family == FAMILY_V4)
		return address[0] == 127;
	__builtin_memcpy(halves, address, 16);
	return halves[0] == 0 && halves[1] == bpf_cpu_to_be64(1);
}

/* RFC 1918, CGNAT, link-local; ULA and link-local for IPv6. */
static __always_inline int address_is_private(__u8 family, const __u8 *address)
{
	if (family == FAMILY_V4)
		return address[0] == 10 || (address[0] == 172 && (address[1] & 0xf0) == 16) ||
		       (address[0] == 192 && address[1] == 168) || (address[0] == 100 && (address[1] & 0xc0) == 64) ||
		       (address[0] == 169 && address[1] == 254);
	return (address[0] & 0xfe) == 0xfc || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
}
