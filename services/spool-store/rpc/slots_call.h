// A HoldSlots call.
#ifndef TURNPIKE_SERVICES_SPOOL_STORE_RPC_SLOTS_CALL_H_
#define TURNPIKE_SERVICES_SPOOL_STORE_RPC_SLOTS_CALL_H_

#include "protos/turnpike/spool/v1/shared_state.grpc.pb.h"
#include "services/spool-store/rpc/drainable.h"
#include "services/spool-store/rpc/slot_desk.h"

namespace turnpike::spool {

// `desk` must outlive the call.
grpc::ServerBidiReactor<v1::HoldSlotsRequest, v1::HoldSlotsResponse>* StartSlotsCall(
    SlotDesk& desk, DrainList& drain_list);

}  // namespace turnpike::spool

#endif  // TURNPIKE_SERVICES_SPOOL_STORE_RPC_SLOTS_CALL_H_
