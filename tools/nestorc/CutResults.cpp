//===- CutResults.cpp - Blocks and cuts as compile --json has them --------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "CutResults.h"

using namespace llvm;

namespace nestorc {

json::Array describe(ArrayRef<nestor::BlockInfo> blocks) {
  json::Array list;
  for (const nestor::BlockInfo &block : blocks) {
    json::Array work;
    for (const nestor::WorkInfo &entry : block.work)
      work.push_back(json::Object{
          {"kind", nestor::to_string(entry.kind)}, {"macs", entry.macs}, {"steps", entry.steps}});
    list.push_back(json::Object{{"index", block.index},
                                {"steps", block.steps},
                                {"macs", block.macs},
                                {"weight_bytes", block.weight_bytes},
                                {"activation_bytes", block.activation_bytes},
                                {"work", std::move(work)}});
  }
  return list;
}

static json::Array describeLive(const nestor::CutInfo &cut) {
  json::Array list;
  for (const nestor::LiveTensorInfo &live : cut.live)
    list.push_back(json::Object{{"name", json::fixUTF8(live.name)},
                                {"dtype", nestor::to_string(live.dtype)},
                                {"shape", json::Array(live.dims)},
                                {"bytes", uint64_t(live.bytes)}});
  return list;
}

json::Array describe(ArrayRef<nestor::CutInfo> cuts) {
  json::Array list;
  for (const nestor::CutInfo &cut : cuts)
    list.push_back(json::Object{{"index", cut.index},
                                {"name", json::fixUTF8(cut.name)},
                                {"live_bytes", cut.live_bytes},
                                {"live_bytes_f16", cut.live_bytes_f16},
                                {"live_bytes_int8", cut.live_bytes_int8},
                                {"macs_before", cut.macs_before},
                                {"macs_after", cut.macs_after},
                                {"front_bytes", cut.front_bytes},
                                {"back_bytes", cut.back_bytes},
                                {"dominated", cut.dominated},
                                {"single_tensor", cut.single_tensor},
                                {"live", describeLive(cut)}});
  return list;
}

} // namespace nestorc
