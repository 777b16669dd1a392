#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace moult::test {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// What a front server sends, built byte by byte.

inline std::string fcgi_record(int type, int id, std::string_view content, std::size_t padding = 0) {
  std::string record{1,
                     static_cast<char>(type),
                     static_cast<char>(id >> 8),
                     static_cast<char>(id & 0xff),
                     static_cast<char>(content.size() >> 8),
                     static_cast<char>(content.size() & 0xff),
                     static_cast<char>(padding),
                     0};
  return record.append(content).append(padding, 'p');
}
inline std::string fcgi_begin(int id, bool keep, int role = 1) {
  return fcgi_record(1, id,
                     std::string{0, static_cast<char>(role), static_cast<char>(keep ? 1 : 0), 0, 0, 0, 0, 0});
}
inline std::string fcgi_length(std::size_t size) {
  if (size < 128) return std::string(1, static_cast<char>(size));
  return {static_cast<char>(0x80 | size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
          static_cast<char>(size)};
}
inline std::string fcgi_pairs(const Pairs& pairs) {
  std::string text;
  for (const auto& [name, value] : pairs)
    text += fcgi_length(name.size()) + fcgi_length(value.size()) + name + value;
  return text;
}
// A stream of this type in records of so many bytes, and its end.
inline std::string fcgi_stream(int type, int id, std::string_view data, std::size_t piece = 60'000) {
  std::string records;
  for (; !data.empty(); data.remove_prefix(std::min(piece, data.size())))
    records += fcgi_record(type, id, data.substr(0, piece), data.size() % 8);
  return records + fcgi_record(type, id, {});
}
inline std::string fcgi_request(const Pairs& pairs, std::string_view body = {}, bool keep = false,
                                std::size_t piece = 60'000) {
  return fcgi_begin(1, keep) + fcgi_stream(4, 1, fcgi_pairs(pairs), piece) + fcgi_stream(5, 1, body, piece);
}

inline std::string scgi_request(const Pairs& pairs, std::string_view body = {}) {
  std::string head =
      "CONTENT_LENGTH" + std::string(1, '\0') + std::to_string(body.size()) + std::string(1, '\0');
  for (const auto& [name, value] : pairs) {
    if (name != "CONTENT_LENGTH") head.append(name).append(1, '\0').append(value).append(1, '\0');
  }
  return std::to_string(head.size()) + ":" + head + "," + std::string(body);
}

inline std::string uwsgi_request(const Pairs& pairs, std::string_view body = {}) {
  const auto text = [](const std::string& value) {
    return std::string{static_cast<char>(value.size() & 0xff), static_cast<char>(value.size() >> 8)} + value;
  };
  std::string head;
  for (const auto& [name, value] : pairs) head += text(name) + text(value);
  return std::string{0, static_cast<char>(head.size() & 0xff), static_cast<char>(head.size() >> 8), 0} +
         head + std::string(body);
}

// Records of an answer: what went to each stream, and how it ended.
struct FcgiAnswer {
  std::string stdout_text;
  int ends = 0;
  int end_status = -1;
  std::vector<std::string> others;  // type and content
  bool is_whole = true;             // nothing is left over
};
inline FcgiAnswer read_fcgi(std::string_view bytes) {
  FcgiAnswer answer;
  while (bytes.size() >= 8) {
    const auto at = [&](std::size_t i) {
      return static_cast<std::size_t>(static_cast<std::uint8_t>(bytes[i]));
    };
    const std::size_t size = at(4) << 8 | at(5);
    const std::size_t type = at(1);
    if (bytes.size() < 8 + size + at(6)) break;
    const std::string content(bytes.substr(8, size));
    if (type == 6) {
      answer.stdout_text += content;
    } else if (type == 3) {
      ++answer.ends;
      answer.end_status = content[4];
    } else {
      answer.others.push_back(std::to_string(type) + content);
    }
    bytes.remove_prefix(8 + size + at(6));
  }
  answer.is_whole = bytes.empty();
  return answer;
}

}  // namespace moult::test
