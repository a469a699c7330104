// A message on its way to the disk, and off it.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MESSAGE_WRITER_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MESSAGE_WRITER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/spool-store/core/records.pb.h"
#include "services/spool-store/core/schedule.h"
#include "services/spool-store/storage/committer.h"
#include "services/spool-store/storage/metrics.h"

namespace turnpike::spool {

// The key of a piece of a message's content. Each upload has a number of its own: a message that is
// sent again while its first upload is being dropped is not touched by that.
std::string ChunkKey(absl::string_view message_id, uint64_t upload, uint32_t chunk);

// A checked message whose records are made, so that the committer only has to put them into a
// batch.
//
// Thread-compatible.
class PreparedMessage {
 public:
  // INVALID_ARGUMENT. Content that is not inline is described later, by SetChunks.
  static absl::StatusOr<PreparedMessage> Make(v1::NewMessage message, absl::Time now);

  const std::string& id() const { return id_; }
  bool is_chunked() const { return is_chunked_; }
  int64_t content_bytes() const { return record_.content_bytes(); }
  uint64_t expected_hash() const { return expected_hash_; }
  void SetChunks(uint64_t upload, int32_t chunks, uint64_t hash);

  // Whether the message is stored, or was and is done.
  static absl::StatusOr<bool> IsKnown(CommitContext& context, absl::string_view id);
  // On the committer's thread.
  void Build(CommitContext& context);
  void Apply(Schedule& schedule, Metrics& metrics) const;

 private:
  struct Delivery {
    std::string queue_key;
    Position position;
    records::DeliveryRecord record;
    std::string bytes;  // `record`, serialized
    DeliveryFacts facts;
  };
  void Serialize();

  std::string id_;
  std::string content_;
  bool is_chunked_ = false;
  uint64_t expected_hash_ = 0;
  records::MessageRecord record_;
  std::string record_bytes_;
  std::string index_bytes_;
  std::vector<Delivery> deliveries_;
};

// Where the number of a message's open deliveries is kept, in the family `message`, unless it had
// one only.
std::string OpenCountKey(absl::string_view message_id);

// Writes a delivery that was not there.
void BuildNew(CommitContext& context, absl::string_view queue_key, const Position& position,
              const records::DeliveryRecord& record);

// Deletes a delivery that is done; and its message with the last one, whose id is remembered for as
// long as it may be repeated.
void BuildRemoval(CommitContext& context, absl::string_view queue_key, const Position& position,
                  const records::DeliveryRecord& record, absl::Time now);

// Rewrites a delivery, at another place in the index if that is not the same.
void BuildMove(CommitContext& context, absl::string_view old_queue_key,
               const Position& old_position, absl::string_view queue_key, const Position& position,
               const records::DeliveryRecord& record);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_STORAGE_MESSAGE_WRITER_H_
