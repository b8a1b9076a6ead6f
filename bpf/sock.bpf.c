// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * System calls of tasks: socket, connect, sendmsg, bind. They tell the application at once (EPERM) what packet.bpf.c
 * would drop; where the two could differ, the call passes and the packet decides.
 */
#include "bpf/lib/portable.h"

/* Addresses come from the call, so there is nothing to parse; packet.h is used for its address tests. */
static __always_inline int packet_load(void *context, __u32 offset, void *to, __u32 length)
{
	return -1;
}

#include "bpf/lib/count.h"
#include "bpf/lib/packet.h"
#include "bpf/lib/judge.h"

#define PROTOCOL_MPTCP 262

struct call {
	__u64 task;
	__u8 address[16];
	__be16 port;
	__u8 family;
	__u8 protocol;
	__u8 surely_local; /* a loopback destination never leaves this network namespace */
	__u8 pad[3];
};

/* The task that made the socket, which is whom its packets are charged to; else the caller. 0: not one of ours. */
static __always_inline __u64 calling_task(struct bpf_sock *sk)
{
	struct flow_state *flow = sk ? bpf_sk_storage_get(&flows, sk, 0, 0) : 0;
	__u64 task;

	if (flow && flow->owner)
		return flow->owner;
	if (bpf_get_current_ancestor_cgroup_id(root_level) != root_cgroup_id)
		return 0;
	task = bpf_get_current_ancestor_cgroup_id(TASK_LEVEL);
	return task ? task : PEER_UNKNOWN;
}

/* Which task owns the socket at the destination; its sockets carry the owner since they were made. */
static __always_inline __u64 destination_owner(struct bpf_sock_addr *ctx, const struct call *call)
{
	struct bpf_sock_tuple tuple = {};
	__u8 from[16] = {};
	struct flow_state *flow;
	struct bpf_sock *sk;
	__u64 owner = PEER_NONE;
	__u32 length;

	if (!protocol_has_sockets(call->protocol))
		return PEER_NONE;
	length = fill_tuple(&tuple, call->family, call->surely_local ? call->address : from, 0, call->address, call->port);
	if (call->protocol == PROTOCOL_TCP) {
		sk = bpf_sk_lookup_tcp(ctx, &tuple, length, BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			flow = bpf_sk_storage_get(&flows, sk, 0, 0);
			if (flow)
				owner = flow->owner;
			bpf_sk_release(sk);
		}
	} else {
		sk = bpf_sk_lookup_udp(ctx, &tuple, length, BPF_F_CURRENT_NETNS, 0);
		if (sk) {
			flow = bpf_sk_storage_get(&flows, sk, 0, 0);
			if (flow)
				owner = flow->owner;
			bpf_sk_release(sk);
		}
	}
	return owner;
}

/* The remote spoke first: the packet hook knows whether the answer passes. */
static __always_inline int is_reply(__u64 cookie, const struct call *call)
{
	struct udp_flow_key key = {};
	struct udp_flow *known;

	key.cookie = cookie;
	__builtin_memcpy(key.remote, call->address, 16);
	key.remote_port = bpf_ntohs(call->port);
	key.family = call->family;
	key.protocol = call->protocol;
	known = bpf_map_lookup_elem(&udp_flows, &key);
	return known && (known->opened & (1u << DIR_INGRESS));
}

static __always_inline int refuse_call(__u32 slot, __u32 direction, __u32 reason)
{
	count_drop(slot, direction, reason);
	return 0;
}

/* connect and sendmsg. 1 = go on, 0 = EPERM. */
SUBPROGRAM int call_verdict(struct bpf_sock_addr *ctx, struct call *call, int is_message)
{
	struct judgement judgement = {};
	__u64 peer;

	if (!call)
		return 0;
	call->task = calling_task(ctx->sk);
	if (!call->task)
		return 1;
	peer = destination_owner(ctx, call);
	judgement.task = call->task;
	judgement.query.direction = DIR_EGRESS;
	judgement.query.family = call->family;
	judgement.query.protocol = call->protocol;
	judgement.query.port = bpf_ntohs(call->port);
	__builtin_memcpy(judgement.query.remote, call->address, 16);
	judgement.peer = peer ? peer : address_owner(call->family, call->address);
	if (judge(&judgement) & 1)
		return 1;
	if (!judgement.known)
		return refuse_call(DROP_SLOT_UNKNOWN, DIR_EGRESS, DROP_UNKNOWN_TASK);
	/* Elsewhere the socket found may just happen to have the same port: both readings must deny. */
	if (!call->surely_local && peer) {
		judgement.peer = address_owner(call->family, call->address);
		if (judge(&judgement) & 1)
			return 1;
	}
	if (is_message && is_reply(bpf_get_socket_cookie(ctx), call))
		return 1;
	return refuse_call(judgement.slot, DIR_EGRESS, DROP_POLICY);
}

static __always_inline void call_protocol(struct call *call, __u32 protocol, __be16 port)
{
	call->protocol = protocol == PROTOCOL_MPTCP ? PROTOCOL_TCP : (__u8)protocol;
	/* A port means something only where packet_transport() reads one. */
	switch (call->protocol) {
	case PROTOCOL_TCP:
	case PROTOCOL_UDP:
	case PROTOCOL_UDPLITE:
	case PROTOCOL_SCTP:
	case PROTOCOL_DCCP:
		call->port = port;
	}
}

/* An unspecified destination means this host. */
static __always_inline int judge_v4(struct bpf_sock_addr *ctx, __be32 address, int is_message)
{
	struct call call = {};

	if (!address)
		address = bpf_htonl(0x7f000001);
	__builtin_memcpy(call.address, &address, 4);
	call.family = FAMILY_V4;
	call_protocol(&call, ctx->protocol, (__be16)ctx->user_port);
	call.surely_local = call.address[0] == 127;
	return call_verdict(ctx, &call, is_message) & 1;
}

static __always_inline int judge_v6(struct bpf_sock_addr *ctx, int is_message)
{
	struct call call = {};
	__u32 words[4];

	words[0] = ctx->user_ip6[0];
	words[1] = ctx->user_ip6[1];
	words[2] = ctx->user_ip6[2];
	words[3] = ctx->user_ip6[3];
	if (!words[0] && !words[1] && words[2] == bpf_htonl(0xffff)) /* v4-mapped: IPv4 on the wire */
		return judge_v4(ctx, words[3], is_message);
	if (!words[0] && !words[1] && !words[2] && !words[3])
		words[3] = bpf_htonl(1);
	__builtin_memcpy(call.address, words, 16);
	call.family = FAMILY_V6;
	call_protocol(&call, ctx->protocol, (__be16)ctx->user_port);
	call.surely_local = address_is_loopback(FAMILY_V6, call.address);
	return call_verdict(ctx, &call, is_message) & 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return judge_v4(ctx, ctx->user_ip4, 0);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return judge_v6(ctx, 0);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return judge_v4(ctx, ctx->user_ip4, 1);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return judge_v6(ctx, 1);
}

static __always_inline int bind_verdict(struct bpf_sock_addr *ctx)
{
	struct judgement judgement = {};
	struct call call = {};

	judgement.task = calling_task(ctx->sk);
	if (!judgement.task)
		return 1;
	call_protocol(&call, ctx->protocol, (__be16)ctx->user_port);
	judgement.query.direction = DIR_BIND;
	judgement.query.protocol = call.protocol;
	judgement.query.port = bpf_ntohs(call.port);
	if (judge(&judgement) & 1)
		return 1;
	if (!judgement.known)
		return refuse_call(DROP_SLOT_UNKNOWN, DIR_INGRESS, DROP_UNKNOWN_TASK);
	return refuse_call(judgement.slot, DIR_INGRESS, DROP_BIND);
}

SEC("cgroup/bind4")
int bind4(struct bpf_sock_addr *ctx)
{
	return bind_verdict(ctx);
}

SEC("cgroup/bind6")
int bind6(struct bpf_sock_addr *ctx)
{
	return bind_verdict(ctx);
}

/* The owner stays with the socket wherever it is passed to: call hooks cannot ask a socket for its cgroup. */
SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *sk)
{
	struct flow_state *flow;
	__u64 task;

	if (bpf_get_current_ancestor_cgroup_id(root_level) != root_cgroup_id)
		return 1;
	task = bpf_get_current_ancestor_cgroup_id(TASK_LEVEL);
	if (!task || !bpf_map_lookup_elem(&tasks, &task))
		return refuse_call(DROP_SLOT_UNKNOWN, DIR_EGRESS, DROP_UNKNOWN_TASK);
	flow = bpf_sk_storage_get(&flows, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!flow)
		return refuse_call(DROP_SLOT_UNKNOWN, DIR_EGRESS, DROP_NO_STATE);
	flow->owner = task;
	return 1;
}
