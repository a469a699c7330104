#include "services/spool-store/rpc/shared_state_service.h"

#include "services/spool-store/rpc/slots_call.h"
#include "services/spool-store/rpc/unary_answer.h"

namespace turnpike::spool {

grpc::ServerUnaryReactor* SharedStateService::PutEntry(grpc::CallbackServerContext* context,
                                                       const v1::PutEntryRequest* request,
                                                       v1::PutEntryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_.Put(*request, UnaryAnswer(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* SharedStateService::GetEntry(grpc::CallbackServerContext* context,
                                                       const v1::GetEntryRequest* request,
                                                       v1::GetEntryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_.Get(*request, UnaryAnswer(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* SharedStateService::DeleteEntry(grpc::CallbackServerContext* context,
                                                          const v1::DeleteEntryRequest* request,
                                                          v1::DeleteEntryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_.Delete(*request, UnaryAnswer(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* SharedStateService::ListEntries(grpc::CallbackServerContext* context,
                                                          const v1::ListEntriesRequest* request,
                                                          v1::ListEntriesResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_.List(*request, UnaryAnswer(reactor, response));
  return reactor;
}

grpc::ServerUnaryReactor* SharedStateService::AddToEntry(grpc::CallbackServerContext* context,
                                                         const v1::AddToEntryRequest* request,
                                                         v1::AddToEntryResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  store_.Add(*request, UnaryAnswer(reactor, response));
  return reactor;
}

grpc::ServerBidiReactor<v1::HoldSlotsRequest, v1::HoldSlotsResponse>* SharedStateService::HoldSlots(
    grpc::CallbackServerContext*) {
  return StartSlotsCall(slots_, drain_list_);
}

}  // namespace turnpike::spool
