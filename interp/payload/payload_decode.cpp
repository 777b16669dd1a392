#include "interp/payload/payload.h"
#include "interp/payload/payload_pickle.h"
#include "interp/payload/payload_reader.h"
#include "interp/py/error.h"

#include <datetime.h>

namespace moult {

namespace {

using payload::Form;
using payload::Reader;

Py_ssize_t signed_size(std::size_t size) { return static_cast<Py_ssize_t>(size); }

// The C functions of the datetime module, which belong to one interpreter on 3.11 and 3.12. Imported
// for the first value of a message that needs them.
class DateTimes {
 public:
  // Null with an exception pending.
  const PyDateTime_CAPI* get() {
    if (capi_ != nullptr) return capi_;
    const py::Ref module = py::Ref::steal(PyImport_ImportModule("datetime"));
    if (module) capsule_ = py::Ref::steal(PyObject_GetAttrString(module.get(), "datetime_CAPI"));
    if (capsule_)
      capi_ =
          static_cast<const PyDateTime_CAPI*>(PyCapsule_GetPointer(capsule_.get(), PyDateTime_CAPSULE_NAME));
    return capi_;
  }

 private:
  py::Ref capsule_;
  const PyDateTime_CAPI* capi_ = nullptr;
};

// Makes Python objects of the values that a ValueReader finds. One per message, on the stack of the
// decoding thread.
struct ObjectMaker {
  using Value = py::Ref;

  explicit ObjectMaker(const py::Attached&) {}

  Value none() { return py::Ref::borrow(Py_None); }
  Value boolean(bool value) { return py::Ref::borrow(value ? Py_True : Py_False); }
  Value integer(std::int64_t value) { return py::Ref::steal(PyLong_FromLongLong(value)); }
  Value big_integer(std::string_view bytes) {
#if PY_VERSION_HEX >= 0x030D0000
    return py::Ref::steal(PyLong_FromNativeBytes(bytes.data(), bytes.size(), Py_ASNATIVEBYTES_LITTLE_ENDIAN));
#else
    const auto* const digits = static_cast<const unsigned char*>(static_cast<const void*>(bytes.data()));
    return py::Ref::steal(_PyLong_FromByteArray(digits, bytes.size(), 1, 1));
#endif
  }
  Value real(double value) { return py::Ref::steal(PyFloat_FromDouble(value)); }
  Value text(const payload::Text& text) {
    const std::size_t length = text.bytes.size() / text.width;
    // Python keeps the strings of no and one such character.
    if (text.width == 1 && length <= 1)
      return py::Ref::steal(
          PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, text.bytes.data(), signed_size(length)));
    py::Ref made = py::Ref::steal(PyUnicode_New(signed_size(length), text.highest));
    if (made) std::memcpy(PyUnicode_DATA(made.get()), text.bytes.data(), text.bytes.size());
    return made;
  }
  Value bytes(std::string_view bytes) {
    return py::Ref::steal(PyBytes_FromStringAndSize(bytes.data(), signed_size(bytes.size())));
  }
  Value byte_array(std::string_view bytes) {
    return py::Ref::steal(PyByteArray_FromStringAndSize(bytes.data(), signed_size(bytes.size())));
  }
  Value memory(const payload::Memory& memory) {
    const py::Ref source = bytes(memory.bytes);
    py::Ref view = source ? py::Ref::steal(PyMemoryView_FromObject(source.get())) : py::Ref();
    if (!view || (memory.format == "B" && !memory.has_shape)) return view;
    const auto format_size = signed_size(memory.format.size());
    if (!memory.has_shape)
      return py::Ref::steal(PyObject_CallMethod(view.get(), "cast", "s#", memory.format.data(), format_size));
    const py::Ref shape = py::Ref::steal(PyTuple_New(signed_size(memory.shape.size())));
    for (std::size_t i = 0; shape && i < memory.shape.size(); ++i) {
      PyObject* const length = PyLong_FromUnsignedLongLong(memory.shape[i]);
      if (length == nullptr) return {};
      PyTuple_SET_ITEM(shape.get(), signed_size(i), length);
    }
    if (!shape) return {};
    return py::Ref::steal(
        PyObject_CallMethod(view.get(), "cast", "s#O", memory.format.data(), format_size, shape.get()));
  }
  Value date(const payload::Date& date) {
    const auto* const api = date_times_.get();
    return api == nullptr
               ? Value()
               : py::Ref::steal(api->Date_FromDate(date.year, date.month, date.day, api->DateType));
  }
  Value time(const payload::TimeOfDay& time) {
    const auto* const api = date_times_.get();
    return api == nullptr ? Value()
                          : py::Ref::steal(api->Time_FromTimeAndFold(time.hour, time.minute, time.second,
                                                                     static_cast<int>(time.microsecond),
                                                                     Py_None, time.fold, api->TimeType));
  }
  Value date_time(const payload::Date& date, const payload::TimeOfDay& time) {
    const auto* const api = date_times_.get();
    return api == nullptr ? Value()
                          : py::Ref::steal(api->DateTime_FromDateAndTimeAndFold(
                                date.year, date.month, date.day, time.hour, time.minute, time.second,
                                static_cast<int>(time.microsecond), Py_None, time.fold, api->DateTimeType));
  }
  Value duration(const payload::Duration& duration) {
    const auto* const api = date_times_.get();
    return api == nullptr ? Value()
                          : py::Ref::steal(api->Delta_FromDelta(duration.days, duration.seconds,
                                                                duration.microseconds, 1, api->DeltaType));
  }

  Value begin_list(std::size_t size) { return py::Ref::steal(PyList_New(signed_size(size))); }
  Value begin_tuple(std::size_t size) { return py::Ref::steal(PyTuple_New(signed_size(size))); }
  Value begin_dict() { return py::Ref::steal(PyDict_New()); }
  Value begin_set() { return py::Ref::steal(PySet_New(nullptr)); }
  Value begin_frozen_set() { return py::Ref::steal(PyFrozenSet_New(nullptr)); }
  bool put_in_list(Value& list, std::size_t at, Value item) {
    if (!item) return false;
    PyList_SET_ITEM(list.get(), signed_size(at), item.release());
    return true;
  }
  bool put_in_tuple(Value& tuple, std::size_t at, Value item) {
    if (!item) return false;
    PyTuple_SET_ITEM(tuple.get(), signed_size(at), item.release());
    return true;
  }
  bool put_in_dict(Value& dict, Value key, Value value) {
    return value && PyDict_SetItem(dict.get(), key.get(), value.get()) == 0;
  }
  bool put_in_set(Value& set, Value item) { return item && PySet_Add(set.get(), item.get()) == 0; }

 private:
  DateTimes date_times_;
};

struct CallMaker {
  py::Ref& args;
  py::Ref& kwargs;

  bool begin(std::size_t positional, std::size_t keywords) {
    args = py::Ref::steal(PyTuple_New(signed_size(positional)));
    kwargs = keywords > 0 ? py::Ref::steal(PyDict_New()) : py::Ref();
    return args && (kwargs || keywords == 0);
  }
  bool put_positional(std::size_t at, py::Ref value) {
    if (!value) return false;
    PyTuple_SET_ITEM(args.get(), signed_size(at), value.release());
    return true;
  }
  bool put_keyword(py::Ref key, py::Ref value) {
    return value && PyUnicode_Check(key.get()) && PyDict_SetItem(kwargs.get(), key.get(), value.get()) == 0;
  }
};

// Sets "malformed message", whatever Python found about it, unless memory ran out.
void refuse(const py::Attached& py) {
  if (PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(PyExc_MemoryError)) return;
  PyErr_Clear();
  const py::Ref type = py::boot_function(py, "call_errors", "PayloadError");
  if (type) PyErr_SetString(type.get(), "malformed message");
}

// The form of the message, when the reader has it.
bool take_form(Reader& reader, Form& form) { return reader.take(form) && reader.left() > 0; }

std::string_view rest_of(const PayloadView& payload) { return payload.text.substr(sizeof(Form)); }

}  // namespace

py::Ref decode_value(const py::Attached& py, const PayloadView& payload) {
  Reader reader(payload.text);
  Form form{};
  py::Ref value;
  if (take_form(reader, form)) {
    if (form == Form::pickled_value) return payload::read_pickle(py, rest_of(payload), payload.buffers);
    ObjectMaker maker(py);
    if (form == Form::value) value = payload::read_single(reader, payload.buffers, maker);
  }
  if (!value) refuse(py);
  return value;
}

bool decode_call(const py::Attached& py, const PayloadView& payload, py::Ref& args, py::Ref& kwargs) {
  Reader reader(payload.text);
  Form form{};
  bool made = false;
  if (take_form(reader, form)) {
    if (form == Form::pickled_call) {
      const py::Ref both = payload::read_pickle(py, rest_of(payload), payload.buffers);
      if (!both) return false;
      made = PyTuple_CheckExact(both.get()) && PyTuple_GET_SIZE(both.get()) == 2 &&
             PyTuple_CheckExact(PyTuple_GET_ITEM(both.get(), 0));
      if (made) {
        args = py::Ref::borrow(PyTuple_GET_ITEM(both.get(), 0));
        PyObject* const keywords = PyTuple_GET_ITEM(both.get(), 1);
        kwargs = PyDict_CheckExact(keywords) ? py::Ref::borrow(keywords) : py::Ref();
      }
    } else if (form == Form::call) {
      ObjectMaker maker(py);
      CallMaker arguments{args, kwargs};
      made = payload::read_call(reader, payload.buffers, maker, arguments);
    }
  }
  if (!made) {
    args.reset();
    kwargs.reset();
    refuse(py);
  }
  return made;
}

}  // namespace moult
