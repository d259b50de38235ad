//===- Distill.cpp - All capacities learn from the original ---------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Sandwich training with in-place distillation as in US-Nets, but the teacher
// is the original network rather than the full capacity of the moment: that one
// is here from the start and does not move.
//
//===----------------------------------------------------------------------===//

#include "compiler/learn/Trainer.h"

using namespace mlir;
using namespace nestor;
using namespace nestor::learn;

static TrainingStage stageFor(const TrainingNetworks &networks, TopRule rule) {
  TrainingStage stage;
  stage.name = "distilling";
  int top = int(networks.capacities()) - 1;
  bool exact = rule == TopRule::Exact;
  for (int capacity = 0; capacity <= top; ++capacity)
    if (capacity < top || !exact)
      stage.capacities.push_back(capacity);
  // The filters are the full capacity's, too.
  for (const Parameter &parameter : networks.parameters().parameters())
    stage.trains.push_back(!exact || (parameter.capacity >= 0 && parameter.capacity < top));
  return stage;
}

llvm::Expected<Recovery> nestor::learn::recoverDistill(ModuleOp nested, ModuleOp teacher,
                                                       const NestOptions &options) {
  // A closed form saves the first epochs. What it does to the full capacity is
  // for training to mend, and for the held-out samples to judge in the end.
  NestOptions closed = options;
  if (closed.top == TopRule::Tolerance)
    closed.top = TopRule::Free;
  llvm::Expected<Recovery> solved = recoverSolve(nested, teacher, closed);
  if (!solved)
    return solved.takeError();

  auto trainer = Trainer::create(nested, teacher, options, solved->seconds);
  if (!trainer)
    return trainer.takeError();
  if (options.train.batchNorm && options.top != TopRule::Exact)
    if (llvm::Error error = (*trainer)->normalize())
      return error;
  TrainingStage stage = stageFor((*trainer)->networks(), options.top);
  llvm::Expected<Recovery> recovery = (*trainer)->run(stage, /*keepLast=*/false);
  if (!recovery)
    return recovery.takeError();
  recovery->topChanged |= solved->topChanged;
  recovery->notes.insert(recovery->notes.begin(), solved->notes.begin(), solved->notes.end());
  if (options.top == TopRule::Exact)
    recovery->notes.push_back("--top exact: only the private scales and biases of the smaller "
                              "capacities were trained");
  return recovery;
}
