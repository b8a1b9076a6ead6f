"""A client that has none of our files: it learns the API over the socket by server reflection."""
import unittest

import grpc
from google.protobuf import descriptor_pb2, message_factory

import api
from case import TWO_TENANTS, NodeTest


def reflection_types():
    """grpc.reflection.v1alpha as far as needed, written down by hand: Debian does not package it for Python."""
    file = descriptor_pb2.FileDescriptorProto(name="reflection.proto", package="grpc.reflection.v1alpha", syntax="proto3")
    kind = descriptor_pb2.FieldDescriptorProto

    def message(name, *fields):
        described = file.message_type.add(name=name)
        for number, field, repeated, type_, type_name in fields:
            described.field.add(name=field, number=number, type=type_, type_name=type_name or None,
                                label=kind.LABEL_REPEATED if repeated else kind.LABEL_OPTIONAL)
    package = ".grpc.reflection.v1alpha."
    message("ServerReflectionRequest", (4, "file_containing_symbol", False, kind.TYPE_STRING, ""),
            (7, "list_services", False, kind.TYPE_STRING, ""), (3, "file_by_filename", False, kind.TYPE_STRING, ""))
    # Which question it is, is a oneof there: a member that is set must be sent even when it is empty.
    file.message_type[0].oneof_decl.add(name="message_request")
    for field in file.message_type[0].field:
        field.oneof_index = 0
    message("FileDescriptorResponse", (1, "file_descriptor_proto", True, kind.TYPE_BYTES, ""))
    message("ServiceResponse", (1, "name", False, kind.TYPE_STRING, ""))
    message("ListServiceResponse", (1, "service", True, kind.TYPE_MESSAGE, package + "ServiceResponse"))
    message("ServerReflectionResponse",
            (4, "file_descriptor_response", False, kind.TYPE_MESSAGE, package + "FileDescriptorResponse"),
            (6, "list_services_response", False, kind.TYPE_MESSAGE, package + "ListServiceResponse"))
    factory, pool = message_factory.MessageFactory, api.load_pool([file])
    return [factory(pool).GetPrototype(pool.FindMessageTypeByName("grpc.reflection.v1alpha." + name))
            for name in ("ServerReflectionRequest", "ServerReflectionResponse")]


class Reflection:
    def __init__(self, channel):
        self.request, answer = reflection_types()
        self.stream = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                            request_serializer=self.request.SerializeToString,
                                            response_deserializer=answer.FromString)

    def ask(self, **question):
        return next(self.stream(iter([self.request(**question)]), timeout=20))

    def services(self):
        return {service.name for service in self.ask(list_services="*").list_services_response.service}

    def pool(self, symbol):
        """Everything that `symbol` needs."""
        files, waiting = {}, []

        def take(answer):
            for data in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(data)
                if file.name not in files:
                    files[file.name] = file
                    waiting.extend(file.dependency)
        take(self.ask(file_containing_symbol=symbol))
        while waiting:
            name = waiting.pop()
            if name not in files:
                take(self.ask(file_by_filename=name))
        return api.load_pool(files.values())


class ForeignClient(NodeTest):
    def test_learns_the_api_by_reflection_and_lists_tasks(self):
        self.node.apply(TWO_TENANTS)
        with grpc.insecure_channel(self.node.address) as channel:
            reflection = Reflection(channel)
            self.assertIn("bulkhead.v1.NodeService", reflection.services())
            self.assertIn("grpc.health.v1.Health", reflection.services())
            pool = reflection.pool("bulkhead.v1.NodeService")
            answer = api.call_on(channel, "NodeService/ListTasks", {}, pool=pool)
            names = ["%s/%s" % (entry["task"]["tenant"], entry["task"]["name"]) for entry in answer["tasks"]]
            self.assertEqual(names, ["acme/db", "acme/web", "rival/web"])

    def test_pages_and_filters(self):
        self.node.apply(TWO_TENANTS)
        seen, token = [], ""
        for _ in range(3):
            page = self.node.call("NodeService/ListTasks", {"pageSize": 1, "pageToken": token})
            self.assertEqual(len(page["tasks"]), 1)
            seen.append(page["tasks"][0]["task"]["name"])
            token = page.get("nextPageToken", "")
        self.assertEqual((seen, token), (["db", "web", "web"], ""))
        self.assertEqual(len(self.node.call("NodeService/ListTasks", {"tenant": "rival"})["tasks"]), 1)

    def test_health_says_serving(self):
        with grpc.insecure_channel(self.node.address) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            self.assertEqual(check(b"", timeout=20), b"\x08\x01", "status: SERVING")

    def test_errors_have_the_documented_codes(self):
        for method, request, code in [
            ("NodeService/GetTask", {"tenant": "acme", "name": "web"}, grpc.StatusCode.NOT_FOUND),
            ("NodeService/GetTask", {"tenant": "..", "name": "web"}, grpc.StatusCode.NOT_FOUND),
            ("NodeService/Apply", {"objects": [{"tenant": {"name": "A"}}]}, grpc.StatusCode.INVALID_ARGUMENT),
            ("NodeService/Apply", {"objects": [{}]}, grpc.StatusCode.INVALID_ARGUMENT),
            ("NodeService/Apply", {"objects": [{"task": {"tenant": "no", "name": "web"}}]}, grpc.StatusCode.NOT_FOUND),
            ("NodeService/Delete", {"kind": "dragon", "name": "a"}, grpc.StatusCode.INVALID_ARGUMENT),
            ("NodeService/ListTasks", {"pageToken": "nonsense/../"}, grpc.StatusCode.INVALID_ARGUMENT),
        ]:
            with self.subTest(method=method, request=request):
                with self.assertRaises(grpc.RpcError) as caught:
                    self.node.call(method, request)
                self.assertEqual(caught.exception.code(), code, caught.exception.details())
                self.assertTrue(caught.exception.details())

    def test_garbage_on_the_wire_does_no_harm(self):
        with grpc.insecure_channel(self.node.address) as channel:
            with self.assertRaises(grpc.RpcError):
                channel.unary_unary("/bulkhead.v1.NodeService/Apply")(b"\xff" * 1000, timeout=20)
            with self.assertRaises(grpc.RpcError) as caught:
                channel.unary_unary("/bulkhead.v1.NodeService/Nothing")(b"", timeout=20)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertTrue(self.node.ready())


if __name__ == "__main__":
    unittest.main()
