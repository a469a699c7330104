#include "services/common/rpc/callback_threads.h"

#include <dirent.h>
#include <grpc/support/cpu.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace turnpike::rpc {
namespace {

// What gRPC calls them, and how many there are.
constexpr absl::string_view kThreadName = "nexting_thread";
constexpr absl::Duration kStartTime = absl::Seconds(2);

int ExpectedThreadCount() { return static_cast<int>(std::clamp(gpr_cpu_num_cores() / 2, 2u, 16u)); }

int CountThreads() {
  DIR* const tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return 0;
  int count = 0;
  while (const dirent* task = readdir(tasks)) {
    std::ifstream file(absl::StrCat("/proc/self/task/", task->d_name, "/comm"));
    std::string name;
    if (std::getline(file, name) && name == kThreadName) ++count;
  }
  closedir(tasks);
  return count;
}

// The threads name themselves, each when it begins. False: they are not what was expected, and must
// be left alone.
bool AwaitThreads() {
  const absl::Time give_up = absl::Now() + kStartTime;
  while (CountThreads() != ExpectedThreadCount()) {
    if (absl::Now() > give_up) return false;
    absl::SleepFor(absl::Microseconds(200));
  }
  return true;
}

// A call that fails at once, without the network; its callback runs on one of the threads.
class Call {
 public:
  Call(grpc::GenericStub& stub, void (*callback)()) {
    stub.UnaryCall(&context_, "/none/None", grpc::StubOptions(), &request_, &response_,
                   [callback](const grpc::Status&) { callback(); });
  }

 private:
  grpc::ClientContext context_;
  const grpc::Slice nothing_;
  const grpc::ByteBuffer request_{&nothing_, 1};
  grpc::ByteBuffer response_;
};

void Return() {}

void Rest() {
  static absl::Notification& never = *new absl::Notification;
  never.WaitForNotification();
}

// A channel holds the threads from its first callback call on. Without credentials it leads
// nowhere.
struct Keeper {
  Keeper() : channel(grpc::CreateChannel("nowhere", nullptr)), stub(channel) {
    calls.push_back(std::make_unique<Call>(stub, Return));
    if (!AwaitThreads()) return;
    const int count = ExpectedThreadCount();
    for (int i = std::max(1, count / 4); i < count; ++i) {
      calls.push_back(std::make_unique<Call>(stub, Rest));
    }
  }

  std::shared_ptr<grpc::Channel> channel;
  grpc::GenericStub stub;
  std::vector<std::unique_ptr<Call>> calls;
};

}  // namespace

void KeepCallbackThreads() {
  // Lives for ever. Used, so that the pointer stays too: LeakSanitizer looks for it.
  [[gnu::used]] static const Keeper* const keeper = new Keeper;
}

}  // namespace turnpike::rpc
