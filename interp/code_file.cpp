#include "interp/code_file.h"

#include <nettle/sha2.h>
#include <nettle/version.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace moult {

namespace {

constexpr std::string_view kMagic = "MOULTBC1";
constexpr std::size_t kHashSize = 32;

struct Header {
  std::array<char, 8> magic;
  std::uint32_t kind;
  std::uint32_t path;
  std::uint64_t code;
  std::array<char, kHashSize> source;
  std::array<char, kHashSize> sum;
};

using Sum = std::array<std::uint8_t, kHashSize>;

class Sha256 {
 public:
  Sha256() { sha256_init(&state_); }
  void add(const void* bytes, std::size_t size) {
    sha256_update(&state_, size, static_cast<const std::uint8_t*>(bytes));
  }
  void add(std::string_view text) { add(text.data(), text.size()); }
  Sum finish() {
    Sum sum{};
#if NETTLE_VERSION_MAJOR >= 4  // which took the length away
    sha256_digest(&state_, sum.data());
#else
    sha256_digest(&state_, sum.size(), sum.data());
#endif
    return sum;
  }

 private:
  sha256_ctx state_;
};

Header header_of(const CodeKey& key, std::string_view code) {
  Header header{};
  std::memcpy(header.magic.data(), kMagic.data(), kMagic.size());
  header.kind = static_cast<std::uint32_t>(key.kind.size());
  header.path = static_cast<std::uint32_t>(key.path.size());
  header.code = code.size();
  std::memcpy(header.source.data(), key.hash.data(), std::min(kHashSize, key.hash.size()));
  return header;
}

Sum sum_of(const Header& header, std::string_view rest) {
  Sha256 sum;
  sum.add(&header, offsetof(Header, sum));
  sum.add(rest);
  return sum.finish();
}

}  // namespace

std::string code_file_name(const CodeKey& key) {
  Sha256 sum;
  const Header lengths = header_of(key, {});
  sum.add(&lengths, sizeof lengths);
  sum.add(key.kind);
  sum.add(key.path);
  std::string name;
  for (const std::uint8_t byte : sum.finish()) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    name += kDigits[byte >> 4];
    name += kDigits[byte & 15];
  }
  return name;
}

std::string encode_code_file(const CodeKey& key, std::string_view code) {
  Header header = header_of(key, code);
  std::string file(sizeof header, '\0');
  file.reserve(sizeof header + key.kind.size() + key.path.size() + code.size());
  file += key.kind;
  file += key.path;
  file += code;
  const Sum sum = sum_of(header, std::string_view(file).substr(sizeof header));
  std::memcpy(header.sum.data(), sum.data(), sum.size());
  std::memcpy(file.data(), &header, sizeof header);
  return file;
}

std::optional<std::string_view> decode_code_file(std::string_view file, const CodeKey& key) {
  Header found{};
  if (file.size() < sizeof found) return std::nullopt;
  std::memcpy(&found, file.data(), sizeof found);
  std::string_view rest = file.substr(sizeof found);
  if (rest.size() < key.kind.size() + key.path.size()) return std::nullopt;
  const std::string_view code = rest.substr(key.kind.size() + key.path.size());
  const Header wanted = header_of(key, code);
  const bool is_it = std::memcmp(&found, &wanted, offsetof(Header, sum)) == 0 && rest.starts_with(key.kind) &&
                     rest.substr(key.kind.size()).starts_with(key.path);
  if (!is_it) return std::nullopt;
  const Sum sum = sum_of(found, rest);
  if (std::memcmp(found.sum.data(), sum.data(), sum.size()) != 0) return std::nullopt;
  return code;
}

}  // namespace moult
