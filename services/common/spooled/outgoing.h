// From a delivery of the spool to a message of the SMTP client. Pure.
#ifndef TURNPIKE_SERVICES_COMMON_SPOOLED_OUTGOING_H_
#define TURNPIKE_SERVICES_COMMON_SPOOLED_OUTGOING_H_

#include "absl/status/statusor.h"
#include "protos/turnpike/spool/v1/spool.pb.h"
#include "services/common/smtp/header_scan.h"
#include "services/common/smtp/outgoing_message.h"

namespace turnpike::spooled {

// The envelope as it came to us, with all of its parameters; `facts` of the content say what a peer
// must be able to take. INVALID_ARGUMENT when an address cannot be read: the mail cannot be sent.
absl::StatusOr<smtp::OutgoingMessage> MakeOutgoingMessage(const spool::v1::LeasedDelivery& delivery,
                                                          const smtp::HeaderFacts& facts);

// What is assumed of content that has not been read: as bad as the envelope allows.
smtp::HeaderFacts AssumeFacts(const mail::v1::Envelope& envelope);

}  // namespace turnpike::spooled

#endif  // TURNPIKE_SERVICES_COMMON_SPOOLED_OUTGOING_H_
