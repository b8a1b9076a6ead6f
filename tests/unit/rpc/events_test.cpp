#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/live_node.h"

namespace bulkhead {
namespace {

using test::LiveNode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Watch {
  Watch(v1::NodeService::Stub& stub, uint64_t after, bool follow) {
    v1::WatchEventsRequest request;
    request.set_after_sequence(after);
    request.set_follow(follow);
    reader = stub.WatchEvents(&context, request);
  }
  std::vector<uint64_t> Read(size_t count) {
    std::vector<uint64_t> sequences;
    v1::WatchEventsResponse response;
    while (sequences.size() < count && reader->Read(&response)) sequences.push_back(response.event().sequence());
    return sequences;
  }
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> reader;
};

void Add(LiveNode& node, size_t count, const std::string& message = "text") {
  node.OnCore([&] {
    for (size_t i = 0; i < count; ++i) node.events.Add("changed", "acme", message);
  });
}

// Of the events that the node's own start adds, if any.
uint64_t Newest(LiveNode& node) {
  uint64_t newest = 0;
  node.OnCore([&] {
    const auto all = node.events.After(0);
    if (!all.empty()) newest = all.back().sequence;
  });
  return newest;
}

TEST(WatchEvents, EndsAfterWhatIsKept) {
  LiveNode node;
  const uint64_t begin = Newest(node);
  Add(node, 3);
  const auto stub = node.Stub();
  Watch watch(*stub, begin, false);
  EXPECT_THAT(watch.Read(100), ElementsAre(begin + 1, begin + 2, begin + 3));
  EXPECT_TRUE(watch.reader->Finish().ok());
}

TEST(WatchEvents, ResumesAndFollows) {
  LiveNode node;
  const uint64_t begin = Newest(node);
  Add(node, 3);
  const auto stub = node.Stub();
  Watch watch(*stub, begin + 2, true);
  EXPECT_THAT(watch.Read(1), ElementsAre(begin + 3));
  Add(node, 2);
  EXPECT_THAT(watch.Read(2), ElementsAre(begin + 4, begin + 5));
  watch.context.TryCancel();
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  Add(node, 1);  // with nobody to send it to
}

TEST(WatchEvents, AResumePointOfAnEarlierRunIsRefused) {
  LiveNode node;
  const auto stub = node.Stub();
  Watch watch(*stub, Newest(node) + 1000, true);
  EXPECT_TRUE(watch.Read(1).empty());
  EXPECT_EQ(watch.reader->Finish().error_code(), grpc::StatusCode::OUT_OF_RANGE);
}

TEST(WatchEvents, ASlowReaderIsCutAndToldWhereToResume) {
  LiveNode node({.events = 50});
  const auto stub = node.Stub();
  Add(node, 1);
  const uint64_t begin = Newest(node);
  Watch watch(*stub, begin - 1, true);
  EXPECT_THAT(watch.Read(1), ElementsAre(begin));
  for (int i = 0; i < 100; ++i) Add(node, 10, std::string(8192, 'x'));  // far more than gRPC holds for the reader
  const std::vector<uint64_t> read = watch.Read(100'000);
  for (size_t i = 0; i < read.size(); ++i) EXPECT_EQ(read[i], begin + 1 + i) << "no gap before the cut";
  EXPECT_LT(read.size(), 1000U);
  const grpc::Status ended = watch.reader->Finish();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(ended.error_message(), HasSubstr("resume after " + std::to_string(read.empty() ? begin : read.back())));
}

}  // namespace
}  // namespace bulkhead
