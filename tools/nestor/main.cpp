//===- main.cpp - Inspect, run and measure .nest artifacts ----------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
#include "Commands.h"

#include <CLI/CLI.hpp>

using namespace nestor::tool;

namespace {

CLI::App *addCommand(CLI::App &app, const char *name, const char *help, CommonArguments &common) {
  CLI::App *command = app.add_subcommand(name, help);
  command->add_option("file", common.file, "A .nest artifact")->required()->type_name("FILE.nest");
  command->add_option("--target", common.target,
                      "Run the code of this target instead of the best one for this CPU");
  command
      ->add_option("--precision", common.precision,
                   "f32, or a variant that the file was compiled with: int8")
      ->check(CLI::IsMember({"f32", "int8"}))
      ->capture_default_str();
  command->add_flag("--json", common.json, "Print the result as JSON");
  return command;
}

void addThreads(CLI::App *command, CommonArguments &common) {
  command
      ->add_option("--threads", common.threads, "Threads that share a run; 0: one for every CPU")
      ->capture_default_str()
      ->check(CLI::Range(0, 256));
}

void addSession(CLI::App *command, CommonArguments &common, const char *capacityHelp) {
  command->add_option("--capacity", common.capacity, capacityHelp)->capture_default_str();
  addThreads(command, common);
}

void addCpus(CLI::App *command, CommonArguments &common) {
  command
      ->add_option("--cpus", common.cpus, "Run on these CPUs only, such as 0,1")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("CPU,...");
}

void addBudget(CLI::App *command, CommonArguments &common) {
  command
      ->add_option("--memory-budget", common.memoryBudget,
                   "Run within this much memory, reading weights ahead of the run: bytes, or "
                   "such as 8MiB")
      ->type_name("BYTES");
}

void addCut(CLI::App *command, SplitArguments &split) {
  CLI::Option *cut = command
                         ->add_option("--cut", split.cut,
                                      "Run head and tail one after the other, tensors between them "
                                      "as a stream")
                         ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--tail-capacity", split.tailCapacity,
                   "Capacity of the tail, where it is not that of the head: one that compile "
                   "--mixed has measured with it")
      ->needs(cut);
  command
      ->add_option("--live-dtype", split.liveDtype,
                   "How floats are kept between head and tail")
      ->check(CLI::IsMember({"f32", "f16", "int8"}))
      ->capture_default_str();
}

/// For two processes with a pipe between them.
void addHeadAndTail(CLI::App *command, SplitArguments &split) {
  CLI::Option *head = command->add_option("--head", split.head, "Run only the blocks before a cut")
                          ->check(CLI::NonNegativeNumber)
                          ->group("");
  CLI::Option *tail = command->add_option("--tail", split.tail, "Run only the blocks behind a cut")
                          ->check(CLI::NonNegativeNumber)
                          ->group("");
  CLI::Option *out = command->add_option("--live-out", split.liveOut,
                                         "Where --head writes its tensors; - is standard output")
                         ->needs(head)
                         ->group("");
  CLI::Option *in = command->add_option("--live-in", split.liveIn,
                                        "Where --tail reads them; - is standard input")
                        ->needs(tail)
                        ->group("");
  head->needs(out)->excludes(tail)->excludes("--cut");
  tail->needs(in)->excludes("--cut");
}

void addInspect(CLI::App &app, InspectArguments &inspect) {
  CLI::App *command =
      addCommand(app, "inspect", "Show what an artifact holds", inspect);
  CLI::Option *plan =
      command->add_flag("--plan", inspect.plan, "List the kernel calls of every capacity");
  command
      ->add_flag("--dot", inspect.dot,
                 "Write the layers of the full capacity by block, with the cuts, as a graph: "
                 "nestor inspect F.nest --dot | dot -Tsvg > F.svg")
      ->excludes(plan);
}

void addRun(CLI::App &app, RunArguments &run) {
  CLI::App *command = addCommand(app, "run", "Run an artifact once", run);
  addSession(command, run, "Size of the model, as a fraction of its MACs; default: the largest");
  addCpus(command, run);
  command
      ->add_option("--input", run.inputs,
                   "NAME=@FILE.npy, NAME=@FILE.npz or NAME=random:SEED; repeatable. "
                   "Inputs that are not named are random:0")
      ->allow_extra_args(false);
  addBudget(command, run);
  addCut(command, run.split);
  addHeadAndTail(command, run.split);
  command->add_option("--output", run.output, "Write the outputs to this .npz file");
  CLI::Option *expect = command->add_option(
      "--expect", run.expect, "Compare the outputs with this .npz file; exit 1 if they differ");
  command->add_option("--atol", run.atol, "Absolute tolerance of --expect")
      ->needs(expect)
      ->capture_default_str();
  command->add_option("--rtol", run.rtol, "Relative tolerance of --expect")
      ->needs(expect)
      ->capture_default_str();
}

void addBench(CLI::App &app, BenchArguments &bench) {
  CLI::App *command = addCommand(app, "bench", "Measure latency, load time and memory", bench);
  addSession(command, bench, "Size of the model, as a fraction of its MACs; default: the largest");
  addCpus(command, bench);
  addBudget(command, bench);
  addCut(command, bench.split);
  command->add_option("--seconds", bench.seconds, "How long to run")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3600.0));
  command->add_flag("--profile", bench.profile, "Also show the time of every layer");
}

void addEval(CLI::App &app, EvalArguments &eval) {
  CLI::App *command = addCommand(app, "eval", "Measure accuracy on labelled samples", eval);
  addSession(command, eval, "Size of the model, or all");
  command
      ->add_option("--data", eval.data,
                   "A .npz file: samples named like the input (or x), labels y (optional)")
      ->required();
  command->add_option("--scale", eval.normalization.scale,
                      "For uint8 samples: the model's input is (x * scale - mean) / std");
  command->add_option("--mean", eval.normalization.mean, "One value, or one for each channel")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--std", eval.normalization.std, "One value, or one for each channel")
      ->delimiter(',')
      ->allow_extra_args(false);
}

void addCalibrate(CLI::App &app, CalibrateArguments &calibrate) {
  CLI::App *command =
      addCommand(app, "calibrate", "Measure the latency of every capacity on this device", calibrate);
  addThreads(command, calibrate);
  command->add_option("--seconds", calibrate.seconds, "How long to run each capacity")
      ->capture_default_str()
      ->check(CLI::Range(0.001, 3600.0));
}

void addPack(CLI::App &app, PackArguments &pack) {
  CLI::App *command = addCommand(
      app, "pack", "Write a piece of an artifact: pieces appended in order are the artifact", pack);
  CLI::Option *base = command->add_option(
      "--base", pack.base, "The start of the file that opens with this capacity and the smaller ones");
  command
      ->add_option("--delta", pack.delta, "What a file with capacity FROM lacks for capacity TO")
      ->type_name("FROM:TO")
      ->excludes(base);
  command->add_option("-o,--output", pack.output, "The piece to write")->required();
}

} // namespace

int main(int argc, char **argv) {
  CLI::App app("Inspects, runs and measures .nest artifacts.", "nestor");
  app.set_version_flag("--version", NESTOR_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 ok, 1 a check failed, 2 usage, 4 corrupt or incompatible file, "
             "5 internal error.");
  InspectArguments inspect;
  RunArguments run;
  BenchArguments bench;
  EvalArguments eval;
  CalibrateArguments calibrate;
  PackArguments pack;
  CommonArguments verify;
  eval.capacity = "all";
  addInspect(app, inspect);
  addRun(app, run);
  addBench(app, bench);
  addEval(app, eval);
  addCalibrate(app, calibrate);
  addPack(app, pack);
  addCommand(app, "verify", "Check every hash, every plan and every cut", verify);
  try {
    app.parse(argc, argv);
    if (app.got_subcommand("inspect"))
      return runInspect(inspect);
    if (app.got_subcommand("run"))
      return runRun(run);
    if (app.got_subcommand("bench"))
      return runBench(bench);
    if (app.got_subcommand("eval"))
      return runEval(eval);
    if (app.got_subcommand("calibrate"))
      return runCalibrate(calibrate);
    if (app.got_subcommand("pack"))
      return runPack(pack);
    return runVerify(verify);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? exitOk : exitUsage;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "nestor: internal error: %s\n", error.what());
    return exitInternal;
  }
}
