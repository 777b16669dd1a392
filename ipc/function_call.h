#pragma once

#include "ipc/base/clock.h"

#include <optional>
#include <string>
#include <string_view>

// What a call of a function carries on a lane beside its payloads: errors, the items of a stream, its
// deadline. ipc/PROTOCOL.md, "Calls of functions", describes the bytes.

namespace moult {

// Why a call has no result, as values that go from one interpreter to another. `reason` is the word in
// the answer's head ("raised", "not_exported", "payload", …); the rest is the error in its body.
struct CallFault {
  std::string reason;
  std::string type{};       // of the exception: "ValueError", "shop.models.Missing"
  std::string message{};    // its str()
  std::string traceback{};  // whole, as text
  std::string path{};       // of a payload: "argument 'order'[2]"
  std::string class_name{};
  std::string file{};  // innermost place in the app's tree
  int line = 0;
  std::string hint{};  // what may help; the daemon's own errors have it
};

// The error as a JSON object, without the reason; and back. Nothing when it is no object; members that
// are missing or of another kind stay empty.
std::string encode_fault(const CallFault& fault);
std::optional<CallFault> decode_fault(std::string_view reason, std::string_view json);

// One item of a stream; the bytes are a view of the stream's.
struct StreamItem {
  static constexpr char kValue = 'v';
  static constexpr char kError = 'e';  // the last one: the reason, a line feed, the error
  char kind = kValue;
  std::string_view bytes;
};
void append_item(std::string& stream, const StreamItem& item);
// Takes the first item away from `rest`. Nothing, and `rest` untouched: it has not come whole.
std::optional<StreamItem> take_item(std::string_view& rest);
// What the bytes of an error are.
std::string encode_item_fault(const CallFault& fault);
struct ReasonAndError {
  std::string_view reason;
  std::string_view error;
};
ReasonAndError split_item_fault(std::string_view bytes);

// The header `deadline`. Nothing when the text is none.
std::string encode_deadline(SteadyTime deadline);
std::optional<SteadyTime> decode_deadline(std::string_view text);

}  // namespace moult
