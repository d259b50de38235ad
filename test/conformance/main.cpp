//===- main.cpp - Runs the ONNX conformance data --------------------------===//
//
// Part of Nestor. SPDX-License-Identifier: Apache-2.0
//
//===----------------------------------------------------------------------===//
//
// Every case runs in a forked child: a crash or a hang is the failure of one
// case. The result is compared with a list of known failures, from which it
// must not differ either way.
//
//===----------------------------------------------------------------------===//

#include "test/conformance/Backend.h"
#include "test/conformance/KnownFailures.h"

#include "compiler/driver/Compile.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstring>
#include <sys/wait.h>
#include <unistd.h>

using namespace nestor;
using namespace nestor::conformance;

namespace {

constexpr unsigned kSecondsPerCase = 120;
/// How many passes with bound inputs count.
constexpr unsigned kCountedBindings = 100;

struct Options {
  std::string data = "/usr/share/libonnx-testdata/data";
  std::string known, backend = "compiled", filter;
  unsigned jobs = 1;
  bool bind = true, update = false, verbose = false;
};

enum class Verdict : char { Passed = 'p', PassedBound = 'b', Failed = 'f' };

struct CaseResult {
  Verdict verdict = Verdict::Failed;
  std::string reason;
};

//===----------------------------------------------------------------------===//
// In the child
//===----------------------------------------------------------------------===//

std::string compareAll(const Tensors &actual, const Tensors &expected) {
  for (const auto &[name, value] : expected) {
    auto found = actual.find(name);
    if (found == actual.end())
      return "output '" + name + "' is missing";
    std::string difference = compare(found->second, value);
    if (!difference.empty())
      return "output '" + name + "' " + difference;
  }
  return "";
}

/// Runs one data set, with inputs bound only where it does not go without.
CaseResult runSet(const Case &which, const LoadedCase &loaded, const DataSet &set, Backend backend,
                  bool bind, mlir::MLIRContext &context) {
  import::ImportOptions options;
  for (const auto &[name, value] : set.inputs)
    options.shapes[name] = value.type.getShape().vec();
  CaseResult result{Verdict::Passed, ""};
  Outcome outcome = backend(which.path + "/model.onnx", options, set.inputs, context);
  if (outcome.unsupported && bind && !loaded.bindable.empty()) {
    for (const std::string &name : loaded.bindable)
      if (auto value = set.inputs.find(name); value != set.inputs.end())
        options.bindings[name] = value->second;
    result.verdict = Verdict::PassedBound;
    outcome = backend(which.path + "/model.onnx", options, set.inputs, context);
  }
  result.reason = outcome.error.empty() ? compareAll(outcome.outputs, set.outputs) : outcome.error;
  if (!result.reason.empty())
    result.verdict = Verdict::Failed;
  return result;
}

CaseResult runCase(const Case &which, const Options &options) {
  Backend backend = options.backend == "reference"  ? runReference
                    : options.backend == "exported" ? runExported
                                                    : runCompiled;
  auto context = driver::createContext();
  LoadedCase loaded = load(which, *context);
  CaseResult worst{Verdict::Passed, loaded.error};
  if (!loaded.error.empty())
    worst.verdict = Verdict::Failed;
  for (const DataSet &set : loaded.sets) {
    if (worst.verdict == Verdict::Failed)
      break;
    CaseResult result = runSet(which, loaded, set, backend, options.bind, *context);
    if (result.verdict != Verdict::Passed)
      worst = result;
  }
  return worst;
}

//===----------------------------------------------------------------------===//
// In the parent
//===----------------------------------------------------------------------===//

struct Child {
  const Case *which;
  int pipe; ///< Its verdict and reason.
};

Child start(const Case &which, const Options &options, pid_t &pid) {
  int ends[2];
  if (pipe(ends) != 0 || (pid = fork()) < 0) {
    std::perror("conformance");
    std::exit(5);
  }
  if (pid > 0) {
    close(ends[1]);
    return {&which, ends[0]};
  }
  alarm(kSecondsPerCase);
  CaseResult result = runCase(which, options);
  std::string message(1, char(result.verdict));
  message +=
      result.reason.substr(0, result.reason.find('\n')).substr(0, 400); // Fits the pipe's buffer.
  bool written = write(ends[1], message.data(), message.size()) == ssize_t(message.size());
  _exit(written ? 0 : 5); // No destructors: the child is done with what it holds.
}

CaseResult finish(const Child &child, int status) {
  char buffer[1024];
  ssize_t size = read(child.pipe, buffer, sizeof buffer);
  close(child.pipe);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    return {Verdict::Failed, "took longer than " + std::to_string(kSecondsPerCase) + " s"};
  if (WIFSIGNALED(status))
    return {Verdict::Failed, std::string("crashed: ") + strsignal(WTERMSIG(status))};
  if (size < 1)
    return {Verdict::Failed, "exited without a verdict"};
  return {Verdict(buffer[0]), std::string(buffer + 1, size - 1)};
}

std::map<std::string, CaseResult> runAll(const std::vector<Case> &cases, const Options &options) {
  std::map<std::string, CaseResult> results;
  std::map<pid_t, Child> running;
  for (size_t next = 0; next < cases.size() || !running.empty();) {
    if (next < cases.size() && running.size() < options.jobs) {
      pid_t pid;
      Child child = start(cases[next++], options, pid);
      running.emplace(pid, child);
      continue;
    }
    int status;
    auto child = running.find(wait(&status));
    CaseResult result = finish(child->second, status);
    const std::string &name = child->second.which->name;
    if (options.verbose)
      std::printf("%c %s %s\n", char(result.verdict), name.c_str(), result.reason.c_str());
    results[name] = result;
    running.erase(child);
  }
  return results;
}

/// Prints what is not as the list says; returns whether all of it is.
bool compareWithList(const std::map<std::string, CaseResult> &results, const KnownFailures &known) {
  bool asListed = true;
  for (const auto &[name, result] : results) {
    bool fails = result.verdict == Verdict::Failed;
    if (fails == bool(known.count(name)))
      continue;
    asListed = false;
    if (fails)
      std::printf("FAILED %s: %s\n", name.c_str(), result.reason.c_str());
    else
      std::printf("PASSED but listed as a known failure: %s\n", name.c_str());
  }
  return asListed;
}

int report(const std::map<std::string, CaseResult> &results, const Options &options) {
  unsigned plain = 0, bound = 0, failed = 0;
  KnownFailures failures, known;
  for (const auto &[name, result] : results) {
    plain += result.verdict == Verdict::Passed;
    bound += result.verdict == Verdict::PassedBound;
    failed += result.verdict == Verdict::Failed;
    if (result.verdict == Verdict::Failed)
      failures[name] = result.reason;
  }
  bool ok = true;
  if (options.update) {
    ok = writeKnownFailures(options.known, failures);
  } else if (!options.known.empty()) {
    if (!readKnownFailures(options.known, known)) {
      std::fprintf(stderr, "conformance: cannot read %s\n", options.known.c_str());
      return 4;
    }
    ok = compareWithList(results, known);
  }
  std::printf(
      "%u passed, %u failed (backend %s: %u plain, %u with bound inputs of which %u count)\n",
      plain + std::min(bound, kCountedBindings), failed, options.backend.c_str(), plain, bound,
      std::min(bound, kCountedBindings));
  return ok ? 0 : 1;
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  CLI::App app("Runs the ONNX conformance cases of Debian's libonnx-testdata");
  app.add_option("--data", options.data, "directory of the cases")->capture_default_str();
  app.add_option("--backend", options.backend, "what runs them")
      ->check(CLI::IsMember({"compiled", "reference", "exported"}))
      ->capture_default_str();
  app.add_option("--known-failures", options.known, "list that the failures must equal");
  app.add_flag("--update", options.update, "write the failures to that list");
  app.add_option("--filter", options.filter, "only cases whose name contains this");
  app.add_flag("--bind,!--no-bind", options.bind,
               "bind run-time shapes and positions where needed");
  app.add_option("-j,--jobs", options.jobs, "cases at a time")->check(CLI::PositiveNumber);
  app.add_flag("-v,--verbose", options.verbose, "print every case");
  CLI11_PARSE(app, argc, argv);

  std::vector<Case> cases = findCases(options.data);
  if (cases.empty()) {
    std::fprintf(stderr, "conformance: no cases in %s; install libonnx-testdata\n",
                 options.data.c_str());
    return 2;
  }
  cases.erase(std::remove_if(
                  cases.begin(), cases.end(),
                  [&](const Case &c) { return c.name.find(options.filter) == std::string::npos; }),
              cases.end());
  return report(runAll(cases, options), options);
}
