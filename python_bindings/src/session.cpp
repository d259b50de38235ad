//===- session.cpp - Sessions and their arrays ----------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "session.h"

#include <cstring>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/variant.h>

namespace nestor::python {

//===----------------------------------------------------------------------===//
// Arrays
//===----------------------------------------------------------------------===//

static nb::dlpack::dtype dlpack_type(DType type) {
  using Code = nb::dlpack::dtype_code;
  auto bits = static_cast<uint8_t>(8 * size_of(type));
  auto make = [bits](Code code) { return nb::dlpack::dtype{static_cast<uint8_t>(code), bits, 1}; };
  switch (type) {
  case DType::float32:
  case DType::float64:
  case DType::float16: return make(Code::Float);
  case DType::int8:
  case DType::int16:
  case DType::int32:
  case DType::int64: return make(Code::Int);
  case DType::bfloat16: // Its bits: numpy has none.
  case DType::uint8:
  case DType::uint16:
  case DType::uint32:
  case DType::uint64: return make(Code::UInt);
  case DType::boolean: return make(Code::Bool);
  }
  return {};
}

Port::Port(Tensor from) : tensor(from), name(nb::cast(from.info().name)) {
  dims.assign(tensor.info().dims.begin(), tensor.info().dims.end());
  shape = shape_of(tensor.info().dims);
  dtype = nb::module_::import_("numpy").attr("dtype")(numpy_name(tensor.info().dtype));
}

/// A numpy array over the session's buffer, which keeps the session alive.
static nb::object view(nb::handle self, const Port &port) {
  nb::ndarray<nb::numpy> array(port.tensor.data(), port.dims.size(), port.dims.data(), self,
                               nullptr, dlpack_type(port.tensor.info().dtype));
  return nb::cast(array);
}

static bool is_contiguous(const Array &array) {
  int64_t stride = 1;
  for (size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != stride)
      return array.size() == 0;
    stride *= static_cast<int64_t>(array.shape(i));
  }
  return true;
}

static bool has_shape(const Array &array, const std::vector<size_t> &dims) {
  bool same = array.ndim() == dims.size();
  for (size_t i = 0; same && i < dims.size(); ++i)
    same = array.shape(i) == dims[i];
  return same;
}

static bool has_type(const Array &array, DType type) {
  constexpr nb::dlpack::dtype bfloat16{static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat), 16,
                                       1};
  return array.dtype() == dlpack_type(type) ||
         (type == DType::bfloat16 && array.dtype() == bfloat16);
}

static std::string text_of(nb::handle object) { return nb::str(object).c_str(); }

/// Throws what is wrong with the value of an input, and what would be right.
[[noreturn]] static void refuse(const Port &port, const std::string &problem) {
  const TensorInfo &info = port.tensor.info();
  fail(StatusCode::invalid_argument,
       "input '" + info.name + "' takes " + describe(info) + ", " + problem);
}

/// The value of an input as dense memory of the right type and shape. Nothing
/// is converted silently, since that would hide what it costs.
static Array read_array(const Port &port, nb::handle value) {
  Array array;
  // Arrays of strings or in the other byte order are no arrays to nanobind.
  bool known = nb::try_cast(value, array, false);
  if (!known && !nb::hasattr(value, "dtype"))
    refuse(port, "not " + text_of(value.type().attr("__name__")) +
                     ": pass an array of numpy, or one that supports DLPack");
  if (known && array.device_type() != nb::device::cpu::value)
    refuse(port, "in this machine's memory: copy the array to the CPU first");
  if (!known || !has_type(array, port.tensor.info().dtype))
    refuse(port, "not " + text_of(value.attr("dtype")) +
                     ": convert it with numpy.asarray(value, '" +
                     numpy_name(port.tensor.info().dtype) + "')");
  if (!has_shape(array, port.dims))
    refuse(port, "not the shape " + text_of(nb::tuple(nb::object(value.attr("shape")))));
  if (!is_contiguous(array))
    array = nb::cast<Array>(nb::module_::import_("numpy").attr("ascontiguousarray")(value));
  return array;
}

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

SessionHandle::SessionHandle(const OpenedArtifact &from, Session made)
    : opened(from), session(std::move(made)) {
  for (size_t i = 0; i < opened.artifact.inputs().size(); ++i)
    inputs.emplace_back(session.input(i));
  for (size_t i = 0; i < opened.artifact.outputs().size(); ++i)
    outputs.emplace_back(session.output(i));
}

static std::string names_of(const std::vector<Port> &ports) {
  std::string names;
  for (const Port &port : ports)
    names += (names.empty() ? "" : ", ") + port.tensor.info().name;
  return names;
}

const Port &SessionHandle::find(const std::vector<Port> &ports, const char *kind,
                                const Key &key) const {
  for (size_t i = 0; i < ports.size(); ++i)
    if (key == Key(static_cast<int64_t>(i)) || key == Key(ports[i].tensor.info().name))
      return ports[i];
  const std::string *name = std::get_if<std::string>(&key);
  std::string wanted = name ? "'" + *name + "'" : std::to_string(std::get<int64_t>(key));
  fail(StatusCode::not_found, std::string("there is no ") + kind + " " + wanted +
                                  "; there are: " + names_of(ports));
}

std::vector<Array> read_feeds(const SessionHandle &self, const nb::dict &feeds) {
  std::vector<Array> arrays;
  for (const Port &port : self.inputs) {
    PyObject *value = PyDict_GetItemWithError(feeds.ptr(), port.name.ptr());
    if (!value && PyErr_Occurred()) // A key that cannot be compared.
      throw nb::python_error();
    if (!value)
      fail(StatusCode::invalid_argument, "run: input '" + port.tensor.info().name +
                                             "' is missing; it takes " +
                                             describe(port.tensor.info()));
    arrays.push_back(read_array(port, value));
  }
  if (feeds.size() != arrays.size()) // One is none of the inputs: find says so.
    for (auto [name, value] : feeds)
      (void)self.find(self.inputs, "input", text_of(name));
  return arrays;
}

Results::Results(const SessionHandle &session, nb::handle names) {
  if (names.is_none())
    for (const Port &port : session.outputs)
      ports.push_back(&port);
  else
    for (nb::handle name : names)
      ports.push_back(&session.find(session.outputs, "output", text_of(name)));
  nb::object empty = nb::module_::import_("numpy").attr("empty");
  for (const Port *port : ports) {
    nb::object array = empty(port->shape, port->dtype);
    targets.push_back(nb::cast<nb::ndarray<>>(array).data());
    arrays[port->name] = array;
    made.push_back(std::move(array));
  }
}

Status Results::copy() const {
  for (size_t i = 0; i < ports.size(); ++i)
    if (Status status = ports[i]->tensor.copy_to(targets[i], ports[i]->tensor.bytes());
        !status.ok())
      return status;
  return Status();
}

Status copy_feeds(SessionHandle &self, const std::vector<Array> &feeds) {
  for (size_t i = 0; i < feeds.size(); ++i)
    if (Status status = self.inputs[i].tensor.copy_from(feeds[i].data(), feeds[i].nbytes());
        !status.ok())
      return status;
  return Status();
}

static nb::dict run(SessionHandle &self, const nb::dict &feeds, nb::handle names) {
  std::vector<Array> arrays = read_feeds(self, feeds);
  Results results(self, names);
  run_unlocked(self, [&] {
    Status status = copy_feeds(self, arrays);
    status = status.ok() ? self.session.run() : status;
    return status.ok() ? results.copy() : status;
  });
  return results.arrays;
}

static void run_in_place(SessionHandle &self) {
  run_unlocked(self, [&] { return self.session.run(); });
}

using BlockPair = std::optional<std::pair<uint32_t, uint32_t>>;

static std::unique_ptr<SessionHandle> make_session(const OpenedArtifact &self, float capacity,
                                                   int64_t threads, std::optional<uint64_t> budget,
                                                   BlockPair blocks) {
  if (threads < 0 || threads > UINT32_MAX)
    fail(StatusCode::invalid_argument,
         "session: threads is " + std::to_string(threads) +
             ": pass 1 or more, or 0 for one on every CPU");
  SessionOptions options;
  options.capacity(capacity).threads(static_cast<unsigned>(threads));
  if (budget)
    options.memory_budget(*budget);
  if (blocks)
    options.blocks(blocks->first, blocks->second);
  Result<Session> made = [&] {
    nb::gil_scoped_release release;
    return self.artifact.session(options);
  }();
  check(made.status());
  return std::make_unique<SessionHandle>(self, std::move(made).value());
}

void bind_session(nb::module_ &module, nb::class_<OpenedArtifact> &artifact) {
  // `self` as a handle: the arrays keep it alive.
  auto input = [](nb::handle_t<SessionHandle> self, const Key &key) {
    auto &handle = nb::cast<SessionHandle &>(self);
    return view(self, handle.find(handle.inputs, "input", key));
  };
  auto output = [](nb::handle_t<SessionHandle> self, const Key &key) {
    auto &handle = nb::cast<SessionHandle &>(self);
    return view(self, handle.find(handle.outputs, "output", key));
  };
  nb::class_<SessionHandle> session(module, "Session", nb::is_final());
  session.def("run", run, nb::arg("feeds"), nb::arg("outputs") = nb::none())
      .def("run_in_place", run_in_place)
      .def("input", input, nb::arg("key"))
      .def("output", output, nb::arg("key"))
      .def_prop_rw(
          "capacity", [](const SessionHandle &self) { return self.session.capacity(); },
          [](SessionHandle &self, float capacity) { check(self.session.set_capacity(capacity)); })
      .def_prop_ro("threads", [](const SessionHandle &self) { return self.session.threads(); })
      .def_prop_ro("memory_bytes",
                   [](const SessionHandle &self) { return self.session.memory_bytes(); });
  bind_split(session);
  bind_upgrade(module, session);
  artifact.def("session", make_session, nb::kw_only(), nb::arg("capacity") = 1.0f,
               nb::arg("threads") = 1, nb::arg("memory_budget") = nb::none(),
               nb::arg("blocks") = nb::none());
}

} // namespace nestor::python
