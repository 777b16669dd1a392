#include "ipc/base/content_hash.h"

#include "ipc/base/hex.h"

#include <nettle/sha2.h>
#include <nettle/version.h>

namespace moult {

struct Hasher::State {
  sha256_ctx context;
};

Hasher::Hasher() : state_(std::make_unique<State>()) { sha256_init(&state_->context); }

Hasher::~Hasher() = default;

void Hasher::add(std::string_view piece) {
  sha256_update(&state_->context, piece.size(), reinterpret_cast<const std::uint8_t*>(piece.data()));
}

void Hasher::add_number(std::uint64_t number) {
  std::uint8_t bytes[8];
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(number);
    number >>= 8;
  }
  sha256_update(&state_->context, sizeof bytes, bytes);
}

void Hasher::add_text(std::string_view text) {
  add_number(text.size());
  add(text);
}

ContentHash Hasher::finish() {
  ContentHash hash;
  // Nettle 4 took the length away. The digest also starts the context anew.
#if NETTLE_VERSION_MAJOR >= 4
  sha256_digest(&state_->context, hash.bytes.data());
#else
  sha256_digest(&state_->context, hash.bytes.size(), hash.bytes.data());
#endif
  return hash;
}

ContentHash hash_of(std::string_view content) {
  Hasher hasher;
  hasher.add(content);
  return hasher.finish();
}

std::string ContentHash::hex() const {
  return hex_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::optional<ContentHash> parse_hash(std::string_view hex) {
  ContentHash hash;
  if (hex.size() != hash.bytes.size() * 2) return std::nullopt;
  const auto value_of = [](char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
  };
  for (std::size_t i = 0; i < hash.bytes.size(); ++i) {
    const int high = value_of(hex[2 * i]);
    const int low = value_of(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    hash.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return hash;
}

}  // namespace moult
