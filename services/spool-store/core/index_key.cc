#include "services/spool-store/core/index_key.h"

namespace turnpike::spool {
namespace {

void AppendBigEndian32(uint32_t value, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

uint32_t ReadBigEndian32(absl::string_view bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

void AppendBigEndian64(uint64_t value, std::string& out) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

uint64_t ReadBigEndian64(absl::string_view bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

std::string QueueKey(const v1::QueueName& queue) {
  std::string key;
  key.reserve(queue.name().size() + 2);
  key.append(queue.name());
  key.push_back('\0');
  key.push_back(static_cast<char>(queue.kind()));
  return key;
}

bool ParseQueueKey(absl::string_view key, v1::QueueName& queue) {
  if (key.size() < 3 || key[key.size() - 2] != '\0') return false;
  queue.set_name(std::string(key.substr(0, key.size() - 2)));
  queue.set_kind(static_cast<v1::QueueKind>(key.back()));
  return true;
}

std::string DeliveryKey(uint64_t delivery_id) {
  std::string key;
  AppendBigEndian64(delivery_id, key);
  return key;
}

bool ParseDeliveryKey(absl::string_view key, uint64_t& delivery_id) {
  if (key.size() != 8) return false;
  delivery_id = ReadBigEndian64(key);
  return true;
}

std::string IndexPrefix(Section section, absl::string_view queue_key) {
  std::string prefix;
  prefix.reserve(1 + queue_key.size() + 20);
  prefix.push_back(static_cast<char>(section));
  prefix.append(queue_key.data(), queue_key.size());
  return prefix;
}

std::string IndexKey(absl::string_view queue_key, const Position& position) {
  std::string key = IndexPrefix(position.section, queue_key);
  if (position.section == Section::kDeferred) {
    AppendBigEndian32(position.release_epoch, key);
    AppendBigEndian64(static_cast<uint64_t>(position.due_second), key);
  }
  AppendBigEndian64(position.delivery_id, key);
  return key;
}

bool ParseIndexKey(absl::string_view key, absl::string_view& queue_key, Position& position) {
  if (key.empty()) return false;
  position = Position{.section = static_cast<Section>(key[0])};
  const size_t tail_bytes = position.section == Section::kDeferred ? 20 : 8;
  const size_t name_end = key.find('\0');
  if (name_end == key.npos || key.size() != name_end + 2 + tail_bytes) return false;
  queue_key = key.substr(1, name_end + 1);
  absl::string_view tail = key.substr(name_end + 2);
  if (position.section == Section::kDeferred) {
    position.release_epoch = ReadBigEndian32(tail);
    position.due_second = static_cast<int64_t>(ReadBigEndian64(tail.substr(4)));
    tail.remove_prefix(12);
  }
  position.delivery_id = ReadBigEndian64(tail);
  return true;
}

std::string AfterPrefix(absl::string_view prefix) {
  std::string after(prefix);
  while (!after.empty() && static_cast<uint8_t>(after.back()) == 0xff) after.pop_back();
  if (!after.empty()) after.back() = static_cast<char>(static_cast<uint8_t>(after.back()) + 1);
  return after;
}

}  // namespace turnpike::spool
