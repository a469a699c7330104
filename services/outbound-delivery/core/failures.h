// What we say of mail that failed before any host said something: the table of our own replies, as
// they stand in the spool, in logs and in notifications.
#ifndef TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_FAILURES_H_
#define TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_FAILURES_H_

#include "services/common/smtp/reply_codes.h"

namespace turnpike::delivery {

// DNS
inline constexpr smtp::ReplyCode kNullMx{
    556, {5, 1, 10}, "The domain says that it takes no mail (null MX)"};  // [RFC7505 4.1]
inline constexpr smtp::ReplyCode kNoSuchDomain{550, {5, 1, 2}, "The domain does not exist"};
inline constexpr smtp::ReplyCode kNoMailHost{
    550, {5, 4, 4}, "The domain has no host that takes mail"};
inline constexpr smtp::ReplyCode kNoMx{550, {5, 4, 4}, "The domain has no MX host"};  // DL-31
inline constexpr smtp::ReplyCode kForbiddenAddress{
    550, {5, 4, 4}, "The domain's hosts have no address that mail may go to"};
inline constexpr smtp::ReplyCode kLoopsToUs{
    554, {5, 4, 6}, "The domain's mail hosts are ourselves"};
inline constexpr smtp::ReplyCode kDnsFailure{451, {4, 4, 3}, "DNS lookup failed"};
inline constexpr smtp::ReplyCode kTargetNotFound{
    451, {4, 4, 4}, "The host that mail is to be handed to cannot be found"};

// Configuration
inline constexpr smtp::ReplyCode kNoMailboxServer{
    451, {4, 3, 5}, "No mailbox server is configured for the domain"};
inline constexpr smtp::ReplyCode kUnknownLogin{
    451, {4, 3, 5}, "The route names a login that is not configured"};

// Connections
inline constexpr smtp::ReplyCode kCannotConnect{451, {4, 4, 1}, "Cannot connect"};
inline constexpr smtp::ReplyCode kConnectionLost{451, {4, 4, 2}, "The connection was lost"};
inline constexpr smtp::ReplyCode kPeerTimeout{451, {4, 4, 2}, "The host did not answer in time"};
inline constexpr smtp::ReplyCode kTlsFailed{454, {4, 7, 5}, "The TLS handshake failed"};
inline constexpr smtp::ReplyCode kLoginRefused{454, {4, 7, 0}, "The host refused our login"};
inline constexpr smtp::ReplyCode kLoginImpossible{
    454, {4, 7, 0}, "The host offers no login that we may use"};
inline constexpr smtp::ReplyCode kPopCheckFailed{
    454, {4, 7, 0}, "The POP3 login that must come first failed"};  // DL-23
inline constexpr smtp::ReplyCode kWaitsForRound{
    451, {4, 4, 5}, "The mail waits for the next round"};  // DL-8
inline constexpr smtp::ReplyCode kNoFurtherHost{451, {4, 4, 1}, "No further host is left to ask"};
inline constexpr smtp::ReplyCode kSlowDestination{
    451, {4, 4, 1}, "The destination takes long to answer; tried again soon"};

// Here
inline constexpr smtp::ReplyCode kContentUnreadable{451, {4, 3, 0}, "The content cannot be read"};
inline constexpr smtp::ReplyCode kContentDamaged{
    554, {5, 3, 0}, "The content was damaged while it was stored"};
inline constexpr smtp::ReplyCode kUnsendableContent{
    554, {5, 6, 0}, "The content holds line ends that SMTP cannot carry"};
inline constexpr smtp::ReplyCode kBadEnvelope{
    553, {5, 1, 3}, "An address of the envelope cannot be sent"};

}  // namespace turnpike::delivery

#endif  // TURNPIKE_SERVICES_OUTBOUND_DELIVERY_CORE_FAILURES_H_
