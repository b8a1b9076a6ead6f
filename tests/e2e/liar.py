"""A controller that lies: "ahead" acknowledges what was never sent, "garbage" answers with bytes that are no message."""
import concurrent.futures
import sys
import time

import grpc

import api


def main():
    lie, path = sys.argv[1:3]
    answer = api.message_factory.MessageFactory(api.built_pool()).GetPrototype(
        api.built_pool().FindMessageTypeByName("bulkhead.v1.ReportResponse"))

    def report(requests, _context):
        for _ in requests:
            yield b"\xff\xff\xff\xff" if lie == "garbage" else answer(committed_sequence=1 << 60).SerializeToString()

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
        "bulkhead.v1.ControllerService", {"Report": grpc.stream_stream_rpc_method_handler(report)}),))
    server.add_insecure_port("unix://" + path)
    server.start()
    time.sleep(3600)


if __name__ == "__main__":
    main()
