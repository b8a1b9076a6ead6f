// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets of tasks: the authority over what passes. An established flow costs one look into its socket's storage; the
 * first packet of a flow, and every flow after a change of rules, is judged (packet_judge).
 */
#include "bpf/lib/portable.h"

#include <linux/if_ether.h>

static __always_inline int packet_load(void *skb, __u32 offset, void *to, __u32 length)
{
	return bpf_skb_load_bytes(skb, offset, to, length) != 0;
}

#include "bpf/lib/count.h"
#include "bpf/lib/packet.h"
#include "bpf/lib/flow.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define SOCK_RAW_TYPE 3
#define STATE_SYN_SENT 2
#define STATE_LISTEN 10
#define PACKET_LOOPBACK_TYPE 5 /* linux/if_packet.h: a multicast's copy for this host */

SUBPROGRAM int packet_parse(struct __sk_buff *skb, struct packet *packet)
{
	if (!packet)
		return DROP_MALFORMED;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return packet_parse_v4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return packet_parse_v6(skb, packet);
	return DROP_MALFORMED;
}

/* Did the packet come from, or does it go to, a socket of this network namespace? */
static __always_inline int stays_here(struct __sk_buff *skb, __u32 direction)
{
	if (direction == DIR_EGRESS)
		return skb->ifindex == LOOPBACK_IFINDEX;
	return skb->ingress_ifindex == LOOPBACK_IFINDEX || skb->pkt_type == PACKET_LOOPBACK_TYPE;
}

static __always_inline __u64 socket_identity(struct bpf_sock *sk)
{
	__u64 task;

	if (bpf_sk_ancestor_cgroup_id(sk, root_level) != root_cgroup_id)
		return PEER_NONE;
	task = bpf_sk_ancestor_cgroup_id(sk, TASK_LEVEL);
	return task ? task : PEER_UNKNOWN;
}

/*
 * The task at the other end: PEER_NONE for hosts elsewhere and for this host's own programs, PEER_UNKNOWN when it is on
 * this host and no socket can be found. A socket is looked up only for packets that stay in this network namespace:
 * a lookup for another address would find any socket here that is bound to that port on all addresses.
 */
SUBPROGRAM __u64 packet_peer(struct __sk_buff *skb, const struct packet *packet, __u32 direction)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	__u64 owner, found = PEER_NONE;
	__u32 length;

	if (!packet)
		return PEER_UNKNOWN;
	if (!stays_here(skb, direction))
		return direction == DIR_EGRESS ? address_owner(packet->family, packet->destination) :
						 address_owner(packet->family, packet->source);
	if (packet->protocol == PROTOCOL_ICMP || packet->protocol == PROTOCOL_ICMPV6)
		return direction == DIR_EGRESS ? address_owner(packet->family, packet->destination) :
						 address_owner(packet->family, packet->source);
	if (!protocol_has_sockets(packet->protocol))
		return PEER_UNKNOWN;
	if (direction == DIR_EGRESS)
		length = fill_tuple(&tuple, packet->family, packet->source, packet->source_port, packet->destination,
				    packet->destination_port);
	else
		length = fill_tuple(&tuple, packet->family, packet->destination, packet->destination_port,
				    packet->source, packet->source_port);
	if (packet->protocol == PROTOCOL_TCP) {
		sk = bpf_sk_lookup_tcp(skb, &tuple, length, BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			found = socket_identity(sk);
			bpf_sk_release(sk);
			return found;
		}
	} else {
		sk = bpf_sk_lookup_udp(skb, &tuple, length, BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			found = socket_identity(sk);
			bpf_sk_release(sk);
			return found;
		}
	}
	if (direction == DIR_INGRESS) /* its sender is gone: who it was cannot be known any more */
		return PEER_UNKNOWN;
	owner = address_owner(packet->family, packet->destination);
	return owner;
}

static __always_inline __u32 packet_scope(struct __sk_buff *skb, const struct packet *packet, __u32 direction,
					  const struct judgement *judgement)
{
	const __u8 *remote = judgement->query.remote;

	if (judgement->query.identity == CLASS_SAME_TENANT)
		return SCOPE_SAME_TENANT;
	if (judgement->query.identity == CLASS_OTHER_TENANT)
		return SCOPE_OTHER_TENANT;
	if (stays_here(skb, direction) || address_is_loopback(packet->family, remote))
		return SCOPE_HOST;
	return address_is_private(packet->family, remote) ? SCOPE_PRIVATE : SCOPE_INTERNET;
}

static __always_inline void count_packet(struct __sk_buff *skb, __u32 slot, __u32 direction, __u32 scope, __u32 header)
{
	__u32 segments = skb->gso_segs;
	__u64 extra = segments > 1 ? (__u64)(segments - 1) * header : 0;

	count_passed(slot, direction, scope, skb->len + extra, segments > 1 ? segments : 1);
}

/*
 * TCP. The side that opened the connection is judged: this task's egress rules for what it opened, its ingress rules for
 * what it accepted. 1 = passes.
 */
static __always_inline int tcp_verdict(struct __sk_buff *skb, struct bpf_sock *sk, struct flow_state *flow,
				       const struct packet *packet, __u32 direction, struct judgement *judgement)
{
	int listening = sk->state == STATE_LISTEN;
	__u64 word = *(volatile __u64 *)&flow->word;
	int opened;

	if (direction == DIR_EGRESS && (packet->tcp_flags & (TCP_FLAG_SYN_BIT | TCP_FLAG_ACK_BIT)) == TCP_FLAG_SYN_BIT) {
		/* A socket can connect again: what it knew is of another connection. */
		flow->opener = FLOW_OPENER_TASK;
		word &= FLOW_SEQUENCE_MASK;
		__sync_lock_test_and_set(&flow->word, word);
	} else if (!listening && flow->opener == FLOW_OPENER_UNSET) {
		/* Only an accepted socket was not made by the task; one that was and never sent a SYN was forged. */
		flow->opener = flow->owner ? FLOW_OPENER_TASK : FLOW_OPENER_REMOTE;
	}
	opened = !listening && flow->opener == FLOW_OPENER_TASK;
	judgement->query.direction = opened ? DIR_EGRESS : DIR_INGRESS;
	if (opened)
		judgement->query.port = bpf_ntohs(direction == DIR_EGRESS ? packet->destination_port : packet->source_port);
	else
		judgement->query.port = bpf_ntohs(direction == DIR_EGRESS ? packet->source_port : packet->destination_port);
	judgement->peer = packet_peer(skb, packet, direction);
	/* The peer's socket goes first when a connection closes; who it was is known from before. */
	if (!listening && (word & FLOW_KIND_MASK) == FLOW_TCP && (judgement->peer == PEER_UNKNOWN || !judgement->peer))
		judgement->peer = flow->peer;
	return judge(judgement) & 1;
}

/*
 * UDP, ICMP and raw sockets. Passes when this direction's rules allow it, or as the answer within a conversation that
 * the other direction's rules still allow. Each opened direction is kept for as long as the map has room.
 */
static __always_inline int datagram_verdict(struct __sk_buff *skb, const struct packet *packet, __u32 direction,
					    struct judgement *judgement)
{
	__u16 local = bpf_ntohs(direction == DIR_EGRESS ? packet->source_port : packet->destination_port);
	__u16 remote = bpf_ntohs(direction == DIR_EGRESS ? packet->destination_port : packet->source_port);
	struct udp_flow_key key = {};
	struct udp_flow *known, fresh = {};
	__u32 mine = 1u << direction, theirs = mine ^ 3;

	key.cookie = bpf_get_socket_cookie(skb);
	__builtin_memcpy(key.remote, judgement->query.remote, 16);
	key.remote_port = remote;
	key.family = packet->family;
	key.protocol = packet->protocol;
	known = bpf_map_lookup_elem(&udp_flows, &key);
	judgement->peer = packet_peer(skb, packet, direction);
	judgement->query.direction = direction;
	judgement->query.port = direction == DIR_EGRESS ? remote : local;
	if (judge(judgement) & 1) {
		if (!known) {
			fresh.opened = mine;
			bpf_map_update_elem(&udp_flows, &key, &fresh, BPF_ANY);
		} else if (!(known->opened & mine)) {
			__sync_fetch_and_or(&known->opened, mine);
		}
		return 1;
	}
	if (!known || !(known->opened & theirs))
		return 0;
	judgement->query.direction = direction == DIR_EGRESS ? DIR_INGRESS : DIR_EGRESS;
	judgement->query.port = direction == DIR_EGRESS ? local : remote;
	return judge(judgement) & 1;
}

/* On loopback the other socket can change hands while address and port stay: the cached verdict needs the same peer. */
static __always_inline int same_peer(struct __sk_buff *skb, struct flow_state *flow, const struct packet *packet,
				     __u32 direction, __u64 word)
{
	const __u8 *remote = direction == DIR_EGRESS ? packet->destination : packet->source;
	const __u8 *local = direction == DIR_EGRESS ? packet->source : packet->destination;
	__u64 peer;

	if ((word & FLOW_KIND_MASK) != FLOW_UDP || word >> FLOW_GENERATION_SHIFT != (__u32)current_generation())
		return 0;
	if (flow->family != packet->family || packet->protocol != PROTOCOL_UDP ||
	    flow->remote_port != (direction == DIR_EGRESS ? packet->destination_port : packet->source_port) ||
	    flow->local_port != (direction == DIR_EGRESS ? packet->source_port : packet->destination_port) ||
	    !same_address(flow->remote, remote) || !same_address(flow->local, local))
		return 0;
	peer = flow->peer;
	if (flow_reread(flow) != word)
		return 0;
	return packet_peer(skb, packet, direction) == peer;
}

static __always_inline int refuse(__u32 slot, __u32 direction, __u32 reason)
{
	count_drop(slot, direction, reason);
	return 0;
}

/* A packet whose flow is not known to pass: finds out, remembers, counts. */
SUBPROGRAM int packet_judge(struct __sk_buff *skb, __u32 direction)
{
	struct packet packet = {};
	struct judgement judgement = {};
	const struct task_record *task;
	struct flow_state *flow;
	struct bpf_sock *sk;
	__u32 slot, scope, reason, kind;
	__u64 task_id, word;
	int passes;

	direction &= 1;
	task_id = bpf_skb_ancestor_cgroup_id(skb, TASK_LEVEL);
	task = bpf_map_lookup_elem(&tasks, &task_id);
	if (!task)
		return refuse(DROP_SLOT_UNKNOWN, direction, DROP_UNKNOWN_TASK);
	slot = task->slot;
	reason = packet_parse(skb, &packet);
	if (reason)
		return refuse(slot, direction, reason);
	sk = skb->sk;
	if (!sk)
		return refuse(slot, direction, DROP_NO_STATE);
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return refuse(slot, direction, DROP_NO_STATE);
	flow = bpf_sk_storage_get(&flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!flow)
		return refuse(slot, direction, DROP_NO_STATE);
	word = *(volatile __u64 *)&flow->word;
	if (same_peer(skb, flow, &packet, direction, word)) {
		count_packet(skb, word >> FLOW_SLOT_SHIFT & FLOW_SLOT_MASK, direction,
			     word >> FLOW_SCOPE_SHIFT & FLOW_SCOPE_MASK, packet.header);
		return 1;
	}
	if (direction == DIR_EGRESS && !address_is_loopback(packet.family, packet.source)) {
		__u64 owner = address_owner(packet.family, packet.source);

		if (owner && owner != task_id)
			return refuse(slot, direction, DROP_SPOOFED);
	}
	judgement.task = task_id;
	judgement.query.family = packet.family;
	judgement.query.protocol = packet.protocol;
	__builtin_memcpy(judgement.query.remote, direction == DIR_EGRESS ? packet.destination : packet.source, 16);
	if (packet.protocol == PROTOCOL_TCP && sk->type != SOCK_RAW_TYPE) {
		kind = sk->state == STATE_LISTEN ? FLOW_NONE : FLOW_TCP; /* a listener's storage is shared by all clients */
		passes = tcp_verdict(skb, sk, flow, &packet, direction, &judgement);
		/* A reset ends what the handshake was allowed to begin; its sender's socket is gone already. */
		if (direction == DIR_INGRESS && (packet.tcp_flags & TCP_FLAG_RST_BIT) && judgement.peer == PEER_UNKNOWN) {
			judgement.query.identity = CLASS_NONE;
			passes = 1;
			kind = FLOW_NONE;
		}
	} else {
		kind = packet.protocol == PROTOCOL_UDP && sk->type != SOCK_RAW_TYPE ? FLOW_UDP : FLOW_NONE;
		passes = datagram_verdict(skb, &packet, direction, &judgement);
	}
	if (!judgement.known)
		return refuse(DROP_SLOT_UNKNOWN, direction, DROP_UNKNOWN_TASK);
	if (!passes)
		return refuse(judgement.slot, direction, DROP_POLICY);
	scope = packet_scope(skb, &packet, direction, &judgement);
	if (kind != FLOW_NONE)
		remember(flow, &packet, direction, &judgement, scope, kind);
	count_packet(skb, judgement.slot, direction, scope, packet.header);
	return 1;
}

/* The flow's cached addresses against a UDP packet that was not looked at yet. */
static __always_inline int udp_cached(struct __sk_buff *skb, const struct flow_state *flow, __u32 direction)
{
	const __u8 *data = (const __u8 *)(long)skb->data, *end = (const __u8 *)(long)skb->data_end;
	const __u8 *source, *destination, *ports;
	__u32 count;

	if (stays_here(skb, direction))
		return 0;
	if (flow->family == FAMILY_V4) {
		const __u32 *remote = (const __u32 *)flow->remote, *local = (const __u32 *)flow->local;
		const __u32 *ip = (const __u32 *)data;

		/* No options, not a fragment, UDP. */
		if (data + 28 > end || data[0] != 0x45 || data[9] != PROTOCOL_UDP || (data[6] & 0x3f) || data[7])
			return 0;
		if (ip[3] != (direction == DIR_EGRESS ? *local : *remote) ||
		    ip[4] != (direction == DIR_EGRESS ? *remote : *local))
			return 0;
		ports = data + 20;
	} else {
		if (data + 48 > end || (data[0] >> 4) != 6 || data[6] != PROTOCOL_UDP)
			return 0;
		source = direction == DIR_EGRESS ? flow->local : flow->remote;
		destination = direction == DIR_EGRESS ? flow->remote : flow->local;
		for (count = 0; count < 4; count++)
			if (((const __u32 *)(data + 8))[count] != ((const __u32 *)source)[count] ||
			    ((const __u32 *)(data + 24))[count] != ((const __u32 *)destination)[count])
				return 0;
		ports = data + 40;
	}
	return ((const __be16 *)ports)[0] == (direction == DIR_EGRESS ? flow->local_port : flow->remote_port) &&
	       ((const __be16 *)ports)[1] == (direction == DIR_EGRESS ? flow->remote_port : flow->local_port);
}

/* Bytes that each segment repeats. A packet that passed before is not refused here: what has no header adds none. */
SUBPROGRAM int packet_header(struct __sk_buff *skb)
{
	struct packet packet = {};

	packet_parse(skb, &packet);
	return (int)packet.header;
}

static __always_inline int police(struct __sk_buff *skb, __u32 direction)
{
	struct bpf_sock *sk = skb->sk;
	struct flow_state *flow;
	__u32 kind;
	__u64 word;
	int hit = 0;

	if (!sk)
		return packet_judge(skb, direction) & 1;
	flow = bpf_sk_storage_get(&flows, sk, 0, 0);
	if (!flow)
		return packet_judge(skb, direction) & 1;
	word = *(volatile __u64 *)&flow->word;
	kind = word & FLOW_KIND_MASK;
	if (word >> FLOW_GENERATION_SHIFT != (__u32)current_generation())
		return packet_judge(skb, direction) & 1;
	if (kind == FLOW_TCP) /* a connection has one tuple; a new one begins in SYN_SENT */
		hit = sk->state != STATE_LISTEN && (direction == DIR_INGRESS || sk->state != STATE_SYN_SENT);
	else if (kind == FLOW_UDP)
		hit = udp_cached(skb, flow, direction) && flow_reread(flow) == word;
	if (!hit)
		return packet_judge(skb, direction) & 1;
	count_packet(skb, word >> FLOW_SLOT_SHIFT & FLOW_SLOT_MASK, direction,
		     word >> FLOW_SCOPE_SHIFT & FLOW_SCOPE_MASK, skb->gso_segs > 1 ? packet_header(skb) : 0);
	return 1;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	return police(skb, DIR_EGRESS);
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	return police(skb, DIR_INGRESS);
}
