#include "services/common/base/disposer.h"

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace turnpike::base {
namespace {

// Ends with its thread.
class Busy {
 public:
  explicit Busy(std::atomic<int>& destroyed) : destroyed_(destroyed) {}
  ~Busy() {
    thread_.join();
    ++destroyed_;
  }
  void Start(std::shared_ptr<Busy> self, absl::Notification& go) {
    thread_ = std::thread([self = std::move(self), &go]() mutable {
      go.WaitForNotification();
      self = nullptr;
    });
  }

 private:
  std::atomic<int>& destroyed_;
  std::thread thread_;
};

TEST(DisposerTest, ThingMayBeLetGoOfLastByItsOwnThread) {
  std::atomic<int> destroyed = 0;
  absl::Notification go;
  {
    Disposer disposer;
    std::shared_ptr<Busy> busy = disposer.Own(std::make_unique<Busy>(destroyed));
    Busy& thing = *busy;
    thing.Start(std::move(busy), go);
    go.Notify();
  }
  EXPECT_EQ(destroyed, 1);
}

TEST(DisposerTest, DestructorWaitsForThoseWhoStillUseSomething) {
  std::atomic<bool> is_let_go = false;
  std::thread user;
  {
    Disposer disposer;
    std::shared_ptr<int> thing = disposer.Own(std::make_unique<int>(1));
    user = std::thread([thing = std::move(thing), &is_let_go]() mutable {
      is_let_go = true;
      thing = nullptr;
    });
  }
  EXPECT_TRUE(is_let_go);
  user.join();
}

}  // namespace
}  // namespace turnpike::base
