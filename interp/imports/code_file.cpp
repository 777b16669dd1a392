#include "interp/imports/code_file.h"

#include "ipc/base/content_hash.h"

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

Header header_of(const CodeKey& key, std::string_view code) {
  Header header{};
  std::memcpy(header.magic.data(), kMagic.data(), kMagic.size());
  header.kind = static_cast<std::uint32_t>(key.kind.size());
  header.path = static_cast<std::uint32_t>(key.path.size());
  header.code = code.size();
  std::memcpy(header.source.data(), key.hash.data(), std::min(kHashSize, key.hash.size()));
  return header;
}

std::string_view bytes_of(const Header& header, std::size_t size) {
  return {reinterpret_cast<const char*>(&header), size};
}

ContentHash sum_of(const Header& header, std::string_view rest) {
  Hasher sum;
  sum.add(bytes_of(header, offsetof(Header, sum)));
  sum.add(rest);
  return sum.finish();
}

}  // namespace

std::string code_file_name(const CodeKey& key) {
  Hasher sum;
  const Header lengths = header_of(key, {});
  sum.add(bytes_of(lengths, sizeof lengths));
  sum.add(key.kind);
  sum.add(key.path);
  return sum.finish().hex();
}

std::string encode_code_file(const CodeKey& key, std::string_view code) {
  Header header = header_of(key, code);
  std::string file(sizeof header, '\0');
  file.reserve(sizeof header + key.kind.size() + key.path.size() + code.size());
  file += key.kind;
  file += key.path;
  file += code;
  const ContentHash sum = sum_of(header, std::string_view(file).substr(sizeof header));
  std::memcpy(header.sum.data(), sum.bytes.data(), sum.bytes.size());
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
  const ContentHash sum = sum_of(found, rest);
  if (std::memcmp(found.sum.data(), sum.bytes.data(), sum.bytes.size()) != 0) return std::nullopt;
  return code;
}

}  // namespace moult
