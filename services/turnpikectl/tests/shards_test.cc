// Several stores: shards, and what is asked of all of them. (PL-24, PL-27)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protos/turnpike/spool/v1/shard.pb.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/spool-store/client/shard_id.h"
#include "services/turnpikectl/testing/fake_services.h"
#include "services/turnpikectl/testing/program.h"

namespace turnpike::ctl {
namespace {

using testing::HasSubstr;
namespace v1 = spool::v1;

constexpr char kService[] = "turnpike.spool.v1.SpoolService.";
constexpr char kShards[] = "turnpike.spool.v1.ShardService.";

// Two stores, each with one queue of its own and one that both have.
class ShardsTest : public testing::Test {
 protected:
  ShardsTest() {
    Serve(program_.services(), 0);
    Serve(second_, 1);
    program_.environment()["TURNPIKE_SPOOL_STORE"] =
        program_.services().address() + "," + second_.address();
  }

  void Serve(FakeServices& store, uint32_t number) {
    store.On<v1::GetShardRequest, v1::GetShardResponse>(
        std::string(kShards) + "GetShard", [this, number](const auto&, auto& response) {
          if (is_away_[number]) return absl::UnavailableError("away");
          *response.mutable_shard() = MakeShard(number);
          return absl::OkStatus();
        });
    store.On<v1::SetDrainingRequest, v1::SetDrainingResponse>(
        std::string(kShards) + "SetDraining", [this, number](const auto& request, auto& response) {
          draining_[number] = request.draining();
          *response.mutable_shard() = MakeShard(number);
          left_[number] = 0;
          return absl::OkStatus();
        });
    store.On<v1::ListQueuesRequest, v1::ListQueuesResponse>(
        std::string(kService) + "ListQueues", [this, number](const auto&, auto& response) {
          if (is_away_[number]) return absl::UnavailableError("away");
          for (const std::string& name :
               {std::string("both.example"), "of" + std::to_string(number) + ".example"}) {
            v1::QueueStats& stats = *response.add_queues();
            stats.mutable_queue()->set_kind(v1::QUEUE_KIND_GATEWAY);
            stats.mutable_queue()->set_name(name);
            stats.set_held(10 + number);
          }
          return absl::OkStatus();
        });
    store.On<v1::GetQueueRequest, v1::GetQueueResponse>(
        std::string(kService) + "GetQueue", [number](const auto& request, auto& response) {
          *response.mutable_stats()->mutable_queue() = request.queue();
          response.mutable_stats()->set_held(10 + number);
          return absl::OkStatus();
        });
    store.On<v1::ReleaseQueueRequest, v1::ReleaseQueueResponse>(
        std::string(kService) + "ReleaseQueue", [number](const auto&, auto& response) {
          response.set_released(10 + number);
          return absl::OkStatus();
        });
    store.On<v1::ListDeliveriesRequest, v1::ListDeliveriesResponse>(
        std::string(kService) + "ListDeliveries", [this, number](const auto&, auto& response) {
          if (is_away_[number]) return absl::UnavailableError("away");
          for (uint64_t i = 1; i <= 2; ++i) {
            *response.add_deliveries() = MakeDelivery(number, i);
          }
          return absl::OkStatus();
        });
    store.On<v1::GetDeliveryRequest, v1::GetDeliveryResponse>(
        std::string(kService) + "GetDelivery", [number](const auto& request, auto& response) {
          if (spool::ShardOf(request.delivery_id()) != number) return absl::NotFoundError("none");
          *response.mutable_delivery() = MakeDelivery(number, 1);
          return absl::OkStatus();
        });
    store.On<v1::UpdateDeliveryRequest, v1::UpdateDeliveryResponse>(
        std::string(kService) + "UpdateDelivery", [this, number](const auto& request, auto&) {
          if (spool::ShardOf(request.delivery_id()) != number) return absl::NotFoundError("none");
          changed_.push_back(request.delivery_id());
          return absl::OkStatus();
        });
  }

  v1::Shard MakeShard(uint32_t number) {
    v1::Shard shard;
    shard.set_number(number);
    shard.set_accepting(!draining_[number]);
    shard.set_draining(draining_[number]);
    shard.set_deliveries(left_[number]);
    return shard;
  }
  // Those of the second store arrive just after those of the first.
  static v1::Delivery MakeDelivery(uint32_t shard, uint64_t number) {
    v1::Delivery delivery;
    delivery.set_delivery_id(spool::FirstIdOf(shard) + number);
    delivery.set_message_id(std::string(16, static_cast<char>('a' + shard)));
    delivery.mutable_queue()->set_kind(v1::QUEUE_KIND_REMOTE);
    delivery.mutable_queue()->set_name("example.org");
    delivery.set_state(v1::DELIVERY_STATE_READY);
    delivery.mutable_received_time()->set_seconds(static_cast<int64_t>(1000 * number + shard));
    return delivery;
  }
  static std::string Id(uint32_t shard, uint64_t number) {
    return std::to_string(spool::FirstIdOf(shard) + number);
  }

  bool is_away_[2] = {false, false};
  bool draining_[2] = {false, false};
  int64_t left_[2] = {7, 8};
  std::vector<uint64_t> changed_;
  Program program_;
  FakeServices second_;
};

TEST_F(ShardsTest, QueuesAreAddedUpOverShards) {
  const auto result = program_.Run({"queues", "-o", "jsonl"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("both.example"));
  EXPECT_THAT(result.out, HasSubstr("\"held\":21"));
  EXPECT_THAT(result.out, HasSubstr("of0.example"));
  EXPECT_THAT(result.out, HasSubstr("of1.example"));
  const auto one = program_.Run({"queues", "--shard", "1", "-o", "name"});
  EXPECT_EQ(one.out, "gateway/both.example\ngateway/of1.example\n") << one.err;
}

TEST_F(ShardsTest, OneQueueIsAddedUpAndReleasedInAll) {
  EXPECT_THAT(program_.Run({"queue", "describe", "gateway/both.example", "-o", "json"}).out,
              HasSubstr("21"));
  EXPECT_THAT(program_.Run({"queue", "release", "gateway/both.example"}).out, HasSubstr("21"));
}

TEST_F(ShardsTest, MessagesOfAllShardsComeOldestFirst) {
  const auto result = program_.Run({"messages", "-o", "name"});
  EXPECT_EQ(result.out, Id(0, 1) + "\n" + Id(1, 1) + "\n" + Id(0, 2) + "\n" + Id(1, 2) + "\n")
      << result.err;
  const auto first = program_.Run({"messages", "--limit", "2", "-o", "name"});
  EXPECT_EQ(first.out, Id(0, 1) + "\n" + Id(1, 1) + "\n");
  EXPECT_THAT(first.err, HasSubstr("only the first 2"));
  const auto all = program_.Run({"messages", "--limit", "0", "-o", "name"});
  EXPECT_EQ(all.out, Id(0, 1) + "\n" + Id(0, 2) + "\n" + Id(1, 1) + "\n" + Id(1, 2) + "\n");
}

TEST_F(ShardsTest, ShardThatIsAwayIsNamedAndTheOthersAreShown) {
  is_away_[1] = true;
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"queues"}, {"messages"}, {"shards"}}) {
    const auto result = program_.Run(command);
    EXPECT_EQ(result.code, 4);
    EXPECT_THAT(result.err, HasSubstr(second_.address()));
    EXPECT_FALSE(result.out.empty());
  }
  is_away_[0] = true;
  EXPECT_EQ(program_.Run({"queues"}).code, 5);
}

TEST_F(ShardsTest, DeliveryIsLookedForAndChangedWhereItIs) {
  EXPECT_EQ(program_.Run({"message", "describe", Id(1, 1)}).code, 0);
  EXPECT_EQ(program_.Run({"message", "describe", Id(2, 1)}).code, 3);
  EXPECT_EQ(program_.Run({"message", "hold", Id(1, 2), Id(0, 1)}).code, 0);
  EXPECT_EQ(changed_.size(), 2u);
}

TEST_F(ShardsTest, ShardsAreListed) {
  const auto result = program_.Run({"shards"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("accepting"));
  EXPECT_THAT(result.out, HasSubstr(second_.address()));
  EXPECT_EQ(program_.Run({"shards", "-o", "name"}).out, "0\n1\n");
  EXPECT_EQ(program_.Run({"shard", "describe", "2"}).code, 2);
}

TEST_F(ShardsTest, ShardIsEmptiedAndTakenBack) {
  const auto begun = program_.Run({"shard", "drain", "1"});
  EXPECT_EQ(begun.code, 0) << begun.err;
  EXPECT_THAT(begun.out, HasSubstr("8 deliveries"));
  const auto waited = program_.Run({"shard", "drain", "1", "--wait"});
  EXPECT_EQ(waited.code, 0) << waited.err;
  EXPECT_THAT(waited.out, HasSubstr("may be taken away"));
  EXPECT_THAT(program_.Run({"shards"}).out, HasSubstr("drained"));
  EXPECT_EQ(program_.Run({"shard", "undrain", "1"}).code, 0);
  EXPECT_FALSE(draining_[1]);
  EXPECT_FALSE(draining_[0]);
}

TEST_F(ShardsTest, WaitingForAnEmptyShardEnds) {
  second_.On<v1::SetDrainingRequest, v1::SetDrainingResponse>(
      std::string(kShards) + "SetDraining", [this](const auto&, auto& response) {
        draining_[1] = true;
        *response.mutable_shard() = MakeShard(1);
        return absl::OkStatus();
      });
  const auto result = program_.Run({"shard", "drain", "1", "--wait", "--timeout", "1s"});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("8 deliveries are left"));
}

TEST_F(ShardsTest, VersionIsAFlagToo) {
  EXPECT_EQ(program_.Run({"--version"}).out, program_.Run({"version"}).out);
}

TEST_F(ShardsTest, CanarySaysWhatItLacks) {
  const auto result = program_.Run({"canary"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("--odmr"));
  EXPECT_THAT(program_.Run({"canary", "--odmr", "x:1"}).err, HasSubstr("--submit"));
  EXPECT_THAT(program_.Run({"canary", "--odmr", "x:1", "--submit", "nothing"}).err,
              HasSubstr("HOST:PORT"));
}

TEST_F(ShardsTest, MessageOfAShardThatIsAwayIsNotCalledGone) {
  const std::string of_the_second = "62626262-6262-6262-6262-626262626262";
  EXPECT_EQ(program_.Run({"message", "describe", of_the_second}).code, 0);
  is_away_[1] = true;
  const Program::Result result = program_.Run({"message", "describe", of_the_second});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, HasSubstr("may be in one of the 1 of 2 shards that did not answer"));
}

TEST_F(ShardsTest, DeliveryThatIsNoMoreIsSaidToBe) {
  const std::string id = std::to_string(spool::FirstIdOf(0) + 1);
  for (FakeServices* store : {&program_.services(), &second_}) {
    store->On<v1::GetDeliveryRequest, v1::GetDeliveryResponse>(
        std::string(kService) + "GetDelivery",
        [](const auto&, auto&) { return absl::NotFoundError(""); });
  }
  const Program::Result result = program_.Run({"message", "describe", id});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("there is no delivery " + id + ": "));
}

}  // namespace
}  // namespace turnpike::ctl
