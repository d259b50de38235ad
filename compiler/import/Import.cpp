//===- Import.cpp - ONNX files to nest functions --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Import.h"

#include "compiler/import/GraphImporter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <climits>

using namespace mlir;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

namespace nestor::import {

namespace {

ImportResult corrupt(StringRef name, const Twine &message) {
  ImportResult result;
  result.status = ImportStatus::Corrupt;
  result.message = (name + ": " + message).str();
  return result;
}

/// Which field of the outermost message stops the parser, as a sentence.
std::string findBrokenField(StringRef bytes) {
  const auto *descriptor = onnx::ModelProto::descriptor();
  CodedInputStream stream(reinterpret_cast<const uint8_t *>(bytes.data()), int(bytes.size()));
  while (true) {
    int position = stream.CurrentPosition();
    uint32_t tag = stream.ReadTag();
    if (tag == 0)
      break;
    const auto *field = descriptor->FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    std::string name = field ? field->name() : std::string("?");
    if (!WireFormatLite::SkipField(&stream, tag))
      return "field '" + name + "' at byte " + std::to_string(position) +
             " is broken or ends beyond the file";
  }
  return "a field inside 'graph' is broken";
}

/// Parses and checks what must hold before the graph is walked.
ImportResult importModel(StringRef bytes, StringRef name, StringRef directory,
                         const ImportOptions &options, MLIRContext &context) {
  if (bytes.empty())
    return corrupt(name, "the file is empty");
  if (bytes.size() > size_t(INT_MAX))
    return corrupt(name,
                   "the file is larger than the 2 GiB that protobuf allows; store the weights "
                   "as external data");
  onnx::ModelProto model;
  CodedInputStream stream(reinterpret_cast<const uint8_t *>(bytes.data()), int(bytes.size()));
  // protobuf prints to stderr otherwise, and aborts on nothing here.
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    return corrupt(name, "not a valid ONNX model: " + findBrokenField(bytes));
  if (!model.has_graph())
    return corrupt(name, "not an ONNX model: field 'graph' is missing");
  if (model.graph().node_size() == 0 && model.graph().output_size() == 0)
    return corrupt(name, "field 'graph' has no nodes and no outputs");

  context
      .loadDialect<nest::NestDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect>();
  ImportResult result = GraphImporter(model, name, directory, options, context).run();
  if (!result.module)
    return result;
  std::string diagnostic;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &message) {
    if (diagnostic.empty())
      diagnostic = message.str();
    return success();
  });
  if (failed(verify(*result.module))) {
    assert(false && "the importer built an invalid module");
    result.status = ImportStatus::Unsupported;
    result.message = (name + ": " + diagnostic).str();
    result.module = nullptr;
  }
  return result;
}

} // namespace

ImportResult importFile(StringRef path, const ImportOptions &options, MLIRContext &context) {
  auto buffer =
      llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return corrupt(path, "cannot be read: " + buffer.getError().message());
  return importModel((*buffer)->getBuffer(), path, llvm::sys::path::parent_path(path), options,
                     context);
}

ImportResult importBytes(StringRef bytes, StringRef directory, const ImportOptions &options,
                         MLIRContext &context) {
  return importModel(bytes, "model", directory, options, context);
}

} // namespace nestor::import
