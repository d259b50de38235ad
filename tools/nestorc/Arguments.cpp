//===- Arguments.cpp - The command line of nestorc ------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"
#include "NestFlags.h"

#include "compiler/kernels/Kernel.h"
#include "compiler/package/EmbeddedObject.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <CLI/CLI.hpp>

using nestor::driver::ExitStatus;

namespace nestorc {
namespace {

/// The text of the flags of one run, before it is checked.
struct RawArguments {
  std::vector<std::string> shapes, bindings, targets, cameraInputs;
  std::string blocks, triple, mixed, fastMath;
  std::vector<std::string> precisions;
  NestFlags nest;
};

std::pair<std::string, std::vector<int64_t>> parseShape(llvm::StringRef text) {
  auto [name, extents] = text.rsplit('=');
  std::vector<int64_t> shape;
  llvm::SmallVector<llvm::StringRef> parts;
  extents.split(parts, ',');
  for (llvm::StringRef part : parts) {
    int64_t extent;
    if (name.empty() || part.trim().getAsInteger(10, extent) || extent < 0)
      fail("--shape", "'" + text.str() + "' is not NAME=N,N,... as in x=1,3,224,224");
    shape.push_back(extent);
  }
  return {name.str(), shape};
}

std::pair<std::string, std::string> parseBinding(llvm::StringRef text) {
  size_t split = text.find("=@");
  if (split == llvm::StringRef::npos || split == 0)
    fail("--bind", "'" + text.str() + "' is not NAME=@FILE as in axes=@axes.npy");
  return {text.take_front(split).str(), text.drop_front(split + 2).str()};
}

const nestor::kernels::TargetInfo *parseTarget(const std::string &name) {
  if (const auto *target = nestor::kernels::findTarget(name))
    return target;
  std::string known;
  for (const auto &target : nestor::kernels::allTargets())
    known += (known.empty() ? "" : ", ") + target.name;
  fail("--target", "'" + name + "' is not a target; there are " + known);
}

/// Whether Winograd's algorithm may be used.
bool parseFastMath(const std::string &text) {
  if (text != "winograd=on" && text != "winograd=off")
    fail("--fast-math", "'" + text + "' is neither winograd=on nor winograd=off");
  return text == "winograd=on";
}

void addImportOptions(CLI::App &command, RawArguments &raw) {
  command
      .add_option("--shape", raw.shapes, "Shape of an input with dynamic dimensions; repeatable")
      ->type_name("NAME=N,N,...")
      ->take_all()
      ->allow_extra_args(false);
  command
      .add_option("--bind", raw.bindings,
                  "Value of an input that is known now (a shape, axes); it is no input of the "
                  "artifact; repeatable")
      ->type_name("NAME=@FILE.npy|.pb")
      ->take_all()
      ->allow_extra_args(false);
}

void addModelOptions(CLI::App &command, ModelArguments &model, RawArguments &raw) {
  command.add_option("model", model.path, "ONNX file")->required()->type_name("MODEL.onnx");
  addImportOptions(command, raw);
}

void finishModel(ModelArguments &model, const RawArguments &raw) {
  for (const std::string &text : raw.shapes)
    model.shapes.insert(parseShape(text));
  for (const std::string &text : raw.bindings)
    model.bindings.insert(parseBinding(text));
}

CLI::App *addCompile(CLI::App &app, CompileArguments &compile, RawArguments &raw) {
  CLI::App *command = app.add_subcommand("compile", "Compile an ONNX model into a .nest artifact");
  addModelOptions(*command, compile.model, raw);
  command->add_option("-o,--output", compile.output, "Artifact to write")->type_name("OUT.nest");
  command
      ->add_option("--target", raw.targets,
                   "Instruction set to generate code for; repeatable; default: this host")
      ->type_name("FEATURES")
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option("--uint8-input", raw.cameraInputs,
                   "Input that is given as uint8 images, channels last; the artifact computes "
                   "(x * scale - mean) / std; repeatable")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  addNestFlags(*command, raw.nest);
  command
      ->add_option("--optimize", compile.optimize,
                   "How much room weights may take to be faster: none; a quarter more, where it "
                   "saves most; or any. Default balanced")
      ->check(CLI::IsMember({"size", "balanced", "latency"}))
      ->type_name("size|balanced|latency");
  command
      ->add_option("--fast-math", raw.fastMath,
                   "Whether 3x3 convolutions may be computed by Winograd's algorithm, and with "
                   "--optimize latency pointwise ones by Strassen's: results are then within 1e-3 "
                   "of an output's range, otherwise within 1e-4; default winograd=on")
      ->type_name("winograd=on|off");
  command
      ->add_option("--tune", compile.tune,
                   "Choose algorithms and register tiles by what they take on this machine: what "
                   "the file has is taken from it, what it lacks is measured and added; the same "
                   "file gives the same artifact")
      ->type_name("CACHE");
  command
      ->add_option("--precision", raw.precisions,
                   "What to compute in: f32, which is always there, and int8, a variant with "
                   "sections of its own whose ranges are measured on --data; default f32")
      ->delimiter(',')
      ->check(CLI::IsMember({"f32", "int8"}))
      ->type_name("f32[,int8]");
  command
      ->add_option("--weights", compile.weights,
                   "What the filters of convolutions and products are stored in: f16 and bf16 take "
                   "half the room and are widened as they are loaded, so that all is still "
                   "computed in f32; default f32")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}))
      ->type_name("f32|f16|bf16");
  const std::map<std::string, bool> fusions{{"cuts", false}, {"max", true}};
  command
      ->add_option("--fusion", compile.fuseAcrossCuts,
                   "Whether operations between which the network may be cut stay apart, or are "
                   "fused where that is possible, which costs those cuts; default cuts")
      ->transform(CLI::CheckedTransformer(fusions))
      ->type_name("cuts|max");
  command
      ->add_option("--report", compile.report,
                   "Write a page that shows the capacities: one file, no network needed")
      ->type_name("OUT.html");
  command->add_flag("--store-latency", compile.storeLatency,
                    "Store the measured latencies in the artifact, which then differs from run to "
                    "run");
  command->add_flag("--mixed{auto}", raw.mixed,
                    "Also measure what head and tail of different capacities are worth together: at "
                    "every cut of one tensor that is smaller than at earlier ones, or, by "
                    "--mixed=3,7, at these. Only measured pairs run");
  const std::map<std::string, nestor::driver::Stage> stages{
      {"import", nestor::driver::Stage::Import},
      {"optimize", nestor::driver::Stage::Optimize},
      {"artifact", nestor::driver::Stage::Artifact},
      {"object", nestor::driver::Stage::Object}};
  command
      ->add_option("--emit", compile.emit,
                   "What to write: the artifact; an object file to link into a program, with a "
                   "header beside it; or the IR after a stage (to stdout without -o)")
      ->transform(CLI::CheckedTransformer(stages))
      ->type_name("artifact|object|import|optimize");
  command
      ->add_option("--triple", raw.triple,
                   "Platform of --emit object, such as arm64-apple-ios or aarch64-linux-android; "
                   "default: Linux on the architecture of --target")
      ->type_name("ARCH-VENDOR-OS");
  command->add_flag("--json", compile.json, "Describe the artifact as JSON on stdout");
  return command;
}

CLI::App *addCheck(CLI::App &app, CheckArguments &check, RawArguments &raw) {
  CLI::App *command =
      app.add_subcommand("check", "List every node of a model that is not supported, and why");
  addModelOptions(*command, check.model, raw);
  command->add_flag("--json", check.json, "Answer as JSON on stdout");
  return command;
}

CLI::App *addOps(CLI::App &app, OpsArguments &ops) {
  CLI::App *command = app.add_subcommand("ops", "Print the table of supported operators");
  command->add_flag("--json", ops.json, "Answer as JSON on stdout");
  return command;
}

CLI::App *addVerify(CLI::App &app, VerifyArguments &verify, RawArguments &raw) {
  CLI::App *command = app.add_subcommand(
      "verify",
      "Compare every capacity of an artifact with naive evaluations: the full one with the model "
      "it was compiled from, the others with the networks that the artifact stores");
  command->add_option("artifact", verify.artifact, "Artifact")->required()->type_name("F.nest");
  command->add_option("--onnx", verify.model.path, "The model")
      ->required()
      ->type_name("MODEL.onnx");
  addImportOptions(*command, raw);
  CLI::Option *data =
      command
          ->add_option("--data", verify.data,
                       "Inputs: arrays named like the model's, or x; default: random")
          ->type_name("D.npz");
  command->add_option("--samples", verify.samples, "Samples to take of --data; default 8")
      ->needs(data);
  command->add_option("--seed", verify.seed, "Of random inputs; default 0")->excludes(data);
  command->add_option("--tolerance", verify.tolerance,
                      "Error to allow, as a fraction of an output's range; default 1e-4, or 1e-3 "
                      "where convolutions are computed by Winograd's or Strassen's algorithm");
  command->add_option("--target", verify.target, "Code to run; default: the best for this CPU")
      ->type_name("FEATURES");
  command
      ->add_option("--precision", verify.precision,
                   "Which variant; int8 is compared with an evaluation of the same bytes, and may "
                   "be off by a byte here and there: give it a --tolerance; default f32")
      ->check(CLI::IsMember({"f32", "int8"}))
      ->type_name("f32|int8");
  command->add_flag("--json", verify.json, "Answer as JSON on stdout");
  return command;
}

CLI::App *addExport(CLI::App &app, ExportArguments &arguments) {
  CLI::App *command = app.add_subcommand(
      "export", "Write one capacity of an artifact as a plain ONNX model, which has the artifact's "
                "inputs: uint8 images too, with their normalisation in the model");
  command->add_option("artifact", arguments.artifact, "Artifact")->required()->type_name("F.nest");
  command->add_option("--capacity", arguments.capacity, "Which one; default 1, the full model")
      ->type_name("C");
  command->add_option("-o,--output", arguments.output, "Model to write")
      ->required()
      ->type_name("X.onnx");
  return command;
}

CLI::App *addTrim(CLI::App &app, TrimArguments &trim, RawArguments &raw) {
  CLI::App *command = app.add_subcommand(
      "trim", "Leave larger capacities, or blocks that run elsewhere, out of an artifact");
  command->add_option("artifact", trim.artifact, "Artifact")->required()->type_name("F.nest");
  command->add_option("--max-capacity", trim.maxCapacity, "The largest capacity to keep; default 1")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("C");
  command
      ->add_option("--blocks", raw.blocks,
                   "Keep blocks A to B - 1, which run from cut A to cut B ('nestor inspect' lists "
                   "them); an end that is left out is that of the model")
      ->type_name("A:B");
  command->add_option("-o,--output", trim.output, "Artifact to write")
      ->required()
      ->type_name("G.nest");
  return command;
}

/// An object is for one platform; its targets and triple follow each other.
void finishObject(CompileArguments &compile, const std::string &triple) {
  if (compile.emit != nestor::driver::Stage::Object) {
    if (!triple.empty())
      throw CLI::RequiresError("--triple", "--emit object");
    return;
  }
  if (llvm::StringRef(compile.output).ends_with(".h"))
    fail("-o", "'" + compile.output + "' is where the header goes; name the object, as in model.o");
  if (triple.empty()) {
    const auto *target = compile.targets.empty() ? &nestor::kernels::hostTarget() : compile.targets[0];
    compile.triple = nestor::package::defaultTriple(target->arch);
  } else {
    compile.triple = llvm::Triple(llvm::Triple::normalize(triple));
  }
  llvm::StringRef arch = compile.triple.isX86() && compile.triple.isArch64Bit() ? "x86_64"
                         : compile.triple.isAArch64() ? "aarch64" : "";
  if (arch.empty() || !(compile.triple.isOSBinFormatELF() || compile.triple.isOSBinFormatMachO()))
    fail("--triple", "'" + triple + "' is not a platform that objects are written for: 64-bit x86 or "
                     "Arm, ELF or Mach-O, as in arm64-apple-ios");
  // Without --target: this host's instruction set where it fits, else the
  // least that the architecture has.
  if (compile.targets.empty())
    compile.targets.push_back(
        nestor::kernels::hostTarget().arch == arch
            ? &nestor::kernels::hostTarget()
            : llvm::find_if(nestor::kernels::allTargets(),
                            [&](const auto &target) { return target.arch == arch; }));
  for (const auto *target : compile.targets)
    if (target->arch != arch)
      fail("--target", "'" + target->name + "' is not for " + compile.triple.str() +
                           ": an object is for one architecture");
}

void finishMixed(CompileArguments &compile, const std::string &text) {
  compile.mixed = !text.empty();
  if (!compile.mixed)
    return;
  if (compile.nest.data.empty() && compile.nest.eval.empty())
    fail("--mixed", "what head and tail are worth together is measured with samples; give them with "
                    "--eval E.npz or --data D.npz");
  if (compile.nest.capacities.size() == 1)
    fail("--mixed", "the full model is the only capacity; list smaller ones with --capacities");
  llvm::SmallVector<llvm::StringRef> numbers;
  if (text != "auto")
    llvm::StringRef(text).split(numbers, ',');
  for (llvm::StringRef number : numbers)
    if (number.getAsInteger(10, compile.mixedCuts.emplace_back()))
      fail("--mixed", "'" + number.str() + "' is not the number of a cut, as in --mixed=3,7");
  llvm::sort(compile.mixedCuts);
  compile.mixedCuts.erase(llvm::unique(compile.mixedCuts), compile.mixedCuts.end());
}

void finishPrecision(CompileArguments &compile, const RawArguments &raw) {
  compile.nest.int8 = llvm::is_contained(raw.precisions, "int8");
  if (!raw.precisions.empty() && !llvm::is_contained(raw.precisions, "f32"))
    fail("--precision", "f32 is always there: write f32,int8");
  if (!compile.nest.int8)
    return;
  if (raw.nest.data.empty())
    fail("--precision", "int8 needs samples to measure ranges on: give --data D.npz");
  if (!raw.cameraInputs.empty())
    fail("--precision", "int8 does not go together with --uint8-input: the model is given floats");
  if (compile.emit == nestor::driver::Stage::Object)
    fail("--precision", "an object has one precision: leave int8 or --emit object out");
}

void finishCompile(CompileArguments &compile, const RawArguments &raw) {
  finishModel(compile.model, raw);
  if (compile.output.empty() && compile.emit >= nestor::driver::Stage::Artifact)
    throw CLI::RequiredError(compile.emit == nestor::driver::Stage::Object ? "-o OUT.o" : "-o OUT.nest");
  for (const std::string &name : raw.targets) {
    const auto *target = parseTarget(name);
    if (llvm::is_contained(compile.targets, target))
      fail("--target", "'" + name + "' is given twice");
    compile.targets.push_back(target);
  }
  finishObject(compile, raw.triple);
  if (!raw.fastMath.empty())
    compile.winograd = parseFastMath(raw.fastMath);
  finishPrecision(compile, raw);
  finishNestFlags(raw.nest, !raw.cameraInputs.empty(), compile.nest);
  // Every size of the input needs kernels of its own.
  if (compile.optimize == "size" && !compile.nest.shrinkInput)
    compile.nest.shrinkInput = false;
  finishMixed(compile, raw.mixed);
  nestor::learn::Normalization normalization =
      compile.nest.normalization.value_or(nestor::learn::Normalization());
  for (const std::string &name : raw.cameraInputs) {
    nestor::driver::CameraInput input;
    input.name = name;
    input.scale = normalization.scale;
    input.mean = normalization.mean;
    input.std = normalization.std;
    compile.cameraInputs.push_back(std::move(input));
  }
}

void finishTrim(TrimArguments &trim, const RawArguments &raw, bool leavesOutCapacities) {
  if (raw.blocks.empty()) {
    if (!leavesOutCapacities)
      throw CLI::RequiredError("--max-capacity C or --blocks A:B");
    return;
  }
  auto [first, end] = llvm::StringRef(raw.blocks).split(':');
  auto &[from, to] = trim.blocks.emplace(0, UINT32_MAX);
  bool isRange = llvm::StringRef(raw.blocks).contains(':') &&
                 (first.empty() || !first.getAsInteger(10, from)) &&
                 (end.empty() || !end.getAsInteger(10, to));
  if (!isRange || from >= to)
    fail("--blocks", "'" + raw.blocks + "' is not A:B with A before B, as in 0:7 or 7:");
}

} // namespace

Arguments parseArguments(int argc, char **argv) {
  CLI::App app("Compiles ONNX models into .nest artifacts.", "nestorc");
  app.set_version_flag("--version", "nestorc " NESTOR_VERSION);
  app.require_subcommand(0, 1); // None is reported below, an unknown one by its name.
  app.footer("'nestorc COMMAND --help' lists the flags of a command.");
  CompileArguments compile;
  CheckArguments check;
  OpsArguments ops;
  VerifyArguments verify;
  ExportArguments exported;
  TrimArguments trim;
  RawArguments raw;
  CLI::App *compileCommand = addCompile(app, compile, raw);
  CLI::App *checkCommand = addCheck(app, check, raw);
  CLI::App *opsCommand = addOps(app, ops);
  CLI::App *verifyCommand = addVerify(app, verify, raw);
  CLI::App *exportCommand = addExport(app, exported);
  CLI::App *trimCommand = addTrim(app, trim, raw);
  try {
    app.parse(argc, argv);
    if (compileCommand->parsed()) {
      finishCompile(compile, raw);
      return compile;
    }
    if (checkCommand->parsed()) {
      finishModel(check.model, raw);
      return check;
    }
    if (verifyCommand->parsed()) {
      finishModel(verify.model, raw);
      return verify;
    }
    if (exportCommand->parsed())
      return exported;
    if (opsCommand->parsed())
      return ops;
    if (trimCommand->parsed()) {
      finishTrim(trim, raw, trimCommand->count("--max-capacity") != 0);
      return trim;
    }
    throw CLI::RequiredError("A command (compile, check, ops, verify, export or trim)");
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? ExitStatus::Ok : ExitStatus::Usage;
  }
}

} // namespace nestorc
