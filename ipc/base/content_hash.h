#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace moult {

// The SHA-256 of some content: two files with equal hashes are the same. A value. All zeros stand
// for "there is no such file".
struct ContentHash {
  std::array<std::uint8_t, 32> bytes{};

  bool operator==(const ContentHash&) const = default;
  bool operator<(const ContentHash& other) const { return bytes < other.bytes; }
  bool is_nothing() const { return *this == ContentHash{}; }
  std::string hex() const;
  std::string short_hex() const { return hex().substr(0, 12); }  // for people
};

ContentHash hash_of(std::string_view content);
std::optional<ContentHash> parse_hash(std::string_view hex);

// Hashes content that comes in pieces. One per content, any thread.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  void add(std::string_view piece);
  void add_number(std::uint64_t number);
  void add_text(std::string_view text);  // with its length, so that two texts never run together
  ContentHash finish();                  // and starts anew

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moult
