"""A foreign gRPC client: Debian's python3-grpcio and a descriptor set, no generated code of ours.

Requests and answers are plain dictionaries in protobuf's JSON form.
"""
import os
import pathlib

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

_BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD") or pathlib.Path(__file__).resolve().parents[2] / "build/dev")
_pool = None


def load_pool(files):
    """A pool of these FileDescriptorProtos, in any order."""
    pool, waiting = descriptor_pool.DescriptorPool(), {file.name: file for file in files}

    def add(name):
        file = waiting.pop(name, None)
        if file is not None:
            for needed in file.dependency:
                add(needed)
            pool.Add(file)
    for name in list(waiting):
        add(name)
    return pool


def built_pool():
    global _pool
    if _pool is None:
        wanted = descriptor_pb2.FileDescriptorSet.FromString((_BUILD / "proto/bulkhead.binpb").read_bytes())
        _pool = load_pool(wanted.file)
    return _pool


def call_on(channel, method, request, pool=None, timeout=20):
    """method: "NodeService/GetNode"."""
    pool = pool or built_pool()
    service, name = method.split("/")
    descriptor = pool.FindServiceByName("bulkhead.v1." + service).methods_by_name[name]
    factory = message_factory.MessageFactory(pool)
    ask = factory.GetPrototype(descriptor.input_type)
    answer = factory.GetPrototype(descriptor.output_type)
    stub = channel.unary_unary("/bulkhead.v1." + method, request_serializer=ask.SerializeToString,
                               response_deserializer=answer.FromString)
    got = stub(json_format.ParseDict(request, ask(), descriptor_pool=pool), timeout=timeout, wait_for_ready=False)
    return json_format.MessageToDict(got, descriptor_pool=pool)


def call(address, method, request, timeout=20):
    with grpc.insecure_channel(address) as channel:
        return call_on(channel, method, request, timeout=timeout)


def try_call(address, method, request):
    """None where the other side does not answer."""
    try:
        return call(address, method, request, timeout=2)
    except grpc.RpcError:
        return None


def same(message, values):
    """A message in protobuf's JSON form, whichever way its defaults are written, as MessageToDict writes it."""
    made = message_factory.MessageFactory(built_pool()).GetPrototype(
        built_pool().FindMessageTypeByName("bulkhead.v1." + message))
    return json_format.MessageToDict(json_format.ParseDict(values, made()))
