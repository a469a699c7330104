#include "services/outbound-delivery/resolve/ares_dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <sys/time.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <chrono>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "services/common/base/random.h"
#include "services/outbound-delivery/resolve/dns_message.h"

namespace turnpike::delivery {
namespace {

constexpr int kTries = 2;  // rounds over all servers; the second waits twice as long
// Questions on their way at one time. More would come back faster than sockets of ordinary size
// hold answers, and each that is dropped costs a whole timeout.
constexpr size_t kQuestionsMax = 128;
constexpr int kEdnsBytes = 1232;  // passes everywhere without fragments
constexpr int kTlsaType = 52;     // [RFC6698 7.1]
constexpr size_t kFlagsOctet = 3;
constexpr unsigned char kAuthenticDataFlag = 0x20;

int WireType(RecordType type) {
  switch (type) {
    case RecordType::kA:
      return ns_t_a;
    case RecordType::kAaaa:
      return ns_t_aaaa;
    case RecordType::kMx:
      return ns_t_mx;
    case RecordType::kTxt:
      return ns_t_txt;
    case RecordType::kTlsa:
      return kTlsaType;
  }
  return ns_t_invalid;
}

std::shared_ptr<const DnsAnswer> MakeFailure(DnsAnswer::Result result) {
  return std::make_shared<const DnsAnswer>(DnsAnswer{.result = result});
}

// What c-ares' answer to a question means.
std::shared_ptr<const DnsAnswer> MakeAnswer(const DnsQuestion& question, int status,
                                            absl::string_view message) {
  switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
      if (message.empty()) break;
      return std::make_shared<const DnsAnswer>(ReadDnsMessage(message, question));
    case ARES_ETIMEOUT:
      return MakeFailure(DnsAnswer::Result::kTimeout);
    case ARES_EBADNAME:  // cannot be asked, so nobody has registered it
      return MakeFailure(DnsAnswer::Result::kNxDomain);
    default:  // ARES_ECONNREFUSED too: that is also how it puts that every server refused to say
      break;
  }
  return MakeFailure(DnsAnswer::Result::kServFail);
}

}  // namespace

// c-ares' channel; everything but construction happens on its strand.
class AresDns::Channel : public std::enable_shared_from_this<AresDns::Channel> {
 public:
  explicit Channel(asio::io_context& context)
      : strand_(asio::make_strand(context.get_executor())), timer_(strand_) {}

  ~Channel() {
    is_ended_ = true;
    if (channel_ != nullptr) ares_destroy(channel_);
  }

  absl::Status Init(const Options& options) {
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    if (library != ARES_SUCCESS) return absl::InternalError(ares_strerror(library));
    ares_options values = {};
    const size_t servers = std::max<size_t>(1, options.servers.size());
    // Two rounds, the second with twice the wait: three waits a server.
    const absl::Duration wait = options.timeout / static_cast<double>(3 * servers);
    values.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    values.timeout = static_cast<int>(std::max<int64_t>(10, absl::ToInt64Milliseconds(wait)));
    values.tries = kTries;
    values.ndots = 0;
    values.ednspsz = kEdnsBytes;
    values.sock_state_cb = &Channel::OnSocketState;
    values.sock_state_cb_data = this;
    const int status =
        ares_init_options(&channel_, &values,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                              ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) return absl::InternalError(ares_strerror(status));
    if (options.servers.empty()) return absl::OkStatus();
    const std::string list = absl::StrJoin(options.servers, ",");
    if (ares_set_servers_ports_csv(channel_, list.c_str()) != ARES_SUCCESS) {
      return absl::InvalidArgumentError(
          absl::StrCat("dns.servers: an entry is no address: ", list));
    }
    return absl::OkStatus();
  }

  void Ask(const DnsQuestion& question, Callback done) {
    asio::post(strand_,
               [self = shared_from_this(), pending = std::make_unique<Pending>(Pending{
                                               this, question, std::move(done)})]() mutable {
                 self->waiting_.push_back(std::move(pending));
                 self->SendNext();
                 self->SetTimer();
               });
  }

  // Ends all questions, as failures, and waits until their callbacks have run.
  void Shutdown() {
    absl::Notification ended;
    asio::post(strand_, [self = shared_from_this(), &ended] {
      self->is_ended_ = true;
      ares_cancel(self->channel_);
      for (const std::unique_ptr<Pending>& pending : self->waiting_) {
        pending->done(MakeFailure(DnsAnswer::Result::kServFail));
      }
      self->waiting_.clear();
      self->timer_.cancel();
      for (auto& [socket, watch] : self->watches_) watch->descriptor.cancel();
      ended.Notify();
    });
    ended.WaitForNotification();
  }

 private:
  // A socket of c-ares', which owns it: it is released here before c-ares closes it.
  struct Watch {
    Watch(const asio::strand<asio::io_context::executor_type>& strand, int socket)
        : descriptor(strand, socket) {}
    ~Watch() { descriptor.release(); }

    asio::posix::stream_descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool is_reading = false;
    bool is_writing = false;
  };
  using WaitType = asio::posix::stream_descriptor::wait_type;

  // A question: waiting, or given to c-ares as a plain pointer and deleted by its callback, which
  // c-ares promises to call once.
  struct Pending {
    Channel* channel;
    DnsQuestion question;
    Callback done;
  };

  void SendNext() {
    while (!waiting_.empty() && asked_count_ < kQuestionsMax && !is_ended_) {
      std::unique_ptr<Pending> pending = std::move(waiting_.front());
      waiting_.pop_front();
      ++asked_count_;
      Send(std::move(pending));
    }
  }

  // Asks with the AD flag set: that we want to be told whether the answer was validated.
  // [RFC6840 5.7] ares_query cannot do that.
  void Send(std::unique_ptr<Pending> pending) {
    unsigned char* query = nullptr;
    int length = 0;
    const std::string name = absl::StrCat(pending->question.name, ".");  // absolute
    const auto id = static_cast<uint16_t>(base::RandomUint64());
    const int status =
        ares_create_query(name.c_str(), ns_c_in, WireType(pending->question.type), id,
                          /*rd=*/1, &query, &length, kEdnsBytes);
    if (status != ARES_SUCCESS) {
      OnAresAnswer(pending.release(), status, 0, nullptr, 0);
      return;
    }
    query[kFlagsOctet] |= kAuthenticDataFlag;
    ares_send(channel_, query, length, &OnAresAnswer, pending.release());
    ares_free_string(query);
  }

  static void OnAresAnswer(void* argument, int status, int /*timeouts*/, unsigned char* bytes,
                           int length) {
    const std::unique_ptr<Pending> pending(static_cast<Pending*>(argument));
    --pending->channel->asked_count_;
    const bool has_message = bytes != nullptr && length > 0;
    pending->done(MakeAnswer(pending->question, status,
                             has_message ? absl::string_view(reinterpret_cast<const char*>(bytes),
                                                             static_cast<size_t>(length))
                                         : absl::string_view()));
  }

  static void OnSocketState(void* data, ares_socket_t socket, int readable, int writable) {
    auto* const self = static_cast<Channel*>(data);
    if (readable == 0 && writable == 0) {
      self->watches_.erase(socket);
      return;
    }
    if (self->is_ended_) return;
    std::shared_ptr<Watch>& watch = self->watches_[socket];
    if (watch == nullptr) watch = std::make_shared<Watch>(self->strand_, socket);
    watch->wants_read = readable != 0;
    watch->wants_write = writable != 0;
    self->Wait(socket, watch);
  }

  void Wait(ares_socket_t socket, const std::shared_ptr<Watch>& watch) {
    if (watch->wants_read && !watch->is_reading) {
      watch->is_reading = true;
      watch->descriptor.async_wait(
          WaitType::wait_read, [self = shared_from_this(), socket,
                                weak = std::weak_ptr<Watch>(watch)](const asio::error_code& error) {
            self->OnSocketReady(socket, weak, /*is_read=*/true, error);
          });
    }
    if (watch->wants_write && !watch->is_writing) {
      watch->is_writing = true;
      watch->descriptor.async_wait(WaitType::wait_write, [self = shared_from_this(), socket,
                                                          weak = std::weak_ptr<Watch>(watch)](
                                                             const asio::error_code& error) {
        self->OnSocketReady(socket, weak, /*is_read=*/false, error);
      });
    }
  }

  void OnSocketReady(ares_socket_t socket, const std::weak_ptr<Watch>& weak, bool is_read,
                     const asio::error_code& error) {
    // Not the socket of the same number that came after it.
    if (const std::shared_ptr<Watch> watch = weak.lock(); watch == nullptr || error || is_ended_) {
      return;
    } else if (is_read) {
      watch->is_reading = false;
    } else {
      watch->is_writing = false;
    }
    ares_process_fd(channel_, is_read ? socket : ARES_SOCKET_BAD,
                    is_read ? ARES_SOCKET_BAD : socket);
    const auto it = watches_.find(socket);
    if (it != watches_.end()) Wait(socket, it->second);
    SendNext();
    SetTimer();
  }

  void SetTimer() {
    timeval left = {};
    if (is_ended_ || ares_timeout(channel_, nullptr, &left) == nullptr) {
      timer_.cancel();
      return;
    }
    timer_.expires_after(std::chrono::seconds(left.tv_sec) +
                         std::chrono::microseconds(left.tv_usec) + std::chrono::milliseconds(1));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (error || self->is_ended_) return;
      ares_process_fd(self->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      self->SendNext();
      self->SetTimer();
    });
  }

  const asio::strand<asio::io_context::executor_type> strand_;
  asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  absl::flat_hash_map<ares_socket_t, std::shared_ptr<Watch>> watches_;
  std::deque<std::unique_ptr<Pending>> waiting_;
  size_t asked_count_ = 0;
  bool is_ended_ = false;
};

AresDns::AresDns(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}

AresDns::~AresDns() { channel_->Shutdown(); }

absl::StatusOr<std::unique_ptr<AresDns>> AresDns::Create(const Options& options,
                                                         asio::io_context& context) {
  auto channel = std::make_shared<Channel>(context);
  const absl::Status status = channel->Init(options);
  if (!status.ok()) return status;
  return std::unique_ptr<AresDns>(new AresDns(std::move(channel)));
}

void AresDns::Ask(const DnsQuestion& question, Callback done) {
  channel_->Ask(question, std::move(done));
}

}  // namespace turnpike::delivery
