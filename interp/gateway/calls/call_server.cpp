#include "interp/gateway/calls/call_server.h"

#include "interp/calls/run_export.h"
#include "interp/calls/thread_calls.h"

#include <array>
#include <charconv>
#include <cstring>

namespace moult {

namespace {

struct ReasonStatus {
  std::string_view reason;
  std::uint16_t status;
};
constexpr std::array<ReasonStatus, 7> kStatuses{{{"value", 200},
                                                 {"stream", 207},
                                                 {"raised", 500},
                                                 {"not_exported", 404},
                                                 {"payload", 422},
                                                 {"too_large", 413},
                                                 {"cycle", 508}}};

std::uint16_t status_of(std::string_view reason) {
  for (const auto& [name, status] : kStatuses) {
    if (name == reason) return status;
  }
  return 500;
}

std::int64_t number_in(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// What the callees of this call inherit, for its length.
class ServedScope {
 public:
  ServedScope(ThreadCalls& calls, const lane::Request& request, bool& as_json) : calls_(calls) {
    lane::HeaderWalk walk(request);
    for (lane::Header header; walk.next(header);) {
      if (header.name == "depth") calls.scope.depth = static_cast<int>(number_in(header.value));
      if (header.name == "codec") as_json = header.value == "json";
      if (header.name == "deadline")
        calls.scope.deadline = decode_deadline(header.value).value_or(SteadyTime::max());
    }
    ++calls.scope.depth;
  }
  ~ServedScope() {
    calls_.scope.depth = 0;
    calls_.scope.deadline = SteadyTime::max();
  }
  ServedScope(const ServedScope&) = delete;
  ServedScope& operator=(const ServedScope&) = delete;

 private:
  ThreadCalls& calls_;
};

bool is_iterator(PyObject* value) { return Py_TYPE(value)->tp_iternext != nullptr; }

}  // namespace

void CallServer::serve(const py::Attached& py, const lane::Request& request) {
  call_.begin(request.head);
  body_.begin(request.body);
  head_sent_ = false;
  as_json_ = false;
  const ServedScope scope(natives_.book.here(), request, as_json_);
  if (const auto fault = run(py, request)) send_fault(py, *fault);
  payload_.release(py);
  PyErr_Clear();
}

std::optional<CallFault> CallServer::run(const py::Attached& py, const lane::Request& request) {
  if (natives_.book.here().scope.depth > kCallDepthMax) return too_deep();
  const std::string_view name = request.head.target;
  // Hooks are called by the daemon, for no app.
  if (name.starts_with("moult.hook.") && !request.head.script_name.empty()) return not_exported(py, name);
  Arguments arguments;
  if (auto fault = read_arguments(py, request, arguments)) return fault;
  if (name.starts_with("moult.")) {
    const py::Ref own = py::boot_function(py, "calls", "serve_own");
    const py::Ref both =
        own ? py::Ref::steal(Py_BuildValue("(s#O)", name.data(), static_cast<Py_ssize_t>(name.size()),
                                           arguments.args.get()))
            : py::Ref();
    if (!both) return take_fault(py, "raised");
    Ran ran = run_export(py, own.get(), both.get(), nullptr);
    if (ran.fault) return std::move(ran.fault);
    return answer(py, ran.value.get());
  }
  const Exported exported = find_export(py, natives_.entrance->exports(), name);
  if (!exported) return not_exported(py, name);
  Ran ran = run_export(py, exported.function, arguments.args.get(), arguments.kwargs.get());
  if (ran.fault) return std::move(ran.fault);
  if ((exported.flags & kExportStream) == 0 || !is_iterator(ran.value.get()))
    return answer(py, ran.value.get());
  stream(py, ran.value.get());
  return std::nullopt;
}

std::optional<CallFault> CallServer::read_arguments(const py::Attached& py, const lane::Request& request,
                                                    Arguments& arguments) {
  py::Ref whole;  // of a body that came in pieces
  std::string_view bytes = request.body;
  if ((request.head.flags & lane::kBodyStreams) != 0) {
    whole = py::Ref::steal(body_.read(py, -1));
    if (!whole) return take_fault(py, "payload");
    bytes = {PyBytes_AS_STRING(whole.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(whole.get()))};
  }
  if (as_json_) {
    const py::Ref load = py::boot_function(py, "calls", "arguments_from_json");
    const py::Ref both = load ? py::Ref::steal(PyObject_CallFunction(load.get(), "y#", bytes.data(),
                                                                     static_cast<Py_ssize_t>(bytes.size())))
                              : py::Ref();
    if (!both) return take_fault(py, "payload");
    arguments.args = py::Ref::borrow(PyTuple_GET_ITEM(both.get(), 0));
    arguments.kwargs = py::Ref::borrow(PyTuple_GET_ITEM(both.get(), 1));
    return std::nullopt;
  }
  if (bytes.empty()) {
    arguments.args = py::Ref::steal(PyTuple_New(0));
    return std::nullopt;
  }
  const auto payload = FlatPayload::parse(bytes);
  if (!payload) return CallFault{"payload", {}, "malformed message"};
  if (request.head.target == "moult.hook.adopt") {  // what the hook `handoff` gave, as it came
    arguments.args = decode_value(py, payload->view());
    if (!arguments.args) return take_fault(py, "payload");
    return std::nullopt;
  }
  if (!decode_call(py, payload->view(), arguments.args, arguments.kwargs)) return take_fault(py, "payload");
  return std::nullopt;
}

std::optional<CallFault> CallServer::encode(const py::Attached& py, PyObject* value, std::string& bytes) {
  if (as_json_) {
    const py::Ref dump = py::boot_function(py, "calls", "result_to_json");
    const py::Ref text = dump ? py::Ref::steal(PyObject_CallOneArg(dump.get(), value)) : py::Ref();
    if (!text) return take_fault(py, "payload");
    bytes.assign(PyBytes_AS_STRING(text.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(text.get())));
    return std::nullopt;
  }
  if (!payload_.encode_value(py, value, natives_.max_payload)) return take_fault(py, "payload");
  payload_.flatten(bytes);
  payload_.release(py);
  return std::nullopt;
}

std::optional<CallFault> CallServer::answer(const py::Attached& py, PyObject* value) {
  flat_.clear();
  if (auto fault = encode(py, value, flat_)) return fault;
  send_answer(py, "value", flat_);
  return std::nullopt;
}

// Each item as soon as it is there; the lane's own buffers are the back-pressure. The generator is
// closed when the caller has gone, and by its end.
void CallServer::stream(const py::Attached& py, PyObject* items) {
  send_head(py, "stream", {}, 0);
  std::string item;
  const auto send_item = [&](char kind) {
    std::string framed;
    append_item(framed, {kind, item});
    send_chunks(py, framed, 0);
  };
  while (!call_.gone()) {
    const py::Ref next = py::Ref::steal(PyIter_Next(items));
    std::optional<CallFault> fault;
    if (!next && PyErr_Occurred() != nullptr) fault = take_fault(py, "raised");
    if (!next && !fault) break;
    item.clear();
    if (!fault) fault = encode(py, next.get(), item);
    if (fault) {
      item = encode_item_fault(*fault);
      send_item(StreamItem::kError);
      break;
    }
    send_item(StreamItem::kValue);
    call_.look_for_abort();
  }
  const py::Ref closed = PyObject_HasAttrString(items, "close") != 0
                             ? py::Ref::steal(PyObject_CallMethod(items, "close", nullptr))
                             : py::Ref();
  if (PyErr_Occurred() != nullptr) {
    log_text(py, natives_, 'e', "moult: closing a stream failed\n" + py::take_error(py).traceback);
  }
  send_chunk(py, {}, lane::kEnd);
}

void CallServer::send_fault(const py::Attached& py, const CallFault& fault) {
  send_answer(py, fault.reason, encode_fault(fault));
}

void CallServer::send_answer(const py::Attached& py, std::string_view reason, std::string_view bytes) {
  if (call_.is_moved() && !head_sent_) {
    call_.fail(py, {});
    return;
  }
  const std::string_view first = bytes.substr(0, lane::kChunkMax);
  bytes.remove_prefix(first.size());
  send_head(py, reason, first, bytes.empty() ? lane::kEnd : 0);
  if (!send_chunks(py, bytes, lane::kEnd)) send_chunk(py, {}, lane::kEnd);
}

// `last_flags` go with the last one. False: the caller has gone before that.
bool CallServer::send_chunks(const py::Attached& py, std::string_view bytes, std::uint8_t last_flags) {
  while (!bytes.empty() && !call_.gone()) {
    const std::string_view piece = bytes.substr(0, lane::kChunkMax);
    bytes.remove_prefix(piece.size());
    send_chunk(py, piece, bytes.empty() ? last_flags : 0);
  }
  return bytes.empty();
}

void CallServer::send_head(const py::Attached& py, std::string_view reason, std::string_view data,
                           std::uint8_t flags) {
  if (head_sent_) return;
  head_sent_ = true;
  call_.begin_answer();
  lane::Head head;
  head.call = call_.number();
  head.flags = flags;
  head.status = status_of(reason);
  head.reason = reason;
  std::array<char, 128> prefix{};
  call_.send(py, {prefix.data(), lane::encode_head(prefix, head)}, data);
}

void CallServer::send_chunk(const py::Attached& py, std::string_view data, std::uint8_t flags) {
  char prefix[16];
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::chunk, call_.number(), flags);
  call_.send(py, {prefix, size}, data);
}

}  // namespace moult
