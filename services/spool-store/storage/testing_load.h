// Work for a store that is going to be interrupted.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_LOAD_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_LOAD_H_

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "services/common/base/gate.h"
#include "services/spool-store/core/store.h"

namespace turnpike::spool {

// What a load has said so far. A delivery's name is its message's id and its queue's name.
struct LoadRecord {
  std::set<std::string> stored;     // acknowledged by the store
  std::set<std::string> tried;      // about to be settled as delivered
  std::set<std::string> delivered;  // that was acknowledged

  void Note(char what, const std::string& name);
};

// Stores messages (some in pieces, some held, some for two queues), releases, leases and settles
// them, as fast as the store answers. Reports `E` stored, `S` about to be settled as delivered, `D`
// settled, with the delivery's name, from several threads.
class Load {
 public:
  using Report = std::function<void(char what, const std::string& name)>;

  // Stop it before the store ends.
  Load(Store& store, Report report);
  ~Load();

  // Gives the worker credit, and releases some queues. Call every few milliseconds.
  void Turn();
  // Starts nothing more, and waits until all that was started is answered.
  void Stop();

 private:
  class Sink;
  void EnqueueNext();

  Store& store_;
  const Report report_;
  base::Gate gate_;
  std::shared_ptr<Sink> sink_;
  std::unique_ptr<Store::Consumer> consumer_;
  int given_ = 0;
};

// Checks, as a test's expectations, that a store that was interrupted has everything that had been
// acknowledged, once and with its content, nothing that had been delivered, and right figures.
void ExpectComplete(Store& store, const LoadRecord& record);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_TESTING_LOAD_H_
