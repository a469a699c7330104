// turnpike.spool.v1.SharedStateService over a SharedStateStore and a SlotDesk.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARED_STATE_SERVICE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARED_STATE_SERVICE_H_

#include "protos/turnpike/spool/v1/shared_state.grpc.pb.h"
#include "services/spool-store/rpc/drainable.h"
#include "services/spool-store/rpc/slot_desk.h"
#include "services/spool-store/storage/shared_state_store.h"

namespace turnpike::spool {

// Thread-safe.
class SharedStateService : public v1::SharedStateService::CallbackService {
 public:
  // Both must outlive the service's calls.
  SharedStateService(SharedStateStore& store, SlotDesk& slots) : store_(store), slots_(slots) {}

  // Ends all streams, and later ones at once, with UNAVAILABLE.
  void Drain() { drain_list_.DrainAll(); }

  grpc::ServerUnaryReactor* PutEntry(grpc::CallbackServerContext* context,
                                     const v1::PutEntryRequest* request,
                                     v1::PutEntryResponse* response) override;
  grpc::ServerUnaryReactor* GetEntry(grpc::CallbackServerContext* context,
                                     const v1::GetEntryRequest* request,
                                     v1::GetEntryResponse* response) override;
  grpc::ServerUnaryReactor* DeleteEntry(grpc::CallbackServerContext* context,
                                        const v1::DeleteEntryRequest* request,
                                        v1::DeleteEntryResponse* response) override;
  grpc::ServerUnaryReactor* ListEntries(grpc::CallbackServerContext* context,
                                        const v1::ListEntriesRequest* request,
                                        v1::ListEntriesResponse* response) override;
  grpc::ServerUnaryReactor* AddToEntry(grpc::CallbackServerContext* context,
                                       const v1::AddToEntryRequest* request,
                                       v1::AddToEntryResponse* response) override;
  grpc::ServerBidiReactor<v1::HoldSlotsRequest, v1::HoldSlotsResponse>* HoldSlots(
      grpc::CallbackServerContext* context) override;

 private:
  SharedStateStore& store_;
  SlotDesk& slots_;
  DrainList drain_list_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARED_STATE_SERVICE_H_
