// turnpike.spool.v1.SharedStateService over a SharedStateStore.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARED_STATE_SERVICE_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARED_STATE_SERVICE_H_

#include "protos/turnpike/spool/v1/shared_state.grpc.pb.h"
#include "services/spool-store/storage/shared_state_store.h"

namespace turnpike::spool {

// Thread-safe.
class SharedStateService : public v1::SharedStateService::CallbackService {
 public:
  // `store` must outlive the service's calls.
  explicit SharedStateService(SharedStateStore& store) : store_(store) {}

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

 private:
  SharedStateStore& store_;
};

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_SHARED_STATE_SERVICE_H_
