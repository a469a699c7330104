// What we say of mail whose way is not safe enough.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_FAILURES_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_FAILURES_H_

#include "services/common/smtp/reply_codes.h"

namespace turnpike::delivery {

inline constexpr smtp::ReplyCode kTlsaFailure{
    451, {4, 7, 5}, "The lookup of the host's TLSA records failed"};  // [RFC7672 2.1.2]
inline constexpr smtp::ReplyCode kNotInStsPolicy{
    451, {4, 7, 5}, "The domain's MTA-STS policy does not name the host"};  // [RFC8461 5]
inline constexpr smtp::ReplyCode kTlsNotOffered{
    451, {4, 7, 5}, "The host does not offer TLS, which is required for it"};
inline constexpr smtp::ReplyCode kEncryptionNeeded{
    550,
    {5, 7, 10},
    "The sender requires TLS, and none of the hosts can be trusted to be the "
    "domain's"};  // [RFC8689 4.2.1]
inline constexpr smtp::ReplyCode kRequireTlsNotOffered{
    550,
    {5, 7, 30},
    "The sender requires TLS all the way (REQUIRETLS), which the host does not "
    "support"};  // [RFC8689 4.2.1]

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_SECURITY_TLS_FAILURES_H_
