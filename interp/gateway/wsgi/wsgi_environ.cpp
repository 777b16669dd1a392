#include "interp/gateway/wsgi/wsgi_environ.h"

#include <charconv>

namespace moult {

namespace {

py::Ref latin1(std::string_view text) {
  return py::Ref::steal(PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
}

py::Ref key(std::string_view name) {
  PyObject* text = latin1(name).release();
  if (text != nullptr) PyUnicode_InternInPlace(&text);
  return py::Ref::steal(text);
}

// "accept-language" -> "HTTP_ACCEPT_LANGUAGE"; "=REMOTE_USER", a variable of the front server, as it is.
std::string environ_name(std::string_view header) {
  if (header.starts_with('=')) return std::string(header.substr(1));
  if (header == "content-type") return "CONTENT_TYPE";
  std::string name = "HTTP_";
  for (const char c : header) {
    name.push_back(c == '-' ? '_' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return name;
}

// Not for the app: the length has a variable of its own, the coding of the body has been undone,
// and HTTP_PROXY would be taken for a proxy's address by HTTP clients (httpoxy).
bool is_hidden(std::string_view header) {
  return header == "content-length" || header == "transfer-encoding" || header == "proxy";
}

void put(PyObject* environ, const char* name, py::Ref value) {
  if (value) PyDict_SetItem(environ, key(name).get(), value.get());
}

}  // namespace

EnvironBuilder::EnvironBuilder(const py::Attached&, const EnvironFacts& facts)
    : template_(py::Ref::steal(PyDict_New())),
      input_key_(key("wsgi.input")),
      warmup_key_(key("moult.warmup")) {
  struct Slot {
    Remembered& item;
    const char* name;
  };
  const Slot slots[] = {{method_, "REQUEST_METHOD"},    {script_name_, "SCRIPT_NAME"},
                        {path_info_, "PATH_INFO"},      {query_, "QUERY_STRING"},
                        {target_, "REQUEST_URI"},       {server_name_, "SERVER_NAME"},
                        {server_port_, "SERVER_PORT"},  {remote_addr_, "REMOTE_ADDR"},
                        {remote_port_, "REMOTE_PORT"},  {content_length_, "CONTENT_LENGTH"},
                        {protocol_, "SERVER_PROTOCOL"}, {scheme_, "wsgi.url_scheme"},
                        {call_, "moult.call"}};
  PyObject* const environ = template_.get();
  for (const Slot& slot : slots) {
    slot.item.key = key(slot.name);
    // Every variable that each request has stands in the template already: replacing a value is
    // cheaper than adding a key.
    if (&slot.item != &content_length_) put(environ, slot.name, py::Ref::borrow(Py_None));
  }
  put(environ, "wsgi.input", py::Ref::borrow(Py_None));
  put(environ, "wsgi.version", py::Ref::steal(Py_BuildValue("(ii)", 1, 0)));
  put(environ, "wsgi.errors", py::Ref::borrow(facts.errors));
  put(environ, "wsgi.multithread", py::Ref::borrow(facts.multithread ? Py_True : Py_False));
  put(environ, "wsgi.multiprocess", py::Ref::borrow(facts.multiprocess ? Py_True : Py_False));
  put(environ, "wsgi.run_once", py::Ref::borrow(Py_False));
  put(environ, "wsgi.file_wrapper", py::Ref::borrow(facts.file_wrapper));
  put(environ, "wsgi.input_terminated", py::Ref::borrow(Py_True));
  put(environ, "SERVER_SOFTWARE", latin1("moult/" MOULT_VERSION));
  put(environ, "moult.app", latin1(facts.app));
  put(environ, "moult.generation", py::Ref::steal(PyLong_FromUnsignedLongLong(facts.generation)));
}

bool EnvironBuilder::set(PyObject* environ, Remembered& item, std::string_view text) {
  if (text.size() > kLongestRemembered) {
    const py::Ref value = latin1(text);
    return value && PyDict_SetItem(environ, item.key.get(), value.get()) == 0;
  }
  if (!item.value || item.text != text) {
    item.value = latin1(text);
    if (!item.value) return false;
    item.text.assign(text);
  }
  return PyDict_SetItem(environ, item.key.get(), item.value.get()) == 0;
}

EnvironBuilder::Remembered* EnvironBuilder::header_slot(std::string_view name) {
  if (const auto found = headers_.find(name); found != headers_.end()) return &found->second;
  Remembered& item = headers_.size() < kMostHeaderNames ? headers_[std::string(name)] : overflow_;
  item.key = key(environ_name(name));
  item.value.reset();
  item.last_request = 0;
  return item.key ? &item : nullptr;
}

bool EnvironBuilder::add_header(const py::Attached&, PyObject* environ, const lane::Header& header) {
  if (is_hidden(header.name)) return true;
  Remembered* const item = header_slot(header.name);
  if (item == nullptr) return false;
  // A name that the table had no room for is looked up in the environ itself.
  PyObject* const before = item->last_request == serial_ || item == &overflow_
                               ? PyDict_GetItemWithError(environ, item->key.get())
                               : nullptr;
  item->last_request = serial_;
  if (before == nullptr) return PyErr_Occurred() == nullptr && set(environ, *item, header.value);
  const py::Ref more = latin1(header.value);
  const char* const joint = header.name == "cookie" ? "%U; %U" : "%U, %U";
  const py::Ref joined = more ? py::Ref::steal(PyUnicode_FromFormat(joint, before, more.get())) : py::Ref();
  return joined && PyDict_SetItem(environ, item->key.get(), joined.get()) == 0;
}

py::Ref EnvironBuilder::build(const py::Attached& py, const lane::Request& request, PyObject* input) {
  ++serial_;
  py::Ref environ = py::Ref::steal(PyDict_Copy(template_.get()));
  if (!environ) return {};
  PyObject* const dict = environ.get();
  const lane::RequestHead& head = request.head;
  bool ok = set(dict, method_, head.method) && set(dict, script_name_, head.script_name) &&
            set(dict, path_info_, head.path_info) && set(dict, query_, head.query) &&
            set(dict, target_, head.target) && set(dict, server_name_, head.server_name) &&
            set(dict, server_port_, head.server_port) && set(dict, remote_addr_, head.remote_addr) &&
            set(dict, remote_port_, head.remote_port) &&
            set(dict, protocol_, (head.flags & lane::kHttp10) != 0 ? "HTTP/1.0" : "HTTP/1.1") &&
            set(dict, scheme_, (head.flags & lane::kHttps) != 0 ? "https" : "http") &&
            PyDict_SetItem(dict, input_key_.get(), input) == 0;
  if (ok) {
    const py::Ref number = py::Ref::steal(PyLong_FromUnsignedLongLong(head.call));
    ok = number && PyDict_SetItem(dict, call_.key.get(), number.get()) == 0;
  }
  bool has_length = (head.flags & lane::kBodyChunked) == 0 && head.content_length > 0;
  lane::HeaderWalk walk(request);
  for (lane::Header header; ok && walk.next(header);) {
    if (header.name == "content-length") has_length = (head.flags & lane::kBodyChunked) == 0;
    ok = add_header(py, dict, header);
  }
  if (ok && has_length) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, head.content_length).ptr;
    ok = set(dict, content_length_, {digits, static_cast<std::size_t>(end - digits)});
  }
  if (ok && (head.flags & lane::kWarmup) != 0) ok = PyDict_SetItem(dict, warmup_key_.get(), Py_True) == 0;
  return ok ? std::move(environ) : py::Ref();
}

}  // namespace moult
